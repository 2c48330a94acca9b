import SEAM

/// One return from TDH.VP.ENTER: what the host gets, and what becomes of vCPU and TD (tdx-module.md 6.5).
struct TDExit: Equatable, Sendable {
  /// What becomes of vCPU and TD.
  enum Fate: Equatable, Sendable {
    /// The vCPU can be entered again.
    case ready(VCPU.LastExit)
    /// This vCPU never runs again.
    case vcpuDisabled
    /// The TD can only be torn down.
    case tdFatal
    /// The same, and its control structures cannot be touched any more.
    case tdInaccessible
  }

  /// All registers that the host sees; those that are not part of the exit are 0.
  var registers: Registers
  let fate: Fate

  /// An exit that the guest did not ask for.
  static func asynchronous(
    _ reason: ExitReason, qualification: UInt64 = 0, extended: UInt64 = 0, gpa: UInt64 = 0, interruption: UInt64 = 0
  ) -> TDExit {
    var registers = Registers(rax: UInt64(reason.rawValue), rcx: qualification, rdx: extended)
    registers.r8 = gpa
    registers.r9 = interruption
    return TDExit(registers: registers, fate: .ready(.asyncFault))
  }

  /// EPT violation at `gpa`, of which the host sees the page.
  static func eptViolation(gpa: UInt64, qualification: UInt64, extended: ExtendedQualification = .none) -> TDExit {
    .asynchronous(
      .eptViolation, qualification: qualification, extended: extended.rawValue, gpa: gpa & ~0xFFF)
  }

  /// An exit with a status of its own, `reason` in its details.
  static func abnormal(_ status: CompletionStatus, _ fate: Fate, reason: ExitReason? = nil) -> TDExit {
    TDExit(registers: Registers(rax: status.with(details: reason?.rawValue ?? 0).rawValue), fate: fate)
  }

  /// TDG.VP.VMCALL by a guest with `guest`: the host gets what the guest exposes, and 0 in the others.
  static func tdVMCall(_ guest: Registers) -> TDExit {
    let control = TDVMCallControl(rawValue: guest.rcx)
    var registers = Registers(rax: UInt64(ExitReason.tdcall.rawValue), rcx: control.rawValue)
    registers.copyExposed(by: control, from: guest)
    return TDExit(registers: registers, fate: .ready(.tdVMCall))
  }
}

/// Basic VM exit reasons (Intel SDM, appendix C) that TDs here have.
enum ExitReason: UInt32, Sendable {
  case externalInterrupt = 1
  case tripleFault = 2
  case smi = 6
  case halt = 12
  case eptViolation = 48
  case tdcall = 77
}

/// Extended exit qualification, RDX: bits 3:0 the type, bits 63:32 information.
struct ExtendedQualification: RawRepresentable, Equatable, Sendable {
  let rawValue: UInt64

  init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  static let none = Self(rawValue: 0)
  /// The guest touched a PENDING page and wants no #VE for it.
  static let pendingEPTViolation = Self(rawValue: 6)

  /// TDG.MEM.PAGE.ACCEPT of a page of `requested` met an entry in `state` at `level`.
  static func accept(requested: UInt8, level: UInt8, state: SEPTState) -> Self {
    let leaf: UInt64 = state.isLeaf ? 1 : 0
    let information = UInt64(requested & 7) | UInt64(level & 7) << 3 | UInt64(state.rawValue) << 6 | leaf << 14
    return Self(rawValue: 1 | information << 32)
  }
}

/// RCX of TDG.VP.VMCALL: which registers the host sees and may change.
struct TDVMCallControl: RawRepresentable, Equatable, Sendable {
  /// Bits 15:0 general-purpose registers by number, 31:16 XMM registers.
  let rawValue: UInt64

  /// Bits that must be 0: RAX, RCX, RSP, with NO_RBP_MOD RBP, and 63:32.
  func isValid(noRBPMod: Bool) -> Bool {
    let mask: UInt64 = 0xFFFF_FFFF_0000_0000 | 1 << 0 | 1 << 1 | 1 << 4 | (noRBPMod ? 1 << 5 : 0)
    return rawValue & mask == 0
  }

  /// R10, R11 and R12: TDG.VP.VMCALL<HLT>.
  static let halt = Self(rawValue: 7 << 10)
}

extension Registers {
  /// Takes the registers from RDX on that `control` exposes from `other`.
  mutating func copyExposed(by control: TDVMCallControl, from other: Registers) {
    let bits = control.rawValue
    if bits >> 2 & 1 != 0 { rdx = other.rdx }
    if bits >> 3 & 1 != 0 { rbx = other.rbx }
    if bits >> 6 & 1 != 0 { rsi = other.rsi }
    if bits >> 7 & 1 != 0 { rdi = other.rdi }
    if bits >> 8 & 1 != 0 { r8 = other.r8 }
    if bits >> 9 & 1 != 0 { r9 = other.r9 }
    if bits >> 10 & 1 != 0 { r10 = other.r10 }
    if bits >> 11 & 1 != 0 { r11 = other.r11 }
    if bits >> 12 & 1 != 0 { r12 = other.r12 }
    if bits >> 13 & 1 != 0 { r13 = other.r13 }
    if bits >> 14 & 1 != 0 { r14 = other.r14 }
    if bits >> 15 & 1 != 0 { r15 = other.r15 }
  }
}
