import Basics
import SEAM

#if canImport(Glibc)
  import Glibc
#endif

/// Where time comes from.
public protocol MachineClock: Sendable {
  /// Microseconds since some fixed moment.
  func microseconds() -> UInt64

  /// Lets `duration` microseconds pass for what the machine does: real time by itself, virtual time only here.
  func spend(_ duration: UInt64)

  /// Waits `duration` microseconds, or until `isOver`. No lock may be held.
  func wait(_ duration: UInt64, until isOver: () -> Bool)
}

/// `clock=`: which clock a machine has.
public enum ClockKind: String, CaseIterable, Sendable {
  /// The host's.
  case real
  /// Time passes by defined amounts only, so that equal runs have equal times.
  case virtual

  /// A clock of this kind.
  public func make() -> any MachineClock {
    switch self {
    case .real: MonotonicClock()
    case .virtual: VirtualClock()
    }
  }
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

  /// Real time needs no help.
  public func spend(_ duration: UInt64) {}

  /// Sleeps, in parts of a few milliseconds, so that its end is noticed soon.
  public func wait(_ duration: UInt64, until isOver: () -> Bool) {
    let (end, overflow) = microseconds().addingReportingOverflow(duration)
    while !isOver() {
      let now = microseconds()
      guard overflow || now < end else { return }
      usleep(UInt32(min(overflow ? 5000 : end - now, 5000)))
    }
  }
}

/// A clock that only ``spend(_:)`` and ``wait(_:until:)`` move. It begins at 0.
public final class VirtualClock: MachineClock {
  private let time = Guarded<UInt64>(0)

  /// A clock that shows 0.
  public init() {}

  /// Microseconds that were spent.
  public func microseconds() -> UInt64 { time.withLock { $0 } }

  /// Moves the clock.
  public func spend(_ duration: UInt64) { time.withLock { $0 &+= duration } }

  /// Moves the clock at once: nobody sleeps, so no client can watch it pass.
  public func wait(_ duration: UInt64, until isOver: () -> Bool) { spend(duration) }
}

extension Leaf {
  /// What a SEAMCALL of the leaf takes on a virtual clock, in microseconds. Round numbers of tdxfs's own.
  var virtualDuration: UInt64 {
    switch self {
    case .loader(.install): 500
    case .loader: 20
    case .module(.sysInit), .module(.sysShutdown), .module(.sysUpdate): 200
    case .module(.sysLPInit), .module(.sysKeyConfig), .module(.sysTDMRInit): 50
    case .module, .unknown: 5
    }
  }
}
