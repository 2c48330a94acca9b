import Basics

/// The general-purpose registers that a SEAMCALL takes and gives back.
///
/// RAX selects the leaf on the way in and is the completion status on the way
/// out; the others are operands (TDX module ABI specification, SEAMCALL
/// interface; P-SEAMLDR interface specification).
public struct Registers: Equatable, Hashable, Sendable, Codable {
  /// Leaf in, completion status out.
  public var rax: UInt64
  /// Operand RBX.
  public var rbx: UInt64 = 0
  /// Operand RCX.
  public var rcx: UInt64
  /// Operand RDX.
  public var rdx: UInt64
  /// Operand RSI.
  public var rsi: UInt64 = 0
  /// Operand RDI.
  public var rdi: UInt64 = 0
  /// Operand R8.
  public var r8: UInt64
  /// Operand R9.
  public var r9: UInt64
  /// Operand R10.
  public var r10: UInt64
  /// Operand R11.
  public var r11: UInt64
  /// Operand R12.
  public var r12: UInt64 = 0
  /// Operand R13.
  public var r13: UInt64 = 0
  /// Operand R14.
  public var r14: UInt64 = 0
  /// Operand R15.
  public var r15: UInt64 = 0

  /// Registers with the operands that are given, all others zero.
  public init(
    rax: UInt64, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0, r10: UInt64 = 0, r11: UInt64 = 0
  ) {
    self.rax = rax
    self.rcx = rcx
    self.rdx = rdx
    self.r8 = r8
    self.r9 = r9
    self.r10 = r10
    self.r11 = r11
  }

  /// RAX read as a completion status.
  public var status: CompletionStatus {
    get { CompletionStatus(rawValue: rax) }
    set { rax = newValue.rawValue }
  }
}

/// What the SEAMCALL instruction did on a logical processor.
public enum SEAMCALLResult: Equatable, Sendable, Codable {
  /// A firmware was entered and returned (CF = 0); RAX is its completion status.
  case returned(Registers)
  /// CF = 1, registers unchanged: no firmware behind the leaf is ready (VMfailInvalid).
  case vmFailInvalid
  /// #GP: SEAM is not enabled by the BIOS.
  case generalProtection
  /// #UD: no VMX operation, or no SEAM support.
  case invalidOpcode
}

/// What the host kernel has of the hardware: the SEAMCALL instruction on a
/// logical processor, and physical memory. Nothing else reaches a firmware.
public protocol SEAMCALLDoor: AnyObject {
  /// Executes SEAMCALL on the logical processor `lp` (dense index from 0).
  func seamcall(_ registers: Registers, on lp: Int) -> SEAMCALLResult

  /// Reads `count` bytes of physical memory at `hpa` with the host's KeyID.
  func readPhysical(_ hpa: UInt64, count: Int) -> [UInt8]

  /// Reads the two little-endian words at `hpa`, which is a multiple of 16, with the host's KeyID.
  func readPhysicalWords(_ hpa: UInt64) -> (low: UInt64, high: UInt64)

  /// Writes `bytes` to physical memory at `hpa` with the host's KeyID.
  func writePhysical(_ bytes: [UInt8], at hpa: UInt64)

  /// Fills the page at `hpa` with zeros, with the host's KeyID.
  func clearPage(_ hpa: UInt64)
}

extension SEAMCALLDoor {
  /// By writing them.
  public func clearPage(_ hpa: UInt64) { writePhysical([UInt8](repeating: 0, count: 4096), at: hpa) }
}

extension SEAMCALLDoor {
  /// By way of ``readPhysical(_:count:)``.
  public func readPhysicalWords(_ hpa: UInt64) -> (low: UInt64, high: UInt64) {
    let bytes = readPhysical(hpa, count: 16)
    return (UInt64(littleEndianBytes: bytes), UInt64(littleEndianBytes: bytes.dropFirst(8)))
  }
}
