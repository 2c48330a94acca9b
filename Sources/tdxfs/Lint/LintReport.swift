import ModuleImage

/// The verdict on each habit of a client, with the scenario that shows it best.
struct LintReport {
  let client: [String]
  let reports: [RehearsalReport]

  /// A verdict over all scenarios.
  struct Verdict {
    let habit: Habit
    let verdict: Finding.Verdict
    let evidence: String
    /// The scenario of the evidence; nil when nothing was seen.
    let scenario: String?
  }

  /// Guilty anywhere is guilty; innocent somewhere is innocent; else the habit was not seen.
  var verdicts: [Verdict] {
    Habit.allCases.map { habit in
      let telling = reports.filter { $0.name == habit.scenario } + reports.filter { $0.name != habit.scenario }
      for verdict in [Finding.Verdict.guilty, .innocent] {
        for report in telling {
          guard let finding = report.findings.first(where: { $0.habit == habit && $0.verdict == verdict }) else {
            continue
          }
          return Verdict(habit: habit, verdict: verdict, evidence: finding.evidence, scenario: report.name)
        }
      }
      return Verdict(habit: habit, verdict: .notSeen, evidence: "-", scenario: nil)
    }
  }

  /// Guilty of anything.
  var isGuilty: Bool { verdicts.contains { $0.verdict == .guilty } }

  /// Rehearsals that did not take place.
  var failed: [RehearsalReport] { reports.filter { !$0.hasRun } }

  /// For people: a line a habit.
  var text: String {
    let verdicts = verdicts
    let width = 2 + (verdicts.map(\.habit.rawValue.count).max() ?? 0)
    let lines = verdicts.map { verdict in
      let head = verdict.verdict.rawValue.padded(to: 10) + verdict.habit.rawValue.padded(to: width)
      guard let scenario = verdict.scenario else { return head + "(\(verdict.habit.description))" }
      return head + "\(scenario): \(verdict.evidence)"
    }
    let guilty = verdicts.filter { $0.verdict == .guilty }
    let conclusion =
      guilty.isEmpty
      ? "innocent of all \(verdicts.count) habits"
      : "guilty: " + guilty.map(\.habit.description).joined(separator: "; ")
    return (lines + [conclusion]).joined(separator: "\n")
  }

  /// For machines.
  var json: JSON {
    .object([
      .init("client", .array(client.map { .string($0) })),
      .init("guilty", .bool(isGuilty)),
      .init(
        "habits",
        .array(
          verdicts.map { verdict in
            .object([
              .init("habit", .string(verdict.habit.rawValue)),
              .init("description", .string(verdict.habit.description)),
              .init("verdict", .string(verdict.verdict.rawValue)),
              .init("scenario", verdict.scenario.map { .string($0) } ?? .null),
              .init("evidence", verdict.scenario == nil ? .null : .string(verdict.evidence)),
            ])
          })),
      .init(
        "scenarios",
        .array(
          reports.map { report in
            .object([
              .init("scenario", .string(report.name)), .init("result", .string(report.outcome)),
              .init("client_status", .number(Int(report.clientStatus))), .init("agree", .bool(report.agrees)),
            ])
          })),
    ])
  }
}
