/// The export or import session of one TD, in its TDCS.
struct MigrationState: Sendable {
  /// Operations that were interrupted with a saved crypto context and not resumed: this TD's share of
  /// MIG_INTERRUPTED_COUNT (tdx-module.md 9).
  var interruptedOperations: UInt16 = 0
}
