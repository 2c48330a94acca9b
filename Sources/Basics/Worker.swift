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
      defer { shared.isStarted = true }
      return !shared.isStarted
    }
    if mustStart { start() }
  }

  /// Waits until everything that was scheduled has run. Never call it from a job.
  public func drain() {
    shared.lock.withLock {
      while shared.isBusy || !shared.jobs.isEmpty { shared.lock.wait() }
    }
  }

  private func start() {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(shared)
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Worker.serve(Unmanaged<Shared>.fromOpaque(argument).takeRetainedValue())
        return nil
      }, box.toOpaque())
    guard status == 0 else {
      // No thread to be had: what was scheduled runs here, late but not never.
      box.release()
      shared.lock.withLock { shared.isStarted = false }
      while Self.runNext(shared) {}
      return
    }
    pthread_detach(thread)
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
