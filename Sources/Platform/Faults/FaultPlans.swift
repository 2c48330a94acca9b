import Basics
import Synchronization

/// The fault plans of a machine behind a lock, and without it the answer to what every SEAMCALL asks: whether there are any.
public final class FaultPlans: Sendable {
  private let table: Guarded<FaultTable>
  private let isEmpty: Atomic<Bool>

  /// No plans.
  public init() {
    table = Guarded(FaultTable())
    isEmpty = Atomic(true)
  }

  /// Whether there is no plan. One that is being made counts from when it is there.
  var areNone: Bool { isEmpty.load(ordering: .acquiring) }

  /// Runs `body` on the table while nobody else can reach it.
  func withLock<Result>(_ body: (inout FaultTable) -> Result) -> Result {
    table.withLock { table in
      defer { isEmpty.store(table.entries.isEmpty, ordering: .releasing) }
      return body(&table)
    }
  }
}
