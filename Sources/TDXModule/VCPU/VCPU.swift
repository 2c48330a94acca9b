/// One vCPU, as far as the module keeps it in its TDVPS pages, under the TD's KeyID. It survives an update untouched.
struct VCPU: Sendable {
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
  /// LAST_SEAMDB_INDEX: the load of the module that entered it, or initialised it, last.
  var lastSEAMDBIndex: Int?

  /// The vCPU that TDH.VP.CREATE has just made of the page `tdvpr`.
  init(tdr: UInt64, tdvpr: UInt64) {
    self.tdr = tdr
    pages = [tdvpr]
  }
}
