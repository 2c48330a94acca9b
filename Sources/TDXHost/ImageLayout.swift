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
  /// Version 0x100: the module begins at offset_of_module and ends with the file. A trailing partial page is left out, or
  /// counts as a page.
  case tdxBlob(sigstructPages: PageLimit, modulePages: PageLimit, roundsModuleUp: Bool = false)
  /// Version 0x200: page counts in the header.
  case tdxImage(sigstructPages: PageLimit, modulePages: PageLimit)

  /// Pages of sigstruct and of module as the header has them, before any limit.
  public func pageCounts(of image: [UInt8]) -> (sigstruct: UInt32, module: UInt32) {
    let reader = ByteReader(image)
    func word(_ offset: Int) -> UInt32 { (try? reader.integer(at: offset)) ?? 0 }
    switch self {
    case .tdxBlob(_, _, let roundsModuleUp):
      let sizes = Self.partSizes(of: image)
      let module = max(0, sizes.module) + (roundsModuleUp ? 4095 : 0)
      return (UInt32(clamping: max(0, sizes.sigstruct) / 4096), UInt32(clamping: module / 4096))
    case .tdxImage:
      return (word(ImageHeader.sigstructPages), word(ImageHeader.modulePages))
    }
  }

  /// Bytes of the two parts of a 0x100 image; negative where offset_of_module is not inside.
  static func partSizes(of image: [UInt8]) -> (sigstruct: Int, module: Int) {
    let offset = Int((try? ByteReader(image).integer(at: ImageHeader.moduleOffset, as: UInt32.self)) ?? 0)
    return (offset - ImageHeader.size, image.count - offset)
  }

  /// The offsets of the pages that are handed to the P-SEAMLDR. Pages that do not begin inside the image are left out.
  public func pages(of image: [UInt8]) -> (sigstruct: [Int], module: [Int]) {
    let counts = pageCounts(of: image)
    let limits: (sigstruct: Int, module: Int)
    let moduleStart: Int
    switch self {
    case .tdxBlob(let sigstruct, let module, _):
      limits = (sigstruct.limit, module.limit)
      moduleStart = image.count - Self.partSizes(of: image).module
    case .tdxImage(let sigstruct, let module):
      limits = (sigstruct.limit, module.limit)
      // The product is an u32 in the kernel.
      moduleStart = ImageHeader.size + Int(counts.sigstruct &* 4096)
    }
    func offsets(_ start: Int, _ count: UInt32, _ limit: Int) -> [Int] {
      (0..<min(Int(count), limit)).map { start + 4096 * $0 }.filter { $0 >= 0 && $0 < image.count }
    }
    return (
      offsets(ImageHeader.size, counts.sigstruct, limits.sigstruct),
      offsets(moduleStart, counts.module, limits.module)
    )
  }
}
