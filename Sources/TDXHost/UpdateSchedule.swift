import Basics

/// The lock-step states of an update (`enum module_update_state`).
public enum UpdateState: String, CaseIterable, Sendable {
  /// Where every CPU begins; never executed.
  case start = "START"
  /// TDH.SYS.SHUTDOWN by the lead CPU.
  case shutdown = "SHUTDOWN"
  /// SEAMLDR.INSTALL on every CPU, one at a time.
  case cpuInstall = "CPU_INSTALL"
  /// TDH.SYS.INIT once, TDH.SYS.LP.INIT on every CPU.
  case cpuInit = "CPU_INIT"
  /// TDH.SYS.UPDATE by the lead CPU.
  case runUpdate = "RUN_UPDATE"
  /// Every CPU leaves.
  case done = "DONE"

  /// The state after this one; `done` is the last.
  var next: UpdateState {
    switch self {
    case .start: .shutdown
    case .shutdown: .cpuInstall
    case .cpuInstall: .cpuInit
    case .cpuInit: .runUpdate
    case .runUpdate, .done: .done
    }
  }
}

/// What is a matter of chance on a real machine: in which order the CPUs get to their step, and how many of them have seen
/// the new state already when another fails, and so still execute theirs (kernel-abi.md 5.2.3).
public struct UpdateSchedule: Sendable {
  private let seed: UInt64?

  /// Ascending order. After a failed INSTALL nobody makes the call any more; CPU_INIT, where no lock keeps the CPUs from
  /// entering, is executed by all of them.
  public static let ascending = UpdateSchedule(seed: nil)

  private init(seed: UInt64?) {
    self.seed = seed
  }

  /// An order, and stragglers, that follow from `seed`.
  public init(seed: UInt64) {
    self.seed = seed
  }

  /// The order of `cpus` in `state`.
  public func order(of cpus: [Int], in state: UpdateState) -> [Int] {
    guard var generator = generator(for: state) else { return cpus }
    return cpus.shuffled(using: &generator)
  }

  /// How many of the `remaining` CPUs still execute `state` after one failed.
  public func stragglers(among remaining: Int, in state: UpdateState) -> Int {
    guard var generator = generator(for: state) else { return state == .cpuInit ? remaining : 0 }
    _ = generator.next()
    return Int.random(in: 0...max(0, remaining), using: &generator)
  }

  private func generator(for state: UpdateState) -> SeededGenerator? {
    guard let seed else { return nil }
    let index = UInt64(UpdateState.allCases.firstIndex(of: state) ?? 0)
    return SeededGenerator(seed: seed &+ index &* 0x9E37_79B9)
  }
}
