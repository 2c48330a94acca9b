#if canImport(Glibc)
  import Glibc
#endif

/// A mutual exclusion lock with a condition, over pthread.
///
/// `Synchronization.Mutex` gives false races under ThreadSanitizer on Linux;
/// pthread's calls are intercepted by it, so this one does not.
///
/// Inlined into other rooms, as is ``Guarded``: a request takes several, and each would go through unspecialised code.
public final class Lock: @unchecked Sendable {
  @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  /// A lock that nobody holds.
  public init() {
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Waits until nobody holds the lock, and holds it.
  @inlinable
  public func lock() { pthread_mutex_lock(mutex) }

  /// Holds the lock if nobody else does; false otherwise. Never waits.
  public func tryLock() -> Bool { pthread_mutex_trylock(mutex) == 0 }

  /// Lets go of the lock, which the caller holds.
  @inlinable
  public func unlock() { pthread_mutex_unlock(mutex) }

  /// Lets go of the lock, sleeps until ``wakeAll()``, and holds the lock again. May wake for no reason.
  public func wait() { pthread_cond_wait(condition, mutex) }

  /// The same for `seconds` at most; false when they are over.
  public func wait(seconds: Int) -> Bool {
    var end = timespec()
    clock_gettime(CLOCK_MONOTONIC, &end)
    end.tv_sec += seconds
    return pthread_cond_timedwait(condition, mutex, &end) != ETIMEDOUT
  }

  /// Wakes everybody who is in ``wait()``.
  public func wakeAll() { pthread_cond_broadcast(condition) }

  /// Runs `body` while holding the lock.
  @inlinable
  public func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body()
  }
}

/// A value that is only reached while its lock is held.
public final class Guarded<Value>: @unchecked Sendable {
  @usableFromInline let lock = Lock()
  // The lock sees to it that nobody else reaches it.
  @usableFromInline @exclusivity(unchecked) var value: Value

  /// Guards `value`.
  public init(_ value: sending Value) {
    self.value = value
  }

  /// Runs `body` on the value while nobody else can reach it.
  @inlinable
  public func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return try body(&value)
  }
}
