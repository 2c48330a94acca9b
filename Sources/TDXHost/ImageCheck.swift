import Basics
import SystemPackage

/// One thing that the kernel looks at before it stops any CPU.
public enum PreflightCheck: Equatable, Sendable, Codable {
  /// INFO has to succeed: the call's errno, or this one.
  case seamldrInfo(failure: Errno?)
  /// INFO's num_remaining_updates has to be more than 0: ENOSPC.
  case remainingUpdates
  /// A page for SEAMLDR_PARAMS: ENOMEM.
  case allocation
  /// All present CPUs are online: EBUSY, with this line.
  case everyCPUOnline(line: String?)
  /// A property of the image: EINVAL, with this line; `%u` and `%x` stand for the header's version.
  case image(ImageCheck, line: String? = nil)
}

/// A property of an image's header that some kernel checks (kernel-abi.md 4.3). All fail with EINVAL.
public enum ImageCheck: Equatable, Sendable, Codable {
  /// size ≥ n
  case atLeast(Int)
  /// size > n
  case largerThan(Int)
  /// size > offset_of_module
  case largerThanModuleOffset
  /// 4096 < offset_of_module < size
  case moduleOffsetInside
  /// offset_of_module is a multiple of 4096.
  case moduleOffsetAligned
  /// length == size
  case lengthMatchesSize
  /// "TDX-BLOB" at this offset.
  case signature(at: Int)
  /// The u16 at 0.
  case version(UInt16)
  /// Zeros in these bytes.
  case reserved(Range<Int>)
  /// Header, sigstruct_nr_pages and module_nr_pages add up to the size; the products wrap at 32 bits, the sum does not.
  case pageCountsMatchSize
  /// At most so many pages of sigstruct and of module.
  case pageCounts(sigstruct: UInt32, module: UInt32)
  /// Sigstruct and module of a 0x100 image have at most so many bytes.
  case partSizes(sigstruct: Int, module: Int)
  /// The sigstruct of a 0x100 image has exactly so many bytes, padding included.
  case sigstructSize(Int)
  /// Sigstruct and module of a 0x100 image, and so their places, are multiples of 4096.
  case wholePages
  /// The 16-bit words of the file sum up to 0.
  case checksum
}

/// Why an image was refused before anything was touched.
public struct ImageRefusal: Error, Equatable, Sendable {
  /// The check that failed.
  public var check: ImageCheck
  /// For people: what is wrong, what was found and what was expected.
  public var sentence: String
}

/// Where the fields of the two headers lie (kernel-abi.md 4.1, 4.2).
enum ImageHeader {
  /// Bytes.
  static let size = 4096
  /// "TDX-BLOB"
  static let magic = Array("TDX-BLOB".utf8)
  /// u16, both formats.
  static let version = 0
  /// 0x100: u32.
  static let moduleOffset = 4
  /// 0x100: u32.
  static let length = 16
  /// 0x200: u32.
  static let sigstructPages = 12
  /// 0x200: u32.
  static let modulePages = 16
}

extension ImageCheck {
  /// Applies the check to `image`; fields beyond its end count as zero.
  public func apply(to image: [UInt8], layout: ImageLayout) throws(ImageRefusal) {
    let reader = ByteReader(image)
    func word(_ offset: Int) -> UInt32 { (try? reader.integer(at: offset)) ?? 0 }
    let size = image.count
    switch self {
    case .atLeast(let limit):
      try require(size >= limit, "the image has \(size) bytes, at least \(limit) are needed")
    case .largerThan(let limit):
      try require(size > limit, "the image has \(size) bytes, more than \(limit) are needed")
    case .largerThanModuleOffset:
      let offset = word(ImageHeader.moduleOffset)
      try require(
        size > Int(offset), "offset_of_module is \(offset), which is not inside the image of \(size) bytes")
    case .moduleOffsetInside:
      let offset = Int(word(ImageHeader.moduleOffset))
      try require(
        offset > 4096 && offset < size,
        "offset_of_module is \(offset), which is not between the header (4096) and the end of the image (\(size))")
    case .moduleOffsetAligned:
      let offset = word(ImageHeader.moduleOffset)
      try require(
        offset.isMultiple(of: 4096), "offset_of_module is \(offset), which is not a multiple of 4096")
    case .lengthMatchesSize:
      let length = word(ImageHeader.length)
      try require(Int(length) == size, "the header's length is \(length), the image has \(size) bytes")
    case .signature(let offset):
      let found = (try? reader.slice(at: offset, count: 8)).map(Array.init) ?? []
      try require(
        found == ImageHeader.magic,
        "the signature at \(offset) is \(Self.quote(found)), \"TDX-BLOB\" is expected")
    case .version(let expected):
      let found: UInt16 = (try? reader.integer(at: ImageHeader.version)) ?? 0
      try require(
        found == expected,
        "the header's version is 0x\(String(found, radix: 16)), this kernel takes 0x\(String(expected, radix: 16))")
    case .reserved(let range):
      let bytes = image.dropFirst(range.lowerBound).prefix(range.count)
      let bad = bytes.firstIndex { $0 != 0 }
      try require(bad == nil, "the reserved byte at \(bad ?? 0) of the header is not zero")
    case .pageCountsMatchSize:
      let sigstruct = word(ImageHeader.sigstructPages)
      let module = word(ImageHeader.modulePages)
      let sum = 4096 + Int(sigstruct &* 4096) + Int(module &* 4096)
      try require(
        sum == size,
        "the header announces \(sigstruct) sigstruct and \(module) module pages, \(sum) bytes in all, "
          + "the image has \(size)")
    case .pageCounts(let maxSigstruct, let maxModule):
      let (sigstruct, module) = layout.pageCounts(of: image)
      try require(
        sigstruct <= maxSigstruct && module <= maxModule,
        "the image has \(sigstruct) sigstruct and \(module) module pages, at most \(maxSigstruct) and \(maxModule) "
          + "are taken")
    case .partSizes(let maxSigstruct, let maxModule):
      let (sigstruct, module) = ImageLayout.partSizes(of: image)
      try require(
        sigstruct <= maxSigstruct && module <= maxModule,
        "the image has \(sigstruct) bytes of sigstruct and \(module) of module, more than this kernel takes")
    case .sigstructSize(let expected):
      let (sigstruct, _) = ImageLayout.partSizes(of: image)
      try require(sigstruct == expected, "the sigstruct has \(sigstruct) bytes, this kernel takes \(expected)")
    case .wholePages:
      let (sigstruct, module) = ImageLayout.partSizes(of: image)
      try require(
        sigstruct.isMultiple(of: 4096) && module.isMultiple(of: 4096),
        "sigstruct and module have \(sigstruct) and \(module) bytes, which are not both multiples of 4096")
    case .checksum:
      let sum = stride(from: 0, to: size, by: 2).reduce(UInt16(0)) { sum, index in
        sum &+ UInt16(image[index]) &+ (index + 1 < size ? UInt16(image[index + 1]) << 8 : 0)
      }
      try require(sum == 0, "the 16-bit words of the image sum up to 0x\(String(sum, radix: 16)), 0 is expected")
    }
  }

  private func require(_ condition: Bool, _ sentence: @autoclosure () -> String) throws(ImageRefusal) {
    if !condition { throw ImageRefusal(check: self, sentence: sentence()) }
  }

  private static func quote(_ bytes: [UInt8]) -> String {
    let isPrintable = bytes.count == 8 && bytes.allSatisfy { (0x20...0x7E).contains($0) }
    return isPrintable ? "\"\(String(decoding: bytes, as: UTF8.self))\"" : "0x\(bytes.hexadecimal)"
  }
}
