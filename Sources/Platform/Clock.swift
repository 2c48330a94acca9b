#if canImport(Glibc)
  import Glibc
#endif

/// Where time comes from.
public protocol MachineClock: Sendable {
  /// Microseconds since some fixed moment.
  func microseconds() -> UInt64
}

/// CLOCK_MONOTONIC of the host.
public struct MonotonicClock: MachineClock {
  /// The host's clock.
  public init() {}

  /// Microseconds since the host booted.
  public func microseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000 &+ UInt64(time.tv_nsec) / 1000
  }
}
