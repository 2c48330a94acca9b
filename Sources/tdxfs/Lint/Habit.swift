/// A bad habit of a client.
enum Habit: String, CaseIterable {
  case shortWrite = "short-write"
  case dataBeforeLoading = "data-before-loading"
  case noWait = "no-wait"
  case errorUnread = "error-unread"
  case errorWhileBusy = "error-while-busy"
  case retriedLoss = "retried-loss"
  case busyNotRetried = "busy-not-retried"
  case unchangedBelieved = "unchanged-believed"
  case loadingLeft = "loading-left"
  case offlineUnchecked = "offline-unchecked"
  case updatesUnchecked = "updates-unchecked"
  case failureUntold = "failure-untold"

  /// What it is, for people.
  var description: String {
    switch self {
    case .shortWrite: "ignored a short write to data"
    case .dataBeforeLoading: "wrote data before loading=1"
    case .noWait: "did not wait for idle"
    case .errorUnread: "did not look at error"
    case .errorWhileBusy: "read error while the upload ran"
    case .retriedLoss: "tried again after TDX was lost"
    case .busyNotRetried: "did not try again after device-busy"
    case .unchangedBelieved: "believed in success when version did not change"
    case .loadingLeft: "left loading at 1"
    case .offlineUnchecked: "uploaded while a CPU was offline"
    case .updatesUnchecked: "uploaded when no updates remained"
    case .failureUntold: "exit status 0 on failure"
    }
  }
}

extension Habit {
  /// The scenario that shows it best.
  var scenario: String {
    switch self {
    case .shortWrite, .dataBeforeLoading, .noWait, .errorUnread: "happy-path"
    case .errorWhileBusy: "slow-update"
    case .retriedLoss: "bad-signature"
    case .busyNotRetried: "td-build-ends"
    case .unchangedBelieved: "same-stream-mislabelled"
    case .loadingLeft: "no-capability"
    case .offlineUnchecked: "cpu-offline"
    case .updatesUnchecked: "updates-zero"
    case .failureUntold: "wrong-cpu"
    }
  }
}

/// How a habit looks in one scenario.
struct Finding: Equatable {
  /// What is found.
  enum Verdict: String {
    case guilty
    case innocent
    case notSeen = "not seen"
  }

  let habit: Habit
  let verdict: Verdict
  /// What shows it.
  let evidence: String

  init(_ habit: Habit, _ verdict: Verdict, _ evidence: String) {
    self.habit = habit
    self.verdict = verdict
    self.evidence = evidence
  }

  /// One line, for transport.
  var line: String { "\(habit.rawValue)|\(verdict.rawValue)|\(evidence)" }

  /// Reads ``line``.
  init?(line: String) {
    let parts = line.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 3, let habit = Habit(rawValue: parts[0]), let verdict = Verdict(rawValue: parts[1]) else {
      return nil
    }
    self.init(habit, verdict, parts[2])
  }
}
