import Basics

/// Counts from several threads.
final class Counter: Sendable {
  private let value = Guarded(0)
  func add() { value.withLock { $0 += 1 } }
  var count: Int { value.withLock { $0 } }
}
