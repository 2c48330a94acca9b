import SEAM
import Testing

@testable import Platform

/// Lines for fault plans: every word in every wrong spelling, and every two and three words together, against README's tables
/// told a second time.
@Suite("Malformed fault plans", .timeLimit(.minutes(20)))
struct MalformedPlanTests {
  /// README, "Faults": what contradicts what, and where an effect can act.
  struct Grammar {
    var words: [String: String?] = [:]
    var isTwice = false

    init(_ line: [String]) {
      for word in line {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if words[parts[0]] != nil { isTwice = true }
        words[parts[0]] = .some(parts.count > 1 ? parts[1] : nil)
      }
    }

    private func has(_ key: String) -> Bool { words[key] != nil }
    private func value(_ key: String) -> String? { words[key] ?? nil }

    static let effects = [
      "status", "vmfailinvalid", "busy", "no-entropy", "corrupt-handoff", "bad-page", "delay", "drop-lp", "enomem",
      "power-loss",
    ]

    /// SEAMCALLs that an update makes in each lock-step state; none before it.
    static let leaves: [String: [String]] = [
      "receive": [], "prepare": [], "transfer": ["SEAMLDR.INFO"], "shutdown": ["TDH.SYS.RD", "TDH.SYS.SHUTDOWN"],
      "install": ["SEAMLDR.INSTALL"], "cpu-init": ["TDH.SYS.INIT", "TDH.SYS.LP.INIT"],
      "update": ["TDH.SYS.UPDATE", "TDH.SYS.RD"],
    ]

    /// Whether the line is a plan; nil where README does not say it.
    var isPlan: Bool? {
      if isTwice { return false }
      let given = Self.effects.filter(has)
      if given.count > 1 { return false }
      guard let effect = given.first ?? (has("rdx") ? "rdx" : nil) else { return false }
      if has("rdx") && effect != "status" && effect != "rdx" { return false }
      if has("executed") && effect != "status" && effect != "rdx" { return false }
      if has("skip") && effect != "no-entropy" { return false }
      let limits = ["once", "count", "always"].filter(has).count + (value("busy") == nil ? 0 : 1)
      if limits > 1 { return false }
      if has("seed") && !has("p") { return false }
      let stage = value("stage")
      let leaf = value("leaf")
      if stage == "transfer" { return nil }
      if let stage, let leaf, Self.leaves[stage]?.contains(leaf) != true { return false }
      let hasCalls = stage.map { Self.leaves[$0]?.isEmpty == false } ?? true
      let isInUploads = leaf == nil || Self.leaves.values.contains { $0.contains(leaf ?? "") }
      switch effect {
      case "enomem": return stage == "receive" || stage == "prepare" ? leaf == nil && !has("lp") : false
      case "drop-lp": return stage != nil && stage != "receive" && leaf == nil && has("lp") && value("lp") != "0"
      case "delay", "power-loss":
        if stage == "receive" || !isInUploads { return false }
        if !hasCalls && has("lp") { return false }
        return stage != nil || leaf != nil || has("lp") || has("after") || (has("nth") && value("nth") != "1")
      case "bad-page":
        return hasCalls && (stage == nil || stage == "install") && (leaf == nil || leaf == "SEAMLDR.INSTALL")
      case "corrupt-handoff": return hasCalls && stage != "shutdown"
      case "busy": return hasCalls && leaf != "TDH.SYS.RD"
      default: return hasCalls
      }
    }
  }

  static let words = [
    "stage=receive", "stage=prepare", "stage=shutdown", "stage=install", "stage=cpu-init", "stage=update",
    "leaf=TDH.SYS.RD", "leaf=SEAMLDR.INSTALL", "leaf=TDH.VP.ENTER", "lp=0", "lp=2", "nth=1", "nth=3", "after=5",
    "after=install", "status=EBADSIG", "rdx=1", "executed", "vmfailinvalid", "busy", "busy=2", "busy=always",
    "no-entropy",
    "no-entropy=9", "no-entropy=always", "skip=1", "corrupt-handoff", "corrupt-handoff=size", "bad-page", "delay=250ms",
    "drop-lp", "enomem", "power-loss", "once", "count=2", "always", "p=0.25", "seed=7",
  ]

  /// The plan of a line, or why there is none.
  private static func outcome(_ line: String) -> Result<FaultPlan, FaultPlanError> {
    Result { () throws(FaultPlanError) in try FaultPlan(line: line, lps: 4) }
  }

  private static func isOneLine(_ text: String) -> Bool {
    !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
  }

  @Test("one, two and three words in every order of two")
  func combinations() {
    var lines: [[String]] = [[]]
    for (index, first) in Self.words.enumerated() {
      lines.append([first])
      for (other, second) in Self.words.enumerated() {
        lines.append([first, second])
        // Of three words every third choice.
        for third in other > index ? (other + 1)..<Self.words.count : 0..<0 where (index + other + third) % 3 == 0 {
          lines.append([first, second, Self.words[third]])
        }
      }
    }
    var cases = 0
    var plans = 0
    for line in lines {
      guard let expected = Grammar(line).isPlan else { continue }
      cases += 1
      switch Self.outcome(line.joined(separator: " ")) {
      case .success(let plan):
        plans += 1
        if !expected || plan.line != line.joined(separator: " ") {
          Issue.record("\(line): is a plan, \(plan.line)")
          return
        }
      case .failure(let error):
        if expected || !Self.isOneLine(error.description) {
          Issue.record("\(line): \(error)")
          return
        }
      }
    }
    print("malformed inputs: words of fault plans together: \(cases) cases, \(plans) of them plans")
    #expect(cases >= 4000)
    #expect(plans > 300)
  }

