import Basics
import Platform

extension ScenarioExpectation {
  /// What can be expected beside the keys of `.tdxfs/status`.
  static let keys = [
    "result", "error", "version", "remaining", "stage", "lp", "leaf", "status", "rdx", "lost", "client", "agrees",
    "uploads", "alive", "dead", "exits", "log", "no-log", "calls",
  ]

  /// Values that `result` can have.
  static let results = Outcome.allCases.map(\.rawValue)

  /// The expectations of a line: `key=value`, several values that are all right separated by `|`.
  static func list(_ text: String, line: Int) throws(ScenarioProblem) -> [ScenarioExpectation] {
    var words = try ScenarioWords(text)
    var list: [ScenarioExpectation] = []
    let known = keys + StatusReport.keys
    while let word = words.next() {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[1].isEmpty else { throw ScenarioProblem("'\(word)' is not key=value") }
      guard known.contains(parts[0]) else {
        throw ScenarioProblem(
          "nothing is known of '\(parts[0])': \(Spelling.hint(for: parts[0], among: known))")
      }
      let values =
        parts[0].hasSuffix("log") ? [parts[1]] : parts[1].split(separator: "|").map(String.init)
      if parts[0] == "result", let wrong = values.first(where: { Outcome(rawValue: $0) == nil }) {
        throw ScenarioProblem("result=\(wrong): \(Spelling.hint(for: wrong, among: results))")
      }
      list.append(ScenarioExpectation(key: parts[0], values: values, line: line))
    }
    return list
  }

  /// Why the observations are not what is expected; nil when they are.
  func difference(from seen: Observations) -> String? {
    switch key {
    case "log":
      return seen.log.contains(text) ? nil : "the kernel log does not say '\(text)'"
    case "no-log":
      return seen.log.contains(text) ? "the kernel log says '\(text)'" : nil
    case "alive", "dead":
      let wanted = key == "alive" ? "1" : "0"
      let names = values.flatMap { $0.split(separator: ",") }
      let wrong = names.filter { seen.alive[String($0)] != wanted }
      return wrong.isEmpty ? nil : "not \(key): \(wrong.joined(separator: ", "))"
    case "exits":
      for word in values.flatMap({ $0.split(separator: ",") }) {
        let parts = word.split(separator: ":", maxSplits: 1).map(String.init)
        let status = seen.exits[parts.first ?? ""] ?? "-"
        guard parts.count == 2, parts[1] == status else { return "the last exit of \(parts.first ?? "") is \(status)" }
      }
      return nil
    case "calls":
      for word in values.flatMap({ $0.split(separator: ",") }) {
        let parts = word.split(separator: ":").map(String.init)
        let count = seen.calls[parts.first ?? ""] ?? 0
        guard parts.count == 2, Int(parts[1]) == count else {
          return "\(parts.first ?? "") was called \(count) times, not \(parts.dropFirst().joined(separator: ":"))"
        }
      }
      return nil
    default:
      let value = seen.values[key] ?? "-"
      return values.contains(value) ? nil : "\(key) is \(value), not \(text)"
    }
  }
}

/// How a rehearsal ends, in one word.
enum Outcome: String, CaseIterable {
  /// The image was installed.
  case ok
  /// The kernel or the firmware said no; everything is as before.
  case refused
  /// `device-busy`; everything is as before.
  case busy
  /// `user-abort`; everything is as before.
  case aborted
  /// Refused too late: TDX is gone until reboot.
  case lost
  /// Nothing was uploaded.
  case nothing
  /// The power went, or the kernel, in the middle of it.
  case cut
  /// There is no upload device.
  case hidden
  /// The filesystem's process is gone.
  case gone
}

/// What was found at some moment of a rehearsal.
struct Observations: Equatable {
  /// By the keys of expectations.
  var values: [String: String] = [:]
  /// The kernel log since the client started.
  var log = ""
  /// `alive` of each TD.
  var alive: [String: String] = [:]
  /// Status of the last TDH.VP.ENTER of each TD.
  var exits: [String: String] = [:]
  /// SEAMCALLs since the client started, by leaf.
  var calls: [String: Int] = [:]
}
