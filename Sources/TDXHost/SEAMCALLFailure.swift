import Basics
import SEAM
import SystemPackage

/// A SEAMCALL as the kernel makes it.
struct KernelCall: Sendable, Codable {
  /// Leaf and operands.
  var registers: Registers
  /// CPU that executes it.
  var lp: Int
  /// `seamcall_prerr_ret` instead of `seamcall_prerr`: a failure also logs the registers.
  var logsRegisters = false

  init(_ leaf: ModuleLeaf, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, on lp: Int, logsRegisters: Bool = false) {
    registers = Registers(rax: UInt64(leaf.rawValue), rcx: rcx, rdx: rdx, r8: r8)
    self.lp = lp
    self.logsRegisters = logsRegisters
  }

  init(_ leaf: LoaderLeaf, rcx: UInt64, on lp: Int) {
    registers = Registers(rax: leaf.rawValue, rcx: rcx)
    self.lp = lp
  }

  /// TDH.SYS.RD of `field` (`read_sys_metadata_field`).
  static func read(_ field: MetadataField, on lp: Int) -> KernelCall {
    KernelCall(.sysRD, rdx: field.rawValue, on: lp, logsRegisters: true)
  }
}

/// A SEAMCALL that did not succeed, and the errno that Linux makes of it.
public struct SEAMCALLFailure: Error, Equatable, Sendable, Codable {
  /// CPU that executed it.
  public var lp: Int
  /// Leaf and operands.
  public var registers: Registers
  /// What came back.
  public var result: SEAMCALLResult
  /// What the kernel made of it (kernel-abi.md 5.5).
  public var errno: Errno

  /// The leaf that was called.
  public var leaf: Leaf { Leaf(rax: registers.rax) }
  /// RAX as the kernel's wrapper sees it: the completion status, or a pseudo status where no firmware was entered.
  public var status: CompletionStatus { CompletionStatus(rawValue: result.linuxStatus) }
  /// RDX after the call: of INSTALL, 1 says that the module is gone (unrecoverable). Nil when no firmware was entered.
  public var rdx: UInt64? {
    guard case .returned(let registers) = result else { return nil }
    return registers.rdx
  }
}

extension SEAMCALLResult {
  /// `TDX_SEAMCALL_VMFAILINVALID`
  public static let vmFailInvalidStatus: UInt64 = 0x8000_FF00_FFFF_0000
  /// `TDX_SEAMCALL_GP`
  public static let generalProtectionStatus: UInt64 = 0x8000_FF00_0000_000D
  /// `TDX_SEAMCALL_UD`
  public static let invalidOpcodeStatus: UInt64 = 0x8000_FF00_0000_0006

  /// RAX as `__seamcall` gives it: where no firmware was entered, a pseudo status of class 0xFF.
  public var linuxStatus: UInt64 {
    switch self {
    case .returned(let registers): registers.rax
    case .vmFailInvalid: Self.vmFailInvalidStatus
    case .generalProtection: Self.generalProtectionStatus
    case .invalidOpcode: Self.invalidOpcodeStatus
    }
  }

  /// `sc_retry_prerr`: the errno of the result, nil for success. Only EIO is logged.
  var linuxErrno: Errno? {
    switch linuxStatus {
    case 0: nil
    case Self.vmFailInvalidStatus: .operationNotSupportedByDevice
    case Self.generalProtectionStatus: .notSupported
    case Self.invalidOpcodeStatus: .permissionDenied
    default: .ioError
    }
  }
}
