#if canImport(Glibc)
  import Glibc
#endif

/// The lock of an open file, flock(2): held by one open file description, and gone with it, also after SIGKILL.
public enum FileLock {
  /// Locks `descriptor`; waits up to `patience` for another holder to let go. False when it did not, or the file takes no locks.
  public static func take(_ descriptor: Int32, within patience: Duration) -> Bool {
    let deadline = ContinuousClock.now + patience
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      switch errno {
      case EINTR: continue
      case EWOULDBLOCK:
        guard ContinuousClock.now < deadline else { return false }
        usleep(5_000)
      case _: return false
      }
    }
    return true
  }
}
