import SEAM

/// The export or import session of one TD, in its TDCS and its MIGSC pages (tdx-module.md 1.1, 6.1, 9; module source 1.5.01).
/// It survives an update untouched.
struct MigrationState: Sendable, Codable {
  // Keys, four words each. A migration TD moves them.

  /// MIG_ENC_KEY: for the next session.
  var encryptionKey = Self.noKey
  /// MIG_DEC_KEY: for the next session.
  var decryptionKey = Self.noKey
  /// MIG_DEC_KEY_SET: a migration TD wrote the key since the last session began.
  var isDecryptionKeySet = false
  /// MIG_ENC_WORKING_KEY and MIG_DEC_WORKING_KEY: of this session.
  var encryptionWorkingKey = Self.noKey
  var decryptionWorkingKey = Self.noKey

  /// EXPORT_COUNT: sessions begun, aborted ones included.
  var exportCount: UInt32 = 0
  /// IMPORT_COUNT: sessions that succeeded.
  var importCount: UInt32 = 0
  /// MIG_EPOCH.
  var epoch: UInt32 = 0
  /// BW_EPOCH: TD_EPOCH when a page was blocked for writing last.
  var blockedWriteEpoch: UInt64 = 0
  /// TOTAL_MB_COUNT: bundles of this session.
  var totalBundles: UInt64 = 0
  /// DIRTY_COUNT: pages that were exported and changed since.
  var dirtyCount: UInt64 = 0
  /// MIG_COUNT: pages in an exported state.
  var exportedPages: UInt64 = 0
  /// NUM_MIGRATED_VCPUS: imported ones.
  var migratedVCPUs: UInt32 = 0
  /// EXPORT_COUNT when a vCPU was exported last, by its TDVPR.
  var exportedVCPUs: [UInt64: UInt32] = [:]
  /// PRE_IMPORT_UUID: TD_UUID before an import brought the source's.
  var preImportUUID: [UInt64]?
  /// MIG_EPOCH in which an imported page was cancelled, by its GPA: the HPA field of a REMOVED entry on silicon.
  var removedEpochs: [UInt64: UInt32] = [:]

  /// MIGSC_LINKS; the first stream goes backward, with abort tokens. Their number is NUM_MIGS.
  var streams: [MigrationStream] = []

  /// FIELD_SUPPORT_AT_INIT: the session began under a module that counts interruptions.
  var countsInterruptions = false
  /// Operations that were interrupted with a saved crypto context and not resumed: this TD's share of
  /// MIG_INTERRUPTED_COUNT (tdx-module.md 9).
  var interruptedOperations: UInt16 = 0

  /// MAX_MIGS.
  static let maxStreams = 512
  /// MIN_MIGS: one stream in each direction.
  static let minStreams = 2
  /// MIG_EPOCH of the out-of-order phase, after the start token.
  static let outOfOrderEpoch = UInt32.max
  /// Highest EXPORT_COUNT.
  static let maxExportCount: UInt32 = 0x7FFF_FFFF

  private static let noKey: [UInt64] = [0, 0, 0, 0]

  /// Number of forward streams: what R10 may select.
  var forwardStreams: Int { max(0, streams.count - 1) }

  /// Starts a session with the keys that were agreed on; `nextKey` is for the session after it.
  mutating func begin(nextKey: [UInt64], countsInterruptions: Bool) {
    encryptionWorkingKey = encryptionKey
    encryptionKey = nextKey
    decryptionWorkingKey = decryptionKey
    isDecryptionKeySet = false
    epoch = 0
    totalBundles = 0
    self.countsInterruptions = countsInterruptions
    disableStreams()
  }

  /// Every stream begins anew when it is used next.
  mutating func disableStreams() {
    for index in streams.indices { streams[index].isInitialized = false }
  }
}

/// One migration stream, in its MIGSC page.
struct MigrationStream: Sendable, Codable {
  /// Address of the MIGSC page.
  let page: UInt64
  /// INITIALIZED of its link: it has a key and counters.
  var isInitialized = false
  /// IV_COUNTER.
  var ivCounter: UInt64 = 0
  /// NEXT_MB_COUNTER of an export.
  var nextBundle: UInt32 = 0
  /// EXPECTED_MB_COUNTER of an import.
  var expectedBundle: UInt32 = 0
  /// INTERRUPTED_STATE; nil is not valid.
  var interrupted: InterruptedOperation?

  init(page: UInt64) {
    self.page = page
  }

  /// First use in a session.
  mutating func initialize() {
    self = Self(page: page)
    isInitialized = true
  }
}

/// What an interrupted operation left behind, so that the same call can go on.
enum InterruptedOperation: Sendable, Codable {
  case exportState(StateExport, StateOperands)
  case importState(StateImport, StateOperands)
  case memory(MemoryOperands)

  /// The library that made the saved crypto context; nil where none is saved.
  var library: UInt16? {
    switch self {
    case .exportState(let export, _): export.library
    case .importState(let state, _): state.library
    case .memory: nil
    }
  }
}

/// The operands of an operation on state which must be the same when it goes on.
struct StateOperands: Equatable, Sendable, Codable {
  /// RAX.
  let leaf: UInt64
  /// R9.
  let pageList: UInt64
  /// RCX of the leaves for vCPUs.
  let tdvpr: UInt64?
}

/// The operands of an operation on memory which must be the same when it goes on, and its progress.
struct MemoryOperands: Equatable, Sendable, Codable {
  /// RAX.
  let leaf: UInt64
  /// RCX, as the interrupted call gave it back.
  var list: UInt64
  /// R9, R11, R12, R13.
  let buffers: UInt64
  let macs: [UInt64]
  let newPages: UInt64
  /// MIG_EPOCH.
  let epoch: UInt32
  /// Pages that were processed, the lists themselves included.
  var processed: UInt64
}
