import Basics
import CFuse3
import Glibc

/// Where the signal handler reports; -1 while nobody asked.
private nonisolated(unsafe) var signalPipe: Int32 = -1

/// SIGTERM, SIGINT and SIGHUP call a function while this is installed, on a thread of its own: the handler itself runs on
/// whatever thread the signal hits and only writes a byte. A signal that was ignored before stays ignored (nohup).
final class StopSignals: Sendable {
  private static let stopping = [SIGTERM, SIGINT, SIGHUP]

  private let pipe: (read: Int32, write: Int32)
  private let watcher: Thread
  private let previous: [(number: Int32, action: sigaction)]

  /// Nil when they are in use already, or no pipe can be had.
  init?(_ stop: @escaping @Sendable () -> Void) {
    var ends: [Int32] = [-1, -1]
    guard signalPipe == -1, cfuse3_pipe(&ends) == 0 else { return nil }
    let (read, write) = (ends[0], ends[1])
    pipe = (read, write)
    signalPipe = write
    var previous: [(number: Int32, action: sigaction)] = []
    for number in Self.stopping {
      Self.replace(number, &previous) { _ in
        let saved = errno
        var byte: UInt8 = 1
        _ = Glibc.write(signalPipe, &byte, 1)
        errno = saved
      }
    }
    Self.replace(SIGPIPE, &previous, with: SIG_IGN)
    self.previous = previous
    watcher = Thread {
      // Some thread has to take them, and all others may block them.
      Self.unblock()
      var byte: UInt8 = 0
      while true {
        let count = Glibc.read(read, &byte, 1)
        if count < 0, errno == EINTR { continue }
        guard count == 1, byte != 0 else { return }
        stop()
      }
    }
  }

  /// Keeps the signals waiting for this thread and all that it makes, until they are installed.
  static func hold() { changeMask(SIG_BLOCK) }

  private static func unblock() { changeMask(SIG_UNBLOCK) }

  private static func changeMask(_ how: Int32) {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in stopping { sigaddset(&signals, number) }
    pthread_sigmask(how, &signals, nil)
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

  /// Sets back what was before. Called once, by who installed them.
  func remove() {
    for (number, action) in previous {
      var action = action
      sigaction(number, &action, nil)
    }
    signalPipe = -1
    var end: UInt8 = 0
    _ = write(pipe.write, &end, 1)
    watcher.join()
    close(pipe.read)
    close(pipe.write)
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
