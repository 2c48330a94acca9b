import Basics

/// The value of RAX after a SEAMCALL or TDCALL.
///
/// | bits | meaning |
/// |---|---|
/// | 63 | ERROR: the operation was not done |
/// | 62 | NON_RECOVERABLE: repeating will not help |
/// | 61 | FATAL |
/// | 60 | HOST_RECOVERABILITY_HINT |
/// | 47:40 | CLASS |
/// | 39:32 | DETAILS_L1, the code in its class |
/// | 31:0 | DETAILS_L2, mostly an operand id |
///
/// The P-SEAMLDR has a set of codes of its own, which use bits 63 and 19:0.
public struct CompletionStatus: RawRepresentable, Hashable, Sendable, Codable {
  /// RAX.
  public let rawValue: UInt64

  /// A status with the bits `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Bit 63: the operation was not done. Success and informational codes have it clear.
  public var isError: Bool { rawValue >> 63 != 0 }

  /// The status without DETAILS_L2 (`TDX_SEAMCALL_STATUS_MASK`).
  public var code: CompletionStatus { Self(rawValue: rawValue & 0xFFFF_FFFF_0000_0000) }

  /// DETAILS_L2.
  public var details: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

  /// The status with `operand` in DETAILS_L2.
  public func with(_ operand: OperandID) -> CompletionStatus { with(details: operand.rawValue) }

  /// The status with `details` in DETAILS_L2.
  public func with(details: UInt32) -> CompletionStatus {
    Self(rawValue: rawValue & 0xFFFF_FFFF_0000_0000 | UInt64(details))
  }

  /// The name of the code as the specifications spell it, without operand; nil for a value that no specification names.
  public var name: String? {
    let code = UInt32(truncatingIfNeeded: rawValue >> 32)
    return Self.loaderNames[rawValue] ?? Self.moduleNames[code] ?? Self.moduleNames[code & ~(1 << 29)]
  }

  /// The status with FATAL set: what an import leaf answers when it ends the import session.
  public var fatal: CompletionStatus { Self(rawValue: rawValue | 1 << 61) }
}

extension CompletionStatus: CustomStringConvertible {
  /// Name, operand where there is one, and value: `TDX_OPERAND_INVALID(RCX) 0xc000010000000001`.
  public var description: String {
    "\(symbol) 0x\(rawValue.paddedHexadecimal)"
  }

  /// The name with the operand where the code has one: `TDX_OPERAND_INVALID(RCX)`; `UNKNOWN` for a value without name.
  public var symbol: String {
    guard let name else { return "UNKNOWN" }
    guard takesOperand, let operand = OperandID(rawValue: details) else { return name }
    return "\(name)(\(operand.name))"
  }

  /// Whether DETAILS_L2 of the code is an operand id.
  var takesOperand: Bool {
    switch code {
    case .operandInvalid, .operandAddrRangeError, .operandBusy, .operandBusyHostPriority, .pageMetadataIncorrect: true
    default: false
    }
  }
}

/// Operand ids in DETAILS_L2 (TDX module ABI specification, "Operand IDs").
public enum OperandID: UInt32, CaseIterable, Sendable {
  case rax = 0
  case rcx = 1
  case rdx = 2
  case rbx = 3
  case rbp = 5
  case rsi = 6
  case rdi = 7
  case r8 = 8
  case r9 = 9
  case r10 = 10
  case r11 = 11
  case r12 = 12
  case r13 = 13
  case r14 = 14
  case r15 = 15
  case attributes = 64
  case xfam = 65
  case configFlags = 66
  case eptpControls = 67
  case maxVCPUs = 68
  case cpuidConfig = 69
  case tscFrequency = 70
  case numL2VMs = 71
  case ia32ArchCapabilitiesConfig = 72
  case page = 95
  case tdmrInfoPA = 96
  case gpaListEntry = 97
  case migBuffListEntry = 98
  case newPageListEntry = 99
  case tdr = 128
  case tdcx = 129
  case tdvpr = 130
  case regPage = 132
  case tdcs = 144
  case tdvps = 145
  case septTree = 146
  case septEntry = 147
  case rtmr = 168
  case tdEpoch = 169
  case l2VAPICGPA = 170
  case migsc = 171
  case opState = 172
  case mig = 173
  case servTDBindings = 174
  case metadataField = 176
  case sys = 184
  case tdmr = 185
  case kot = 186
  case ket = 187
  case wbcache = 188

  /// The operand's name as the specification spells it.
  public var name: String {
    switch self {
    case .rax: "RAX"
    case .rcx: "RCX"
    case .rdx: "RDX"
    case .rbx: "RBX"
    case .rbp: "RBP"
    case .rsi: "RSI"
    case .rdi: "RDI"
    case .r8: "R8"
    case .r9: "R9"
    case .r10: "R10"
    case .r11: "R11"
    case .r12: "R12"
    case .r13: "R13"
    case .r14: "R14"
    case .r15: "R15"
    case .attributes: "ATTRIBUTES"
    case .xfam: "XFAM"
    case .configFlags: "CONFIG_FLAGS"
    case .eptpControls: "EPTP_CONTROLS"
    case .maxVCPUs: "MAX_VCPUS"
    case .cpuidConfig: "CPUID_CONFIG"
    case .tscFrequency: "TSC_FREQUENCY"
    case .numL2VMs: "NUM_L2_VMS"
    case .ia32ArchCapabilitiesConfig: "IA32_ARCH_CAPABILITIES_CONFIG"
    case .page: "PAGE"
    case .tdmrInfoPA: "TDMR_INFO_PA"
    case .gpaListEntry: "GPA_LIST_ENTRY"
    case .migBuffListEntry: "MIG_BUFF_LIST_ENTRY"
    case .newPageListEntry: "NEW_PAGE_LIST_ENTRY"
    case .tdr: "TDR"
    case .tdcx: "TDCX"
    case .tdvpr: "TDVPR"
    case .regPage: "REG_PAGE"
    case .tdcs: "TDCS"
    case .tdvps: "TDVPS"
    case .septTree: "SEPT_TREE"
    case .septEntry: "SEPT_ENTRY"
    case .rtmr: "RTMR"
    case .tdEpoch: "TD_EPOCH"
    case .l2VAPICGPA: "L2_VAPIC_GPA"
    case .migsc: "MIGSC"
    case .opState: "OP_STATE"
    case .mig: "MIG"
    case .servTDBindings: "SERVTD_BINDINGS"
    case .metadataField: "METADATA_FIELD"
    case .sys: "SYS"
    case .tdmr: "TDMR"
    case .kot: "KOT"
    case .ket: "KET"
    case .wbcache: "WBCACHE"
    }
  }
}
