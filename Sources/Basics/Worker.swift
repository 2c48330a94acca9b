#if canImport(Glibc)
  import Glibc
#endif

/// One thread that runs what is scheduled, in order, as the kernel's `system_long_wq` does for one device. The thread is
/// started by the first job, so after the daemon has gone into the background, and ends when there was nothing to do for a
/// second: system calls of a process with one thread are faster.
public final class Worker: Sendable {
  private final class Shared: @unchecked Sendable {
    let lock = Lock()
    var jobs: [@Sendable () -> Void] = []
    var isStarted = false
    var isBusy = false
    var isStopping = false
    var isHeld = false
    var isWithoutThread = false
  }

  private let shared = Shared()

  /// Seconds without a job after which the thread ends.
  private static let patience = 1

  /// A worker without thread.
  public init() {}

  /// Runs `job` on the worker's thread, after all jobs scheduled before.
  public func schedule(_ job: @escaping @Sendable () -> Void) {
    let mustStart = shared.lock.withLock {
      shared.jobs.append(job)
      shared.lock.wakeAll()
      return Self.takeStart(shared)
    }
    if mustStart { start() }
  }

  /// No thread is started until ``release()``; what is scheduled waits.
  public func hold() { shared.lock.withLock { shared.isHeld = true } }

  /// Ends ``hold()``. The thread has what the calling one has given up.
  public func release() {
    let mustStart = shared.lock.withLock {
      shared.isHeld = false
      return !shared.jobs.isEmpty && Self.takeStart(shared)
    }
    if mustStart { start() }
  }

  /// Whether the thread is to be started, by the caller.
  private static func takeStart(_ shared: Shared) -> Bool {
    guard !shared.isHeld, !shared.isStarted else { return false }
    shared.isStarted = true
    return true
  }

  /// While a job runs: there was no thread to be had for it (RLIMIT_NPROC, pids.max), and it runs on one of those that schedule.
  public var isWithoutThread: Bool { shared.lock.withLock { shared.isWithoutThread } }

  /// Waits until everything that was scheduled has run. Never call it from a job.
  public func drain() {
    shared.lock.withLock {
      while shared.isBusy || !shared.jobs.isEmpty { shared.lock.wait() }
    }
  }

  private func start() {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(shared)
    // Signals that end the process are for the thread that unmounts: here they would find no handler any more at the end.
    var mask = Self.blockStopSignals()
    defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Worker.serve(Unmanaged<Shared>.fromOpaque(argument).takeRetainedValue())
        return nil
      }, box.toOpaque())
    guard status == 0 else {
      box.release()
      runHere()
      return
    }
    pthread_detach(thread)
  }

  /// What was scheduled, and what is meanwhile, runs on this thread: late but not never.
  private func runHere() {
    shared.lock.withLock { shared.isWithoutThread = true }
    var isDone = false
    while !isDone {
      while Self.runNext(shared) {}
      isDone = shared.lock.withLock {
        guard shared.jobs.isEmpty else { return false }
        shared.isStarted = false
        shared.isWithoutThread = false
        return true
      }
    }
  }

  private static func blockStopSignals() -> sigset_t {
    var signals = sigset_t()
    var previous = sigset_t()
    sigemptyset(&signals)
    for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_BLOCK, &signals, &previous)
    return previous
  }

  private static func serve(_ shared: Shared) {
    while true {
      shared.lock.lock()
      while shared.jobs.isEmpty, !shared.isStopping {
        guard shared.lock.wait(seconds: patience) else { break }
      }
      let mustEnd = shared.jobs.isEmpty
      if mustEnd { shared.isStarted = false }
      shared.lock.unlock()
      if mustEnd { return }
      _ = runNext(shared)
    }
  }

  /// Runs the oldest job; false when there is none.
  private static func runNext(_ shared: Shared) -> Bool {
    let job: (@Sendable () -> Void)? = shared.lock.withLock {
      guard !shared.jobs.isEmpty else { return nil }
      shared.isBusy = true
      return shared.jobs.removeFirst()
    }
    guard let job else { return false }
    job()
    shared.lock.withLock {
      shared.isBusy = false
      shared.lock.wakeAll()
    }
    return true
  }

  deinit {
    shared.lock.withLock {
      shared.isStopping = true
      shared.lock.wakeAll()
    }
  }
}
