import Basics

/// RDRAND of the machine: deterministic from a seed, and able to run dry.
public struct Entropy: Sendable, Equatable, Codable {
  private var generator: SeededGenerator
  /// How many of the next draws give nothing; `Int.max` means that none ever does again.
  public var failures = 0
  /// How many draws still succeed before ``failures`` begins to count.
  public var successesBeforeFailures = 0

  /// Entropy whose whole sequence follows from `seed`.
  public init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
  }

  /// RDRAND: 64 random bits, or nil when there is no entropy (CF = 0).
  public mutating func rdrand() -> UInt64? {
    if failures > 0, successesBeforeFailures > 0 {
      successesBeforeFailures -= 1
    } else if failures > 0 {
      if failures != .max { failures -= 1 }
      return nil
    }
    return generator.next()
  }
}
