import Basics

/// How a failed SEAMCALL is written (kernel-abi.md 5.5).
public struct SEAMCALLErrorFormat: Equatable, Sendable {
  /// A conversion of printk.
  public enum Number: Sendable {
    /// `%llu`
    case decimal
    /// `%lld`, after bit 63 was cleared.
    case decimalWithoutBit63
    /// `%llx`
    case bareHexadecimal
    /// `0x%016llx`
    case hexadecimal
    /// `%#016llx`: sixteen characters, "0x" included.
    case alternateForm

    func text(_ value: UInt64) -> String {
      switch self {
      case .decimal: return "\(value)"
      case .decimalWithoutBit63: return "\(value & ~(1 << 63))"
      case .bareHexadecimal: return String(value, radix: 16)
      case .hexadecimal: return "0x\(value.paddedHexadecimal)"
      case .alternateForm:
        let digits = String(value, radix: 16)
        return "0x" + String(repeating: "0", count: max(0, 14 - digits.count)) + digits
      }
    }
  }

  /// The leaf of the TDX module in `virt/tdx: SEAMCALL (…) failed: …`
  public var moduleLeaf: Number
  /// Status and registers of the TDX module.
  public var moduleValue: Number
  /// What stands before the leaf of the P-SEAMLDR.
  public var loaderName: String
  /// The leaf of the P-SEAMLDR.
  public var loaderLeaf: Number
  /// Its status.
  public var loaderValue: Number

  /// v1: decimal leaves; the wrapper is in `tdx.c`.
  public static let v1 = SEAMCALLErrorFormat(
    moduleLeaf: .decimal, moduleValue: .hexadecimal, loaderName: "virt/tdx: SEAMLDR",
    loaderLeaf: .decimalWithoutBit63, loaderValue: .hexadecimal)
  /// v2: decimal leaves; the wrapper is in a header.
  public static let v2 = SEAMCALLErrorFormat(
    moduleLeaf: .decimal, moduleValue: .alternateForm, loaderName: "seamldr: P-SEAMLDR",
    loaderLeaf: .decimalWithoutBit63, loaderValue: .hexadecimal)
  /// v3: decimal leaves of the module, hexadecimal ones of the P-SEAMLDR.
  public static let v3 = SEAMCALLErrorFormat(
    moduleLeaf: .decimal, moduleValue: .alternateForm, loaderName: "seamldr: P-SEAMLDR",
    loaderLeaf: .bareHexadecimal, loaderValue: .alternateForm)
  /// v4 and later: the same for both.
  public static let hexadecimal = SEAMCALLErrorFormat(
    moduleLeaf: .hexadecimal, moduleValue: .hexadecimal, loaderName: "seamldr: SEAMCALL",
    loaderLeaf: .hexadecimal, loaderValue: .hexadecimal)
}
