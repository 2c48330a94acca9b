/// How an external interrupt gets to a logical processor: the host's own timers, devices and IPIs, of which nothing is modelled
/// but that one arrives.
///
/// Leaves that work through a list look for a pending interrupt after each step that is not the last. When there is one, they
/// keep what they need to go on and answer `TDX_INTERRUPTED_RESUMABLE`; at least one step is always done. Such leaves are
///
/// * TDH.EXPORT.STATE.IMMUTABLE, .TD and .VP, and their TDH.IMPORT counterparts: a step is a page of state, of which there are
///   always two or more. The AES-GCM context is kept across the interruption, so these, and only these, count in
///   MIG_INTERRUPTED_COUNT (tdx-module.md 9).
/// * TDH.EXPORT.MEM, TDH.IMPORT.MEM, TDH.EXPORT.BLOCKW, TDH.EXPORT.RESTORE: a step is an entry of the GPA list. Each entry has a
///   MAC of its own, so nothing is counted.
///
/// The caller goes on with the same leaf and operands and the RESUME bit of R10 (``MigrationStreamOperand``); a GPA list goes on
/// with the RCX that the interrupted call gave back.
///
/// A host that wants a migration to be interrupted sends an interrupt to an LP and makes the SEAMCALL on it:
///
///     door.sendInterrupt(to: 0)
///     door.seamcall(exportStateImmutable, on: 0)         // TDX_INTERRUPTED_RESUMABLE, OP_STATE as before
///     door.seamcall(exportStateImmutable resumed, on: 0) // goes on, and completes
///
/// TDH.EXPORT.STATE.IMMUTABLE leaves the TD RUNNABLE until it completes, where TDH.EXPORT.ABORT does not work. An interrupted
/// operation that can be aborted as well as resumed is TDH.EXPORT.STATE.TD after TDH.EXPORT.PAUSE.
///
/// The interrupt is taken when the SEAMCALL that it interrupted returns, so it is pending no longer then; one that finds nothing
/// to interrupt stays pending.
public protocol InterruptDoor: AnyObject {
  /// Makes an external interrupt pending at the logical processor `lp` (dense index from 0); a number that no LP has does
  /// nothing.
  func sendInterrupt(to lp: Int)
}

extension Machine {
  /// Makes an external interrupt pending at `lp`; a number that no LP has does nothing.
  public mutating func sendInterrupt(to lp: Int) {
    guard (0..<configuration.logicalProcessors).contains(lp) else { return }
    pendingInterrupts.insert(lp)
  }

  /// Whether an external interrupt is pending at `lp`; it is taken then.
  public mutating func takeInterrupt(on lp: Int) -> Bool {
    pendingInterrupts.remove(lp) != nil
  }
}
