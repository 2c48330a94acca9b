import Basics

/// How many pages of a part are taken.
public enum PageLimit: Equatable, Sendable {
  /// What is beyond is left out silently.
  case clamped(to: Int)
  /// An image with more was refused by an ``ImageCheck``.
  case refused(above: Int)

  /// The most pages that can be passed on.
  public var limit: Int {
    switch self {
    case .clamped(let limit), .refused(let limit): limit
    }
  }
}

/// How sigstruct and module are found in an image.
public enum ImageLayout: Equatable, Sendable {
  /// Version 0x100: the module begins at offset_of_module and ends with the file; a trailing partial page is left out.
  case tdxBlob(sigstructPages: PageLimit, modulePages: PageLimit)
  /// Version 0x200: page counts in the header.
  case tdxImage(sigstructPages: PageLimit, modulePages: PageLimit)

  /// Pages of sigstruct and of module as the header has them, before any limit.
  public func pageCounts(of image: [UInt8]) -> (sigstruct: UInt32, module: UInt32) {
    let reader = ByteReader(image)
    func word(_ offset: Int) -> UInt32 { (try? reader.integer(at: offset)) ?? 0 }
    switch self {
    case .tdxBlob:
      let offset = Int(word(ImageHeader.moduleOffset))
      return (
        UInt32(clamping: max(0, offset - ImageHeader.size) / 4096),
        UInt32(clamping: max(0, image.count - offset) / 4096)
      )
    case .tdxImage:
      return (word(ImageHeader.sigstructPages), word(ImageHeader.modulePages))
    }
  }

  /// The offsets of the pages that are handed to the P-SEAMLDR. Pages that would not lie inside the image are left out.
  public func pages(of image: [UInt8]) -> (sigstruct: [Int], module: [Int]) {
    let counts = pageCounts(of: image)
    let sigstructCount: Int
    let moduleCount: Int
    let moduleStart: Int
    switch self {
    case .tdxBlob(let sigstruct, let module):
      sigstructCount = min(Int(counts.sigstruct), sigstruct.limit)
      moduleCount = min(Int(counts.module), module.limit)
      moduleStart = Int((try? ByteReader(image).integer(at: ImageHeader.moduleOffset, as: UInt32.self)) ?? 0)
    case .tdxImage(let sigstruct, let module):
      sigstructCount = min(Int(counts.sigstruct), sigstruct.limit)
      moduleCount = min(Int(counts.module), module.limit)
      moduleStart = ImageHeader.size + 4096 * Int(counts.sigstruct)
    }
    func offsets(_ start: Int, _ count: Int) -> [Int] {
      (0..<count).map { start + 4096 * $0 }.filter { $0 <= image.count - 4096 }
    }
    return (offsets(ImageHeader.size, sigstructCount), offsets(moduleStart, moduleCount))
  }
}
