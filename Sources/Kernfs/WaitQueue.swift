import Basics
import SystemPackage

extension Errno {
  /// `ERESTARTSYS`: the request has to wait and to be made again, from the start. As in the kernel no caller ever sees it.
  public static let restartSystemCall = Errno(rawValue: 512)
}

/// A moment among all wake-ups of all queues: what was woken later than it can be told from what was woken before.
public struct WaitTicket: Hashable, Sendable {
  fileprivate let wakes: UInt64

  private static let count = Guarded<UInt64>(0)

  /// Now. Take it before the decision to wait is made.
  public static func now() -> WaitTicket { WaitTicket(wakes: count.withLock { $0 }) }

  fileprivate static func nextWake() -> UInt64 {
    count.withLock { wakes in
      wakes &+= 1
      return wakes
    }
  }
}

/// Writes that wait for something to end.
///
/// Whoever serves requests parks a retry here; whoever ends what they wait for wakes them all. Retries run on the
/// thread that wakes, after the queue was emptied, so a retry that has to wait again parks itself anew.
///
/// What is waited for can end between a store method's "wait" and the parking: a retry that is parked with a ticket
/// of before the store call runs at once then. Wakers change the state first and wake afterwards.
public final class WaitQueue: Sendable {
  private struct State {
    var parked: [@Sendable () -> Void] = []
    var lastWake: UInt64 = 0
  }

  private let state = Guarded(State())

  /// A queue in which nobody waits.
  public init() {}

  /// Runs `retry` at the next ``wake()``.
  public func park(_ retry: @escaping @Sendable () -> Void) {
    state.withLock { $0.parked.append(retry) }
  }

  /// Runs `retry` at the next ``wake()``, or now if there was one since `ticket`.
  public func park(since ticket: WaitTicket, _ retry: @escaping @Sendable () -> Void) {
    let missed = state.withLock { state in
      if state.lastWake > ticket.wakes { return true }
      state.parked.append(retry)
      return false
    }
    if missed { retry() }
  }

  /// Runs everything that was parked, oldest first.
  public func wake() {
    let retries = state.withLock { state in
      defer { state.parked.removeAll() }
      state.lastWake = WaitTicket.nextWake()
      return state.parked
    }
    for retry in retries { retry() }
  }
}
