import ModuleImage

extension RehearsalReport {
  /// One line.
  var summary: String {
    "\(isAsExpected ? "ok" : "NOT AS EXPECTED"): \(name): \(hasDeclined ? "declined" : outcome)"
      + (agrees ? "" : ", and the client believes otherwise")
  }

  /// For people.
  var text: String {
    var lines = ["\(name): \(title)"]
    guard hasRun else { return lines[0] + "\n  it could not be rehearsed: " + problems.joined(separator: "; ") }
    func say(_ heading: String, _ texts: [String]) {
      for (index, text) in texts.enumerated() {
        lines.append("  " + (index == 0 ? heading : "").padded(to: 10) + text)
      }
    }
    let seen = observations.values
    func words(_ keys: [String]) -> String {
      keys.filter { seen[$0] ?? "-" != "-" }.map { "\($0)=\(seen[$0] ?? "-")" }.joined(separator: " ")
    }
    say(
      "client",
      ["exit status \(clientStatus)\(clientSays == "-" ? "" : ", says: \(clientSays)")"]
        + (conversation.isEmpty ? ["it touched no file of the machine"] : Self.wrapped(conversation)))
    say(
      "machine",
      ["\(outcome): \(why)", words(["stage", "lp", "leaf", "status", "rdx", "lost"])]
        + [words(["error", "version", "remaining", "sys_state", "seam_ready", "tds", "online"])]
        + [
          observations.calls.isEmpty
            ? "no SEAMCALL was made"
            : "SEAMCALLs: "
              + observations.calls.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        ] + (observations.alive.isEmpty ? [] : ["TDs: " + aliveTDs]))
    if let finally {
      let keys = ["version", "remaining", "module", "tds", "power"]
      say("then", [keys.map { "\($0)=\(finally.values[$0] ?? "-")" }.joined(separator: " ")])
    }
    say("agree", ["\(agrees ? "yes" : "NO"): \(agreement)"])
    let expectation =
      hasDeclined ? "yes: a careful client uploads nothing here" : isAsExpected ? "yes" : "NO: "
    say("expected", [expectation + (differences + problems).joined(separator: "; ")])
    return lines.filter { $0.trimmed != "" }.joined(separator: "\n")
  }

  private var aliveTDs: String {
    observations.alive.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value == "1" ? "alive" : "dead")" }
      .joined(separator: ", ")
  }

  /// Phrases in lines of readable length.
  private static func wrapped(_ phrases: [String]) -> [String] {
    var lines: [String] = []
    for phrase in phrases {
      if let last = lines.last, last.count + phrase.count < 100 {
        lines[lines.count - 1] = "\(last); \(phrase)"
      } else {
        lines.append(phrase)
      }
    }
    return lines
  }

  /// For machines.
  var json: JSON {
    func text(_ value: String) -> JSON { value == "-" ? .null : .string(value) }
    func strings(_ values: [String]) -> JSON { .array(values.map { .string($0) }) }
    return .object([
      .init("scenario", .string(name)),
      .init("title", .string(title)),
      .init("rehearsed", .bool(hasRun)),
      .init("as_expected", .bool(isAsExpected)),
      .init("declined", .bool(hasDeclined)),
      .init("differences", strings(differences)),
      .init("problems", strings(problems)),
      .init(
        "client",
        .object([
          .init("status", .number(Int(clientStatus))), .init("says", text(clientSays)),
          .init("timeout", .bool(hasClientTimedOut)), .init("saw", strings(conversation)),
        ])),
      .init("machine", Self.json(observations, why: why)),
      .init("finally", finally.map { Self.json($0, why: nil) } ?? .null),
      .init("version_before", text(versionBefore)),
      .init("version_wanted", text(wanted)),
      .init("agree", .bool(agrees)),
      .init("agreement", .string(agreement)),
    ])
  }

  private static func json(_ seen: Observations, why: String?) -> JSON {
    let values = seen.values.filter { !["client", "agrees"].contains($0.key) }.sorted { $0.key < $1.key }
    var members = values.map { JSON.Member($0.key, $0.value == "-" ? .null : .string($0.value)) }
    if let why { members.append(.init("why", .string(why))) }
    members.append(
      .init("seamcalls", .object(seen.calls.sorted { $0.key < $1.key }.map { .init($0.key, .number($0.value)) })))
    members.append(
      .init("alive", .object(seen.alive.sorted { $0.key < $1.key }.map { .init($0.key, .bool($0.value == "1")) })))
    members.append(
      .init(
        "exits",
        .object(
          seen.exits.sorted { $0.key < $1.key }.map { .init($0.key, $0.value == "-" ? .null : .string($0.value)) })))
    members.append(.init("log", .array(seen.log.split(separator: "\n").map { .string(String($0)) })))
    return .object(members)
  }
}

extension String {
  /// With blanks behind it.
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
