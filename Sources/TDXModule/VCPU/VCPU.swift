import SEAM

/// One vCPU, as far as the module keeps it in its TDVPS pages, under the TD's KeyID. It survives an update untouched.
struct VCPU: Sendable, Codable {
  /// Address of the TDR of its TD.
  let tdr: UInt64
  /// Pages of the TDVPS, the TDVPR first.
  var pages: [UInt64]
  /// VCPU_STATE.
  var state = VCPUState.uninitialized
  /// VCPU_INDEX.
  var index: UInt32 = 0
  /// x2APIC id, of TDH.VP.INIT version 1.
  var x2apicID: UInt32?
  /// ASSOC_LPID; nil when no LP has its VMCS.
  var associatedLP: Int?
  /// VCPU_EPOCH: TD_EPOCH at the last entry.
  var epoch: UInt64 = 0
  /// LAST_SEAMDB_INDEX: the load of the module that entered it, or initialised it, last.
  var lastSEAMDBIndex: Int?
  /// LAST_TD_EXIT.
  var lastExit = LastExit.asyncFault
  /// The guest's registers as they were when it left the TD.
  var registers = Registers(rax: 0)
  /// What the guest still waits for, when it comes back into the TD.
  var pending: PendingStep?
  /// VE_INFO; nil when VALID is 0.
  var veInfo: VEInfo?
  /// CPUID_SUPERVISOR_VE and CPUID_USER_VE.
  var cpuidVE = CPUIDControl()
  /// What the host and the guest wrote into fields that nothing here depends on, by field id.
  var fields: [UInt64: UInt64] = [:]

  /// The vCPU that TDH.VP.CREATE has just made of the page `tdvpr`.
  init(tdr: UInt64, tdvpr: UInt64) {
    self.tdr = tdr
    pages = [tdvpr]
  }

  /// Most pages that a TDVPS has: 6 for the TD itself, 3 for each of three L2 VMs.
  static let maxPages = 15

  /// Pages that the TDVPS of a TD with `l2VMs` L2 VMs needs at least.
  static func minPages(l2VMs: UInt8) -> Int { 6 + 3 * Int(l2VMs) }

  /// LAST_TD_EXIT: how the vCPU left the TD the last time (tdx-module.md 6.1).
  enum LastExit: UInt8, Sendable, Codable {
    /// The instruction is done again.
    case asyncFault = 0
    /// The TDCALL is done, its status waits for the guest.
    case asyncTrap = 1
    /// TDG.VP.VMCALL.
    case tdVMCall = 2
  }

  /// A guest step that was left in the middle.
  enum PendingStep: Equatable, Sendable, Codable {
    /// A TDCALL, whose registers are ``VCPU/registers``.
    case tdcall
    /// HLT.
    case halt
  }

  /// VE_INFO: what TDG.VP.VEINFO.GET tells.
  struct VEInfo: Equatable, Sendable, Codable {
    var exitReason: UInt32
    var qualification: UInt64
    /// GLA: 0, there are no linear addresses here.
    var linearAddress: UInt64 = 0
    var gpa: UInt64
    /// Instruction length | instruction information << 32.
    var instruction: UInt64 = 0
  }

  /// What TDG.VP.CPUIDVE.SET sets.
  struct CPUIDControl: OptionSet, Sendable, Codable {
    let rawValue: UInt64

    static let supervisor = Self(rawValue: 1)
    static let user = Self(rawValue: 2)
  }
}
