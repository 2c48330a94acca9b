import SEAM

/// The P-SEAMLDR's one data area for the whole platform (pseamldr.md 3.2), but for what nobody can see from outside: the copy
/// of the last sigstruct, and whether there are SEAM VMCSs to clear.
struct LoaderData: Sendable, Codable {
  /// What the loader is in the middle of.
  enum Flow: Equatable, Sendable, Codable {
    case ready
    case install
    case shutdown
    case cleanup
  }

  /// Packages, and cache domains, that there is room for.
  static let maxPackages = 8

  /// CLEANUP's work in one package; every package is one cache domain.
  struct Package: Equatable, Sendable, Codable {
    /// LPs of the package, learnt in the first INSTALL session (MSR 0x35).
    var lps = 0
    /// LPs that have joined the running CLEANUP session.
    var lpsInCleanup = 0
    /// The TDX KeyIDs must be programmed with fresh keys.
    var keyDirty = false
    /// The caches must be written back.
    var cacheDirty = false
    /// KeyIDs that were programmed already; where an interrupted CLEANUP goes on.
    var nextKID = 0
    /// Cache sub-blocks that were written back already.
    var nextBlock = 0
  }

  /// Drawn at the very first entry; nil before.
  var canary: UInt64?
  /// current_flow.
  var flow = Flow.ready
  /// update_bitmap and lps_in_update.
  var update = LPBitmap()
  /// shutdown_bitmap and lps_in_shutdown; never reset.
  var shutdown = LPBitmap()
  /// cleanup_bitmap and lps_in_cleanup.
  var cleanup = LPBitmap()
  /// init_done: an INSTALL session was complete once.
  var initDone = false
  /// By package number.
  var packages = [Package](repeating: Package(), count: maxPackages)
  /// SEAMEXTEND as the first caller of the session found it.
  var snapshot = SEAMEXTEND()
  /// Cache of the room in the SEAMDB.
  var remainingUpdates: UInt32 = 0
  /// Handoff pages that the last successful INSTALL reserved (2.0: prev_handoff_data_size).
  var reservedHandoffPages = 0

  /// Whether CLEANUP owes anything to any package.
  var isDirty: Bool { packages.contains { $0.keyDirty || $0.cacheDirty } }

  /// SEAMDB_GETREF: asks the CPU how many loads it can still record.
  mutating func refreshRemainingUpdates(_ seamdb: SEAMDB) {
    remainingUpdates = UInt32(clamping: seamdb.room)
  }
}
