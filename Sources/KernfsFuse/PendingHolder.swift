import Basics
import Kernfs

/// The write that a parked request waits for. An interrupt can come before the write is known.
final class PendingHolder: Sendable {
  private struct State {
    var write: PendingWrite?
    var isInterrupted = false
  }

  private let state = Guarded(State())

  /// `write` is what is waited for; nil when it has ended already.
  func hold(_ write: PendingWrite?) {
    let interruptNow = state.withLock { state in
      state.write = write
      return state.isInterrupted
    }
    if interruptNow { write?.interrupt() }
  }

  /// A signal came: the write is given up.
  func interrupt() {
    let write = state.withLock { state in
      state.isInterrupted = true
      return state.write
    }
    write?.interrupt()
  }
}
