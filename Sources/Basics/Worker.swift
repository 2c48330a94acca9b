#if canImport(Glibc)
  import Glibc
#endif

/// One thread that runs what is scheduled, in order, as the kernel's `system_long_wq` does for one device. The
/// thread is started by the first job, so after the daemon has gone into the background, and sleeps when idle.
public final class Worker: Sendable {
  private final class Shared: @unchecked Sendable {
    let lock = Lock()
    var jobs: [@Sendable () -> Void] = []
    var isStarted = false
    var isStopping = false
  }

  private let shared = Shared()

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
      box.release()
      // No thread to be had: the jobs are run where they were scheduled, which is late but not never.
      shared.lock.withLock { shared.isStarted = false }
      while let job = shared.lock.withLock({ shared.jobs.isEmpty ? nil : shared.jobs.removeFirst() }) { job() }
      return
    }
    pthread_detach(thread)
  }

  private static func serve(_ shared: Shared) {
    while true {
      shared.lock.lock()
      while shared.jobs.isEmpty, !shared.isStopping { shared.lock.wait() }
      guard !shared.jobs.isEmpty else {
        shared.lock.unlock()
        return
      }
      let job = shared.jobs.removeFirst()
      shared.lock.unlock()
      job()
    }
  }

  deinit {
    shared.lock.withLock {
      shared.isStopping = true
      shared.lock.wakeAll()
    }
  }
}
