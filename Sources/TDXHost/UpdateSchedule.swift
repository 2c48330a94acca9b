import Basics

/// The lock-step states of an update (`enum module_update_state`).
public enum UpdateState: String, CaseIterable, Sendable, Codable {
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
public struct UpdateSchedule: Sendable, Codable {
  /// What decides.
  private enum Source: Sendable, Codable {
    case ascending
    case seed(UInt64)
    case given(orders: [UpdateState: [Int]], stragglers: [UpdateState: Int])
  }

  private let source: Source

  /// Ascending order. After a failed INSTALL nobody makes the call any more; CPU_INIT, where no lock keeps the CPUs from
  /// entering, is executed by all of them.
  public static let ascending = UpdateSchedule(source: .ascending)

  private init(source: Source) {
    self.source = source
  }

  /// An order, and stragglers, that follow from `seed`.
  public init(seed: UInt64) {
    source = .seed(seed)
  }

  /// The given order in each state, and how many still execute it after a failure; ascending, and as there, where nothing
  /// is given.
  public init(orders: [UpdateState: [Int]], stragglers: [UpdateState: Int] = [:]) {
    source = .given(orders: orders, stragglers: stragglers)
  }

  /// The order of `cpus` in `state`.
  public func order(of cpus: [Int], in state: UpdateState) -> [Int] {
    switch source {
    case .ascending: return cpus
    case .seed(let seed):
      var generator = Self.generator(seed, state)
      return cpus.shuffled(using: &generator)
    case .given(let orders, _):
      guard let order = orders[state] else { return cpus }
      let present = Set(cpus)
      return order.filter(present.contains)
    }
  }

  /// How many of the `remaining` CPUs still execute `state` after one failed.
  public func stragglers(among remaining: Int, in state: UpdateState) -> Int {
    let ascending = state == .cpuInit ? remaining : 0
    switch source {
    case .ascending: return ascending
    case .seed(let seed):
      var generator = Self.generator(seed, state)
      _ = generator.next()
      return Int.random(in: 0...max(0, remaining), using: &generator)
    case .given(_, let stragglers): return min(remaining, stragglers[state] ?? ascending)
    }
  }

  private static func generator(_ seed: UInt64, _ state: UpdateState) -> SeededGenerator {
    let index = UInt64(UpdateState.allCases.firstIndex(of: state) ?? 0)
    return SeededGenerator(seed: seed &+ index &* 0x9E37_79B9)
  }
}
