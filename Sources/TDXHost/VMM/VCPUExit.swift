import Basics
import SEAM

/// How a vCPU left its TD: what TDH.VP.ENTER gave back, and what KVM made of it (`tdx_handle_exit`).
public struct VCPUExit: Equatable, Sendable, Codable {
  /// What KVM made of it.
  public enum Kind: Equatable, Sendable, Codable {
    /// An interrupt of the host; the guest had nothing more to do.
    case externalInterrupt
    /// TDG.VP.VMCALL with this sub-function in R11, or an instruction that GHCI makes one of.
    case vmCall(UInt64)
    /// The guest touched the shared address `gpa`, where nothing is.
    case sharedAccess(UInt64)
    /// The guest touched the private address `gpa` again and again without getting on: the page is blocked.
    case blockedAccess(UInt64)
    /// KVM_EXIT_SHUTDOWN: a triple fault, the vCPU never runs again.
    case shutdown
    /// KVM_EXIT_INTERNAL_ERROR, suberror "unexpected exit reason", with the raw status and the CPU.
    case internalError
    /// Any other exit reason that KVM goes on from.
    case other

    /// One word.
    public var name: String {
      switch self {
      case .externalInterrupt: "external-interrupt"
      case .vmCall: "tdvmcall"
      case .sharedAccess: "shared-access"
      case .blockedAccess: "blocked-access"
      case .shutdown: "shutdown"
      case .internalError: "internal-error"
      case .other: "other"
      }
    }
  }

  /// What KVM made of it.
  public var kind: Kind
  /// Index of the vCPU.
  public var vcpu: Int
  /// CPU on which it ran.
  public var lp: Int
  /// What TDH.VP.ENTER gave back.
  public var result: SEAMCALLResult
  /// Registers afterwards.
  public var registers: Registers
  /// TDH.VP.ENTERs that it took, page faults included.
  public var entries = 1

  /// The raw status, a pseudo status where no firmware was entered.
  public var status: CompletionStatus { CompletionStatus(rawValue: result.linuxStatus) }

  /// RAX[31:0]: the exit reason of VMX.
  public var reason: UInt32 { status.details }

  /// What there is to say beside kind and status; empty for nothing.
  public var detail: String {
    switch kind {
    case .vmCall(let function): Self.name(ofVMCall: function)
    case .sharedAccess(let gpa), .blockedAccess(let gpa): "gpa=\(gpa.hex)"
    case .internalError: "unexpected exit reason"
    case .externalInterrupt, .shutdown, .other: ""
    }
  }

  /// Names of TDG.VP.VMCALL's sub-functions (GHCI, table 2-3 and 3-1).
  private static func name(ofVMCall function: UInt64) -> String {
    switch function {
    case 10: "Instruction.CPUID"
    case 12: "Instruction.HLT"
    case 30: "Instruction.IO"
    case 31: "Instruction.RDMSR"
    case 32: "Instruction.WRMSR"
    case 48: "#VE.RequestMMIO"
    case 65: "Instruction.PCONFIG"
    case 0x10000: "GetTdVmCallInfo"
    case 0x10001: "MapGPA"
    case 0x10002: "GetQuote"
    case 0x10003: "ReportFatalError"
    case 0x10004: "SetupEventNotifyInterrupt"
    default: function.hex
    }
  }
}

/// VMX exit reasons that TDH.VP.ENTER gives (RAX[15:0]).
enum ExitReason: UInt16 {
  /// `EXIT_REASON_EXTERNAL_INTERRUPT`
  case externalInterrupt = 1
  /// `EXIT_REASON_TRIPLE_FAULT`
  case tripleFault = 2
  /// `EXIT_REASON_EPT_VIOLATION`
  case eptViolation = 48
  /// `EXIT_REASON_TDCALL`
  case tdcall = 77
}
