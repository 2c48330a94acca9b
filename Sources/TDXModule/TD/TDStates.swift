/// LIFECYCLE_STATE of a TD, in its TDR: strictly forward (tdx-module.md 6.1).
public enum LifecycleState: UInt8, CaseIterable, Sendable, Codable {
  /// TD_HKID_ASSIGNED: has a KeyID, whose key is not yet in every package.
  case hkidAssigned = 0
  /// TD_KEYS_CONFIGURED: the key is in every package; the TD can be built and run.
  case keysConfigured = 1
  /// TD_BLOCKED: no vCPU can be entered any more; caches are being written back.
  case blocked = 2
  /// TD_TEARDOWN: the KeyID is free, pages can be reclaimed.
  case teardown = 3
}

/// OP_STATE of a TD, in its TDCS (tdx-module.md 6.1).
public enum OpState: UInt8, CaseIterable, Sendable, Codable {
  /// Before TDH.MNG.INIT or TDH.IMPORT.STATE.IMMUTABLE.
  case uninitialized = 0
  /// Between TDH.MNG.INIT and TDH.MR.FINALIZE: the TD is being built.
  case initialized = 1
  /// vCPUs may run.
  case runnable = 2
  /// Being exported while vCPUs run.
  case liveExport = 3
  /// Being exported, vCPUs stand still.
  case pausedExport = 4
  /// The destination may run the TD.
  case postExport = 5
  /// Being imported: memory.
  case memoryImport = 6
  /// Being imported: vCPUs.
  case stateImport = 7
  /// Imported, not committed.
  case postImport = 8
  /// vCPUs run while the rest of memory is imported.
  case liveImport = 9
  /// The import was aborted or went wrong.
  case failedImport = 10

  /// The name as the specification spells it.
  public var name: String {
    switch self {
    case .uninitialized: "UNINITIALIZED"
    case .initialized: "INITIALIZED"
    case .runnable: "RUNNABLE"
    case .liveExport: "LIVE_EXPORT"
    case .pausedExport: "PAUSED_EXPORT"
    case .postExport: "POST_EXPORT"
    case .memoryImport: "MEMORY_IMPORT"
    case .stateImport: "STATE_IMPORT"
    case .postImport: "POST_IMPORT"
    case .liveImport: "LIVE_IMPORT"
    case .failedImport: "FAILED_IMPORT"
    }
  }

  /// Whether pages may still come from the source of a migration.
  var isImportInProgress: Bool {
    switch self {
    case .memoryImport, .stateImport, .postImport, .liveImport: true
    case .uninitialized, .initialized, .runnable, .liveExport, .pausedExport, .postExport, .failedImport: false
    }
  }

  /// Whether vCPUs may run, so that a page can be taken away only after TLB tracking (tdx-module.md 6.6).
  var requiresTLBTracking: Bool {
    switch self {
    case .runnable, .liveExport, .liveImport: true
    case .uninitialized, .initialized, .pausedExport, .postExport, .memoryImport, .stateImport, .postImport,
      .failedImport:
      false
    }
  }
}

/// VCPU_STATE, in the TDVPS (tdx-module.md 6.1).
enum VCPUState: UInt8, CaseIterable, Sendable, Codable {
  case uninitialized = 0
  case ready = 2
  /// Inside the TD. In this emulation nobody can see it, since TDH.VP.ENTER is over when it returns.
  case active = 4
  /// A non-recoverable exit of this vCPU.
  case disabled = 8
  case imported = 0x10
}
