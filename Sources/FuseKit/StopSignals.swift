import Basics
import CFuse3
import Glibc

/// Which session the signal handler ends, and the thread that serves it. Only written while no handler is installed.
private nonisolated(unsafe) var signalled: (link: UnsafeMutableRawPointer, thread: pthread_t)?

/// SIGTERM, SIGINT and SIGHUP end a session while this is installed, whichever thread they hit. The handler does it all
/// itself, with nothing but what POSIX lets a handler do: a thread that waited for it would make every system call of the
/// serving thread slower, because the kernel then counts each use of a descriptor. A signal that was ignored before stays
/// ignored (nohup).
struct StopSignals: ~Copyable {
  private static let stopping = [SIGTERM, SIGINT, SIGHUP]

  private let previous: [(number: Int32, action: sigaction)]
  private var mask: sigset_t

  /// Signals end `link`, which this thread is about to serve. Nil when they are in use already.
  init?(_ link: SessionLink) {
    guard signalled == nil else { return nil }
    WakeSignal.install()
    signalled = (Unmanaged.passUnretained(link).toOpaque(), pthread_self())
    var previous: [(number: Int32, action: sigaction)] = []
    for number in Self.stopping {
      Self.replace(number, &previous) { _ in
        guard let signalled else { return }
        let saved = errno
        SessionLink.with(signalled.link) { $0.stopFromSignalHandler() }
        // A read(2) that has begun does not notice.
        if pthread_equal(signalled.thread, pthread_self()) == 0 { pthread_kill(signalled.thread, WakeSignal.number) }
        errno = saved
      }
    }
    Self.replace(SIGPIPE, &previous, with: SIG_IGN)
    self.previous = previous
    // Some thread has to take them, and all others may block them.
    mask = Self.unblock()
  }

  /// Keeps the signals waiting for this thread and all that it makes, until they are installed.
  static func hold() { _ = changeMask(SIG_BLOCK) }

  private static func unblock() -> sigset_t { changeMask(SIG_UNBLOCK) }

  private static func changeMask(_ how: Int32) -> sigset_t {
    var signals = sigset_t()
    var previous = sigset_t()
    sigemptyset(&signals)
    for number in stopping { sigaddset(&signals, number) }
    pthread_sigmask(how, &signals, &previous)
    return previous
  }

  private static func replace(
    _ number: Int32, _ previous: inout [(number: Int32, action: sigaction)], with handler: __sighandler_t?
  ) {
    var old = sigaction()
    guard sigaction(number, nil, &old) == 0, old.__sigaction_handler.sa_handler.isDefault else { return }
    var new = sigaction()
    new.__sigaction_handler.sa_handler = handler
    guard sigaction(number, &new, nil) == 0 else { return }
    previous.append((number, old))
  }

  /// What was before is set back.
  deinit {
    var mask = mask
    pthread_sigmask(SIG_SETMASK, &mask, nil)
    for (number, action) in previous {
      var action = action
      sigaction(number, &action, nil)
    }
    signalled = nil
  }
}

extension Optional where Wrapped == __sighandler_t {
  fileprivate var isDefault: Bool { self == nil }
}

/// The signal that gets the serving thread out of read(2): a real-time one, with a handler that does nothing.
enum WakeSignal {
  static let number = __libc_current_sigrtmin() + 5

  static func install() {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    sigaction(number, &action, nil)
  }

  /// Lets the signal reach the calling thread; gives the mask to set back. Threads that descend from those of Swift's
  /// pool block every signal.
  static func unblock() -> sigset_t {
    var wake = sigset_t()
    var previous = sigset_t()
    sigemptyset(&wake)
    sigaddset(&wake, number)
    pthread_sigmask(SIG_UNBLOCK, &wake, &previous)
    return previous
  }
}
