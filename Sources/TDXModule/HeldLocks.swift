/// The module's locks, as far as something other than the calling LP holds them: another LP in the middle of a leaf, or a test.
///
/// The module never waits for a lock. Whoever finds one held gets a busy status.
public struct HeldLocks: Equatable, Sendable, Codable {
  /// How a sharable lock is held.
  public enum Mode: Equatable, Sendable, Codable {
    /// By nobody.
    case free
    /// By readers.
    case shared
    /// By one writer.
    case exclusive

    /// Whether a writer could take it now.
    var admitsExclusive: Bool { self == .free }
    /// Whether a reader could take it now.
    var admitsShared: Bool { self != .exclusive }
  }

  /// The one lock of TDH.SYS.INIT, CONFIG, KEY.CONFIG, SHUTDOWN and UPDATE (exclusive) and LP.INIT (shared): `SYS_BUSY`.
  public var global = Mode.free
  /// Of the KeyID ownership table: `OPERAND_BUSY|KOT`.
  public var kot = Mode.free
  /// Indices of the TDMRs that are being initialised: `OPERAND_BUSY|RCX` of TDH.SYS.TDMR.INIT.
  public var tdmrs: Set<Int> = []
  /// Packages whose cache write-back is in progress: `OPERAND_BUSY|WBCACHE`.
  public var packages: Set<Int> = []
  /// Page numbers (address / 4096) whose PAMT entry is locked: `OPERAND_BUSY` with the operand of the page.
  public var pages: Set<UInt64> = []
  /// Page numbers whose PAMT entry is locked by readers: the same, for a leaf that needs the page to itself.
  public var sharedPages: Set<UInt64> = []
  /// OP_STATE of the TDs at these addresses: `OPERAND_BUSY|OP_STATE`.
  public var opStates: [UInt64: Mode] = [:]
  /// Secure EPT trees of the TDs at these addresses: `OPERAND_BUSY|SEPT_TREE`.
  public var septTrees: [UInt64: Mode] = [:]
  /// Secure EPT entries, by the address of the TD: guest physical addresses with the level of the entry in bits 2:0.
  /// `OPERAND_BUSY|RCX`.
  public var septEntries: [UInt64: Set<UInt64>] = [:]
  /// TD_EPOCH of the TDs at these addresses: `OPERAND_BUSY|TD_EPOCH`.
  public var epochs: [UInt64: Mode] = [:]
  /// RTMRs of the TDs at these addresses: `OPERAND_BUSY|RTMR`.
  public var rtmrs: Set<UInt64> = []

  /// Service TD bindings of the TDs at these addresses: `OPERAND_BUSY|SERVTD_BINDINGS`.
  public var serviceTDs: [UInt64: Mode] = [:]
  /// Migration contexts of the TDs at these addresses: `OPERAND_BUSY|MIG`.
  public var migrations: [UInt64: Mode] = [:]
  /// Addresses of the MIGSC pages of migration streams in use: `OPERAND_BUSY|MIGSC`.
  public var migrationStreams: Set<UInt64> = []

  /// All free.
  public init() {}
}
