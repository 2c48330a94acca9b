import Basics
import SEAM
import TDXHost

/// One update to be tried: in which order the LPs run, and what goes wrong.
public struct ExploreCase: Equatable, Sendable {
  /// Its number; with the seed and the options it says everything else.
  public var number: Int
  /// The order of the LPs in a state, where it is not ascending.
  public var orders: [UpdateState: [Int]] = [:]
  /// LPs that still make their step after another one's has failed.
  public var stragglers: [UpdateState: Int] = [:]
  /// The line of the one fault plan, if there is one.
  public var fault: String?

  var schedule: UpdateSchedule { UpdateSchedule(orders: orders, stragglers: stragglers) }

  /// For people: what is special in it.
  public var description: String {
    var parts: [String] = []
    for state in UpdateState.allCases {
      guard let order = orders[state], order != order.sorted() else { continue }
      let shown = order.prefix(16).map(String.init).joined(separator: ",") + (order.count > 16 ? ",…" : "")
      parts.append("\(state.rawValue) in order \(shown)")
    }
    parts.append(fault.map { "fault plan '\($0)'" } ?? "no fault")
    if fault != nil, !stragglers.isEmpty {
      let shown = UpdateState.allCases.compactMap { state in
        stragglers[state].map { "\($0) in \(state.rawValue)" }
      }
      parts.append("stragglers \(shown.joined(separator: ", "))")
    }
    return parts.joined(separator: "; ")
  }
}

/// The kinds of fault that can befall a SEAMCALL of an update, as words of a plan.
enum ExploreFaults {
  /// Plans that act at the call `call`, the `position`th of the update from 1. The firmwares never lie in them: what is
  /// answered in their place is that nothing was done.
  static func plans(at position: Int, _ call: FaultCall) -> [String] {
    let here = "nth=\(position)"
    var plans = ["\(here) vmfailinvalid", "\(here) power-loss", "\(here) no-entropy=1", "\(here) no-entropy=10"]
    switch call.leaf {
    case .module, .unknown: plans.append("\(here) status=OPERAND_INVALID(RAX)")
    case .loader: plans += ["\(here) status=EBADPARAM", "\(here) status=ENOENTROPY"]
    }
    if call.leaf.contention != nil { plans.append("leaf=\(call.leaf.name) lp=\(call.lp) busy=1") }
    if call.leaf == .module(.sysInit) { plans.append("\(here) status=RND_NO_ENTROPY") }
    if call.leaf == .loader(.install) {
      plans += ["lp=\(call.lp) bad-page", "\(here) no-entropy=5 skip=1", "\(here) no-entropy=6 skip=2"]
    }
    switch call.stage {
    case .install?, .cpuInit?, .update?:
      plans += FaultPlan.HandoffDamage.allCases.map { "\(here) corrupt-handoff=\($0.rawValue)" }
    case .receive?, .prepare?, .transfer?, .shutdown?, nil: break
    }
    return plans
  }

  /// Whether the plan `line` makes the call itself fail that it acts at.
  static func isAnswer(_ line: String) -> Bool {
    ["status=", "vmfailinvalid", "busy="].contains { line.contains($0) }
  }

  /// Plans that act when a stage begins, on a machine of `lps` LPs.
  static func plans(lps: Int) -> [String] {
    var plans = ["stage=transfer enomem", "stage=prepare power-loss", "stage=transfer power-loss"]
    for stage in FaultPlan.Stage.allCases where stage != .receive {
      for lp in stride(from: 1, to: lps, by: max(1, lps / 8)) {
        plans.append("stage=\(stage.rawValue) lp=\(lp) drop-lp")
      }
    }
    return plans
  }
}

/// All orders of `count` things, in lexical order.
func permutations(of count: Int) -> [[Int]] {
  guard count > 0 else { return [[]] }
  return permutations(of: count - 1).flatMap { shorter in
    (0..<count).map { place in Array(shorter[..<(count - 1 - place)]) + [count - 1] + shorter[(count - 1 - place)...] }
  }.sorted { $0.lexicographicallyPrecedes($1) }
}
