/// What one rehearsal has shown: what the client saw, what really happened, and whether the two agree.
struct RehearsalReport: Equatable {
  var name: String
  var title: String
  /// What the rehearsal itself could not do.
  var problems: [String] = []
  /// What the client did and saw.
  var conversation: [String] = []
  /// When the client had ended and no upload ran.
  var observations = Observations()
  /// After the scenario's last steps, if it has any.
  var finally: Observations?
  /// The first line of `.tdxfs/why`.
  var why = "-"
  var clientStatus: Int32 = 0
  /// The last line that the client has said, `-` for none.
  var clientSays = "-"
  var hasClientTimedOut = false
  /// `version` before.
  var versionBefore = "-"
  /// The version that the client was to install.
  var wanted = "-"
  /// Whether the client believes what happened.
  var agrees = false
  var agreement = "-"
  /// What is not as the file expects.
  var differences: [String] = []
  /// The client uploaded nothing, and the file says that this is right too.
  var hasDeclined = false
  /// How the client's habits look in this scenario.
  var findings: [Finding] = []
  /// The rehearsal took place.
  var hasRun = true

  init(scenario: Scenario) {
    name = scenario.name
    title = scenario.title
  }

  /// Of a rehearsal that did not take place.
  init(scenario: Scenario, failure: String) {
    self.init(scenario: scenario)
    hasRun = false
    problems = [failure]
  }

  /// ``Outcome`` as a word.
  var outcome: String { observations.values["result"] ?? "-" }

  /// It ended as the file expects.
  var isAsExpected: Bool { hasRun && problems.isEmpty && differences.isEmpty && !hasClientTimedOut }

  /// The version that was wanted runs, and nothing was lost.
  private var hasSucceeded: Bool {
    ["ok", "nothing"].contains(outcome) && observations.values["module"] == wanted
  }

  /// Compares what the client says by its exit status with what happened.
  mutating func judgeAgreement() {
    let believes = clientStatus == 0
    agrees = believes == hasSucceeded
    observations.values["agrees"] = agrees ? "yes" : "no"
    let happened: String =
      switch outcome {
      case "ok" where hasSucceeded: "module \(wanted) runs"
      case "ok": "an update succeeded, but the module is \(observations.values["module"] ?? "-"), not \(wanted)"
      case "refused", "busy", "aborted": "the update was refused; everything is as before"
      case "lost": "TDX is lost until reboot"
      case "nothing" where hasSucceeded: "nothing was uploaded, and module \(wanted) runs already"
      case "nothing": "nothing was uploaded"
      case "cut": "the update ended with the power"
      case "hidden": "there is no upload device"
      case "gone": "the filesystem is gone"
      default: outcome
      }
    agreement =
      "the client says that it \(believes ? "succeeded" : "failed (exit status \(clientStatus))"); \(happened)"
  }

  /// Compares with what the file expects. What a file says of its own client does not count for a foreign one.
  mutating func judge(_ scenario: Scenario, isForeign: Bool) {
    if isForeign, scenario.mayDecline, outcome == Outcome.nothing.rawValue, clientStatus != 0 {
      hasDeclined = true
      problems.removeAll { $0.contains("this never happened") }
      return
    }
    let aboutClient = ["client", "agrees", "uploads", "calls", "log", "no-log"]
    differences = scenario.expected.filter { !isForeign || !aboutClient.contains($0.key) }.compactMap { expectation in
      expectation.difference(from: observations).map { "line \(expectation.line): \($0)" }
    }
    if hasClientTimedOut { differences.append("the client did not end within \(scenario.limit) seconds") }
    guard let finally else { return }
    differences += scenario.finally.compactMap { expectation in
      expectation.difference(from: finally).map { "line \(expectation.line): afterwards \($0)" }
    }
  }
}

// MARK: From the rehearsal's process to the command

extension RehearsalReport {
  /// The report as `key=value` lines.
  var lines: String {
    var record: [(String, String)] = [
      ("name", name), ("title", title), ("why", why), ("client-status", "\(clientStatus)"), ("says", clientSays),
      ("timeout", hasClientTimedOut ? "1" : "0"), ("before", versionBefore), ("wanted", wanted),
      ("agrees", agrees ? "1" : "0"), ("agreement", agreement), ("declined", hasDeclined ? "1" : "0"),
    ]
    record += problems.map { ("problem", $0) } + conversation.map { ("saw", $0) }
    record += differences.map { ("difference", $0) } + findings.map { ("finding", $0.line) }
    record += observations.record.map { ("seen." + $0.0, $0.1) }
    record += finally?.record.map { ("finally." + $0.0, $0.1) } ?? []
    return record.map { "\($0.0)=\(Self.escaped($0.1))\n" }.joined() + "end=1\n"
  }

  /// Reads ``lines``; nil when they do not end.
  init?(lines: String) {
    self.init(scenario: Scenario(name: ""))
    var isWhole = false
    for line in lines.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else { return nil }
      let value = Self.unescaped(parts[1])
      switch parts[0] {
      case "name": name = value
      case "title": title = value
      case "why": why = value
      case "client-status": clientStatus = Int32(value) ?? 0
      case "says": clientSays = value
      case "timeout": hasClientTimedOut = value == "1"
      case "before": versionBefore = value
      case "wanted": wanted = value
      case "agrees": agrees = value == "1"
      case "agreement": agreement = value
      case "declined": hasDeclined = value == "1"
      case "problem": problems.append(value)
      case "saw": conversation.append(value)
      case "difference": differences.append(value)
      case "finding": if let finding = Finding(line: value) { findings.append(finding) }
      case "end": isWhole = true
      case let key where key.hasPrefix("seen."): observations.take(key.dropFirst(5), value)
      case let key where key.hasPrefix("finally."):
        finally = finally ?? Observations()
        finally?.take(key.dropFirst(8), value)
      default: return nil
      }
    }
    guard isWhole else { return nil }
  }

  private static func escaped(_ text: String) -> String {
    text.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\\\")
      .split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
  }

  private static func unescaped(_ text: String) -> String {
    var result = ""
    var isEscaped = false
    for character in text {
      if isEscaped {
        result.append(character == "n" ? "\n" : character)
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else {
        result.append(character)
      }
    }
    return result
  }
}

extension Observations {
  fileprivate var record: [(String, String)] {
    var record = values.map { ("value.\($0)", $1) } + alive.map { ("alive.\($0)", $1) }
    record += exits.map { ("exit.\($0)", $1) } + calls.map { ("call.\($0)", "\($1)") }
    return record + [("log", log)]
  }

  fileprivate mutating func take(_ key: Substring, _ value: String) {
    if key.hasPrefix("value.") { values[String(key.dropFirst(6))] = value }
    if key.hasPrefix("alive.") { alive[String(key.dropFirst(6))] = value }
    if key.hasPrefix("exit.") { exits[String(key.dropFirst(5))] = value }
    if key.hasPrefix("call.") { calls[String(key.dropFirst(5))] = Int(value) ?? 0 }
    if key == "log" { log = value }
  }
}
