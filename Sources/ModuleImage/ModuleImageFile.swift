import Basics

/// An update image as it lies on a disk, taken apart: header, sigstruct, module.
///
/// This is tdxfs's own reading, for `inspect` and `verify`. What each kernel checks before it hands an image to the
/// P-SEAMLDR is another matter (kernel-abi.md 4.3) and lives in TDXHost.
public struct ModuleImageFile: Equatable, Sendable {
  /// The two header versions.
  public enum Format: UInt16, CaseIterable, Sendable {
    /// ``TDXBlob``, which all public releases have.
    case blob = 0x100
    /// ``TDXImage``.
    case image = 0x200

    /// `0x100` or `0x200`.
    public var name: String { "0x" + String(rawValue, radix: 16) }

    /// The format that is called `0x100` or `0x200`; nil for anything else.
    public init?(named name: String) {
      guard let format = Self.allCases.first(where: { $0.name == name }) else { return nil }
      self = format
    }
  }

  /// Size of a page in bytes.
  public static let pageSize = 4096
  /// Most pages that SEAMLDR_PARAMS has room for.
  public static let maxModulePages = 496

  /// Header version.
  public let format: Format
  /// The header's checksum.
  public let checksum: UInt16
  /// Size of the file in bytes.
  public let fileSize: Int
  /// The signed description.
  public let sigstruct: SEAMSigstruct
  /// Pages of the area that holds the sigstruct.
  public let sigstructPages: Int
  /// The module's bytes.
  public let module: [UInt8]
  /// What is wrong with the file although it can be read, each a sentence. Empty for an intact file.
  public let problems: [String]

  /// Pages of the module, a partial last one not counted.
  public var modulePages: Int { module.count / Self.pageSize }

  /// Takes `bytes` apart.
  public init(_ bytes: [UInt8]) throws(ModuleImageFileError) {
    let layout = try ImageFileLayout(ByteReader(bytes))
    format = layout.format
    checksum = layout.checksum
    fileSize = bytes.count
    guard let sigstruct = SEAMSigstruct(bytes[layout.sigstruct]) else { throw .noSigstruct }
    self.sigstruct = sigstruct
    sigstructPages = layout.sigstruct.count / Self.pageSize
    module = Array(bytes[layout.module])
    problems = layout.problems(of: bytes)
  }

  /// The file of `format` with `sigstruct` and the pages of `module`, intact in every respect.
  public static func bytes(format: Format, sigstruct: SEAMSigstruct, module: [UInt8]) -> [UInt8] {
    var header = [UInt8](repeating: 0, count: pageSize)
    let padding = [UInt8](repeating: 0, count: pageSize - SEAMSigstruct.size)
    switch format {
    case .blob:
      header.store(format.rawValue, in: TDXBlob.version)
      header.store(UInt32(2 * pageSize), in: TDXBlob.offsetOfModule)
      header.store(TDXBlob.signature, at: TDXBlob.signatureRange.lowerBound)
      header.store(UInt32(truncatingIfNeeded: 2 * pageSize + module.count), in: TDXBlob.length)
    case .image:
      header.store(format.rawValue, in: TDXImage.version)
      header.store(TDXImage.signature, at: TDXImage.signatureRange.lowerBound)
      header.store(UInt32(1), in: TDXImage.sigstructPages)
      let pages = (module.count + pageSize - 1) / pageSize
      header.store(UInt32(truncatingIfNeeded: pages), in: TDXImage.modulePages)
    }
    var bytes = header + sigstruct.bytes + padding + module
    bytes.store(0 &- ImageChecksum.wordSum(bytes), in: TDXBlob.checksum)
    return bytes
  }
}
