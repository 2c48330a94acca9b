/// One TD, as far as the module keeps it in memory outside the SEAM range, under the global KeyID and under the TD's own: TDR,
/// TDCS and secure EPT. It survives an update untouched, whatever module comes (tdx-module.md 4.1, 6).
struct TD: Sendable, Codable {
  // TDR

  /// FATAL: a TDH.VP.ENTER ended with a fatal status.
  var isFatal = false
  /// LIFECYCLE_STATE.
  var lifecycle = LifecycleState.hkidAssigned
  /// HKID.
  let hkid: UInt16
  /// PKG_CONFIG_BITMAP: packages whose memory controllers have the key.
  var packageBitmap: UInt32 = 0
  /// CHLDCNT: pages that the TD owns, in 4-KiB pages, the TDR left out.
  var childCount: UInt64 = 0
  /// TDCX_PA: the pages of the TDCS; their number is NUM_TDCX.
  var tdcxPages: [UInt64] = []
  /// TD_UUID, four words; an import brings that of the source.
  var uuid: [UInt64]
  /// SEAMDB_INDEX and SEAMDB_NONCE: the load of the module that created the TD.
  let seamdb: SEAMDBReference
  /// HANDOFF_VERSION of the module that created the TD.
  let handoffVersion: UInt16

  // TDCS

  /// OP_STATE.
  var opState = OpState.uninitialized
  /// What TDH.MNG.INIT was given.
  var parameters = TDParameters()
  /// NUM_VCPUS: vCPUs that TDH.VP.INIT numbered.
  var vcpuCount: UInt32 = 0
  /// NUM_ASSOC_VCPUS.
  var associatedVCPUs: UInt32 = 0
  /// x2APIC ids that are taken (TDH.VP.INIT version 1).
  var x2apicIDs: Set<UInt32> = []
  /// TD_EPOCH.
  var epoch: UInt64 = 1
  /// Readers of the even and of the odd epoch: vCPUs that are inside.
  var epochReaders: [UInt32] = [0, 0]
  /// MRTD, RTMRs and SERVTD_HASH.
  var measurement = TDMeasurement()
  /// LAST_TEEINFO_HASH: SHA-384 of TDINFO; nil while it is not valid.
  var teeInfoHash: [UInt8]?
  /// TD_CTLS as the guest has written it; nil before.
  var tdControls: UInt64?
  /// What the host and the guest wrote into fields that nothing here depends on, by field id.
  var fields: [UInt64: UInt64] = [:]
  /// Secure EPT.
  var sept = SecureEPT()
  /// Bindings of service TDs.
  var serviceTDs = ServiceTDBindings()
  /// Export or import session.
  var migration = MigrationState()

  /// A TD that TDH.MNG.CREATE has just made.
  init(hkid: UInt16, uuid: [UInt64], seamdb: SEAMDBReference, handoffVersion: UInt16) {
    self.hkid = hkid
    self.uuid = uuid
    self.seamdb = seamdb
    self.handoffVersion = handoffVersion
  }
}
