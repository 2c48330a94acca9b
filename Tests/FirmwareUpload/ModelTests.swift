import Basics
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Random sequences of everything that clients can do, against ``KernelModel``.
///
/// `TDXFS_MODEL_SEED=N` repeats one sequence with its history; `TDXFS_MODEL_SEQUENCES=N` makes the random shard longer.
@Suite("Model", .timeLimit(.minutes(20)))
struct ModelTests {
  private static let operations = 60

  private static func number(_ name: String) -> UInt64? {
    guard let value = getenv(name) else { return nil }
    return UInt64(String(cString: value))
  }

  /// What was reached by `count` sequences from `first` on; the first difference fails the test, and nil is returned.
  private func run(_ count: UInt64, from first: UInt64) throws -> Set<String>? {
    var reached: Set<String> = []
    for seed in first..<(first &+ count) {
      let clients = try ModelClients(seed: seed, operations: Self.operations)
      if let difference = clients.run() {
        let history = clients.history.suffix(25).joined(separator: "\n  ")
        Issue.record("TDXFS_MODEL_SEED=\(seed) repeats this: \(difference)\nafter\n  \(history)")
        return nil
      }
      reached.formUnion(clients.reached)
    }
    return reached
  }

  @Test("2500 sequences: device and model never differ", arguments: [UInt64(0), 1, 2, 3, 4])
  func fixedSeeds(shard: UInt64) throws {
    guard let reached = try run(500, from: shard &* 500) else { return }
    // A shard that does not get everywhere tests nothing.
    let errnos = ["EACCES", "EBADF", "EBUSY", "EFBIG", "EINVAL", "ENODEV", "ENXIO", "EPERM"]
    let ends = ["success", "preparing:user-abort", "transferring:read-write-error", "programming:firmware-invalid"]
    for name in errnos + ends + ["removed idle", "removed receiving", "removed transferring"] {
      #expect(reached.contains(name), "\(name)")
    }
  }

  @Test("500 sequences that no run has seen before")
  func newSeeds() throws {
    let first = Self.number("TDXFS_MODEL_SEED")
    _ = try run(
      first == nil ? Self.number("TDXFS_MODEL_SEQUENCES") ?? 500 : 1, from: first ?? UInt64.random(in: 0..<1 << 60))
  }
}
