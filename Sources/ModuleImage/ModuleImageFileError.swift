import Basics

/// Why a file could not be read as an update image.
public enum ModuleImageFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What a file is that is no image.
  public enum Lookalike: Equatable, Sendable {
    /// Nothing.
    case empty
    /// The module alone, as Intel's `.bin` files.
    case bareModule
    /// The sigstruct alone, as Intel's `.sigstruct` files.
    case bareSigstruct
    /// Anything else.
    case unknown
  }

  /// There is no "TDX-BLOB" where an image has it.
  case notAnImage(Lookalike)
  /// The signature is there, the version is neither 0x100 nor 0x200, or not the one whose signature lies there.
  case unknownVersion(UInt16)
  /// The file ends before what its header announces.
  case truncated(expected: Int, found: Int)
  /// offset_of_module is not a multiple of 4096.
  case unalignedModule(offset: Int)
  /// There is no page for the sigstruct.
  case noSigstruct
  /// Nothing follows the sigstruct.
  case noModule

  /// The rest of a sentence that begins with the file's name.
  public var description: String {
    switch self {
    case .notAnImage(.empty): "is empty"
    case .notAnImage(.bareModule):
      "is a module without header and sigstruct; join it with its .sigstruct to an image first"
    case .notAnImage(.bareSigstruct): "is a sigstruct without its module; join both to an image first"
    case .notAnImage(.unknown): "is no TDX module image: \"TDX-BLOB\" stands neither at byte 8 nor at byte 4"
    case .unknownVersion(let version):
      "has the header version 0x\(version.paddedHexadecimal), which does not fit its layout; known are 0x0100 and 0x0200"
    case .truncated(let expected, let found): "is cut off: it has \(found) bytes and should have \(expected)"
    case .unalignedModule(let offset): "has its module at byte \(offset), which is no page boundary"
    case .noSigstruct: "has no room for a sigstruct before its module"
    case .noModule: "has no module after its sigstruct"
    }
  }
}
