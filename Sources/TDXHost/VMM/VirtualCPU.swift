/// A vCPU of a TD (`struct vcpu_tdx`).
public struct VirtualCPU: Equatable, Sendable, Codable {
  /// Its index in the TD, which is also its x2APIC id.
  public let index: Int
  /// The TDVPR page.
  public let tdvpr: UInt64
  /// The TDCX pages that TDH.VP.ADDCX has taken.
  public internal(set) var tdcx: [UInt64] = []
  /// TDH.VP.INIT was done, or TDH.IMPORT.STATE.VP.
  public internal(set) var isInitialized = false
  /// `vcpu->cpu`: the CPU that it is associated with; nil after a flush.
  public internal(set) var cpu: Int?
  /// What the last TDG.VP.VMCALL is answered with at the next entry.
  var answer: VMCallAnswer?
  /// Guest steps that were given to it and whose outcomes were not seen yet.
  var pendingSteps = 0

  init(index: Int, tdvpr: UInt64) {
    self.index = index
    self.tdvpr = tdvpr
  }
}

/// R10 of the guest after TDG.VP.VMCALL (GHCI 2.4.1).
enum VMCallAnswer: UInt64, Sendable, Codable {
  /// `TDVMCALL_STATUS_SUCCESS`
  case success = 0
  /// `TDVMCALL_STATUS_SUBFUNC_UNSUPPORTED`
  case unsupported = 0x8000_0000_0000_0003
}
