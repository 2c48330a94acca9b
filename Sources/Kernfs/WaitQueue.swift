import Basics

/// Writes that wait for something to end.
///
/// Whoever serves requests parks a retry here; whoever ends what they wait for wakes them all. Retries run on the
/// thread that wakes, after the queue was emptied, so a retry that has to wait again parks itself anew.
public final class WaitQueue: Sendable {
  private let parked = Guarded<[@Sendable () -> Void]>([])

  /// A queue in which nobody waits.
  public init() {}

  /// Runs `retry` at the next ``wake()``.
  public func park(_ retry: @escaping @Sendable () -> Void) {
    parked.withLock { $0.append(retry) }
  }

  /// Runs everything that was parked, oldest first.
  public func wake() {
    let retries = parked.withLock { waiting in
      defer { waiting.removeAll() }
      return waiting
    }
    for retry in retries { retry() }
  }
}