  @Test("every word in every wrong spelling: the reason names it")
  func spellings() {
    /// Values that are right, and what is needed beside them.
    let rows: [(key: String, values: [String], rest: String)] = [
      ("stage", ["shutdown", "install", "cpu-init", "update"], "vmfailinvalid"),
      ("lp", ["0", "1", "3", "0x2"], "vmfailinvalid"),
      ("nth", ["1", "2", "2147483647", "0x10"], "vmfailinvalid"),
      ("after", ["1", "install", "53", "tdh.sys.update"], "vmfailinvalid"),
      ("leaf", ["TDH.SYS.UPDATE", "tdh.sys.init", "53", "0x8000000000000001"], "vmfailinvalid"),
      ("status", ["EBADSIG", "ebadhash", "TDX_SYS_BUSY", "OPERAND_INVALID(RCX)", "0x8000000000020001", "0"], ""),
      ("rdx", ["0", "1", "0xffffffffffffffff", "18446744073709551615"], ""),
      ("busy", ["1", "2147483647", "always"], ""),
      ("no-entropy", ["1", "1000000", "always"], ""), ("skip", ["0", "1000000"], "no-entropy"),
      ("corrupt-handoff", ["header", "valid", "size", "data"], ""), ("count", ["1", "2147483647"], "vmfailinvalid"),
      ("seed", ["0", "18446744073709551615"], "vmfailinvalid p=0.5"),
      ("delay", ["1us", "250ms", "86400s"], "stage=install"), ("p", ["0.25", "1", "0.001"], "vmfailinvalid"),
    ]
    let wrong: [(String) -> String] = [
      { $0 + "x" }, { "x" + $0 }, { "+" + $0 }, { "-" + $0 }, { $0 + "\0" }, { "\0" + $0 }, { $0 + "," }, { $0 + "=" },
      { "=" + $0 }, { "'\($0)'" }, { $0 + "." }, { $0 + ":" }, { $0 + "\u{301}" }, { $0 + "\u{7F}" },
      { "\u{1B}[1m" + $0 },
      { $0 + "99999999999999999999999" }, { "99999999999999999999999" + $0 }, { _ in "" }, { _ in "0x" }, { _ in "-1" },
      { _ in "2147483648000000000000" }, { _ in "nan" }, { _ in "inf" }, { _ in "\u{661}" }, { _ in "٣" },
      { _ in "NULL" },
      { String(repeating: $0, count: 150) }, { $0 + String(repeating: "0", count: 700) }, { _ in "1e400" },
      { _ in "--" },
    ]
    var cases = 0
    for row in rows {
      for value in row.values {
        let good = "\(row.key)=\(value) \(row.rest)"
        if case .failure(let error) = Self.outcome(good) {
          Issue.record("\(good): \(error)")
          return
        }
        // Keys may be in any case; words stand anywhere, with any blanks between them.
        for line in ["\(row.rest) \(row.key)=\(value)", "\t\(row.key.uppercased())=\(value) \n \(row.rest)\n"] {
          cases += 1
          if case .failure(let error) = Self.outcome(line) {
            Issue.record("\(line.debugDescription): \(error)")
            return
          }
        }
        for spell in wrong {
          let text = spell(value)
          // 0x10. is not a number, 0.25 with more digits is one.
          if row.key == "p", let chance = Double(text), chance > 0, chance <= 1 { continue }
          if row.key == "leaf" || row.key == "after", text.hasPrefix("0x"), text.count > 200 { continue }
          let line = "\(row.key)=\(text) \(row.rest)"
          cases += 1
          switch Self.outcome(line) {
          case .success(let plan):
            // What is only digits is a number, though a long one.
            if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { continue }
            Issue.record("\(line.debugDescription.prefix(100)) is a plan: \(plan.line.prefix(100))")
            return
          case .failure(let error):
            let isTold =
              error.description.contains(row.key) && Self.isOneLine(error.description)
              && error.description.utf8.count < 1000
            if !isTold {
              Issue.record("\(line.debugDescription.prefix(100)): \(error.description.prefix(200))")
              return
            }
          }
        }
      }
    }
    // Keys.
    for key in FaultPlan.keys {
      for text in [
        key + "s", "x" + key, key + "\0", "-" + key, key + ":", "'" + key + "'", key + "\u{301}",
        String(key.reversed()),
      ]
      where !FaultPlan.keys.contains(text) {
        cases += 1
        if case .success = Self.outcome("\(text) vmfailinvalid") { Issue.record("\(text) is a word") }
        if case .success = Self.outcome("\(text)=1 vmfailinvalid") { Issue.record("\(text)= is a word") }
      }
    }
    print("malformed inputs: spellings in fault plans: \(cases) cases")
    #expect(cases >= 1500)
  }
}
