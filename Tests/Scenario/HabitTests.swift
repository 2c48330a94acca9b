import Testing

@testable import tdxfs

/// What a client did, in the lines of `.tdxfs/watch`, and what is to be thought of it.
@Suite("The judge of clients", .timeLimit(.minutes(20)))
struct HabitTests {
  private static let upload = "devices/faux/tdx_host/firmware/tdx_module/"

  /// Lines of a log, each with a number, pid 7 and a path.
  private static func operations(_ lines: [String]) -> [WatchedOperation] {
    let text = lines.enumerated().map { index, line in
      let isMachine = ["upload", "idle", "power", "nothing"].contains { line.hasPrefix("op=" + $0) }
      return "n=\(index) pid=\(isMachine ? 0 : 7) "
        + line.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).joined(separator: "path=" + upload)
    }
    return WatchedOperation.list(text.joined(separator: "\n"))
  }

  private static let begin = "op=write @loading file=1 offset=0 asked=1 result=1 text=1"
  private static let data = "op=write @data file=2 offset=0 asked=4096 result=4096"
  private static let commit = "op=write @loading file=3 offset=0 asked=1 result=1 text=0"
  private static let started = "op=upload bytes=4096"
  private static let idle = "op=read @status file=4 offset=0 asked=99 result=5 text=idle\\x0a"
  private static let noError = "op=read @error file=5 offset=0 asked=99 result=0"
  private static func ended(_ result: String = "success", lost: String = "none") -> String {
    "op=upload-end result=\(result) lost=\(lost)"
  }

  /// The run of a client that does everything right.
  private static func run(_ lines: [String], status: Int32 = 0, installed: String = "1.5.28") -> ClientRun {
    ClientRun(
      operations: operations(lines), status: status, wasStopped: false, wanted: "1.5.28", installed: installed,
      loadingAfter: false, isOffline: false, hasNoUpdates: false, lost: "none", hasVanished: false)
  }

  private static let good = [begin, data, commit, started, ended(), idle, noError]

  private func verdict(_ habit: Habit, _ run: ClientRun) -> Finding.Verdict? {
    HabitJudge.judge(run).first { $0.habit == habit }?.verdict
  }

  private func guilty(_ run: ClientRun) -> [Habit] {
    HabitJudge.judge(run).filter { $0.verdict == .guilty }.map(\.habit)
  }

  @Test("finds nothing in a good update, and has seen what there was to see")
  func innocent() {
    let run = Self.run(Self.good)
    #expect(guilty(run) == [])
    #expect(verdict(.noWait, run) == .innocent)
    #expect(verdict(.errorUnread, run) == .innocent)
    #expect(verdict(.shortWrite, run) == .notSeen)
    #expect(verdict(.retriedLoss, run) == .notSeen)
    #expect(verdict(.failureUntold, run) == .notSeen)
  }

  @Test("knows a short write that was ignored from one that was gone on with")
  func shortWrite() {
    let short = "op=write @data file=2 offset=0 asked=8192 result=4096"
    let rest = "op=write @data file=2 offset=4096 asked=4096 result=4096"
    #expect(
      guilty(Self.run([Self.begin, short, Self.commit, Self.started, Self.ended(), Self.idle, Self.noError])) == [
        .shortWrite
      ])
    let whole = Self.run([Self.begin, short, rest, Self.commit, Self.started, Self.ended(), Self.idle, Self.noError])
    #expect(guilty(whole) == [] && verdict(.shortWrite, whole) == .innocent)
  }

  @Test("sees data before loading=1")
  func dataBefore() {
    #expect(guilty(Self.run([Self.data] + Self.good)) == [.dataBeforeLoading])
  }

  @Test("sees who does not wait, and lets go who gave up and says so")
  func waiting() {
    let busy = "op=read @status file=4 offset=0 asked=99 result=13 text=transferring\\x0a"
    #expect(
      guilty(Self.run([Self.begin, Self.data, Self.commit, Self.started, Self.ended(), Self.noError])) == [.noWait])
    let impatient = [Self.begin, Self.data, Self.commit, Self.started, busy]
    #expect(guilty(Self.run(impatient, status: 1)) == [])
    #expect(guilty(Self.run(impatient)) == [.noWait])
  }

  @Test("puts together what a shell reads byte by byte")
  func byteByByte() {
    let bytes = "idle\n".utf8.enumerated().map { index, byte in
      "op=read @status file=4 offset=\(index) asked=1 result=1 text=\\x" + (byte < 16 ? "0" : "")
        + String(byte, radix: 16)
    }
    #expect(
      guilty(Self.run([Self.begin, Self.data, Self.commit, Self.started, Self.ended()] + bytes + [Self.noError])) == [])
  }

  @Test("sees reads of error that are missing, or come too early")
  func errors() {
    #expect(guilty(Self.run(Self.good.dropLast())) == [.errorUnread])
    let early = "op=read @error file=5 offset=0 asked=99 result=EBUSY"
    #expect(guilty(Self.run(Self.good.prefix(4) + [early] + Self.good.dropFirst(4))) == [.errorWhileBusy])
  }

  @Test("sees a second upload after a loss, and none after device-busy")
  func retries() {
    func attempt(_ result: String, _ lost: String) -> [String] {
      [Self.begin, Self.data, Self.commit, Self.started, Self.ended(result, lost: lost), Self.idle, Self.noError]
    }
    let failed = attempt("transferring:firmware-invalid", "module")
    #expect(guilty(Self.run(failed + failed, status: 1, installed: "-")) == [.retriedLoss])
    #expect(verdict(.retriedLoss, Self.run(failed, status: 1, installed: "-")) == .innocent)
    let busy = attempt("transferring:device-busy", "none")
    #expect(guilty(Self.run(busy, status: 1, installed: "1.5.24")) == [.busyNotRetried])
    #expect(verdict(.busyNotRetried, Self.run(busy + Self.good)) == .innocent)
  }

  @Test("compares what the exit status says with what runs")
  func exitStatus() {
    let failed = Self.good.map { $0 == Self.ended() ? Self.ended("transferring:firmware-invalid") : $0 }
    #expect(guilty(Self.run(failed, installed: "1.5.24")) == [.failureUntold])
    #expect(verdict(.failureUntold, Self.run(failed, status: 1, installed: "1.5.24")) == .innocent)
    #expect(guilty(Self.run(Self.good, installed: "1.5.24")) == [.unchangedBelieved])
    #expect(guilty(Self.run([], installed: "1.5.24")) == [.failureUntold])
    #expect(guilty(Self.run([], installed: "1.5.28")) == [])
  }

  @Test("looks at the machine that the client should have looked at")
  func machine() {
    var offline = Self.run(Self.good)
    offline.isOffline = true
    #expect(guilty(offline) == [.offlineUnchecked])
    var exhausted = Self.run(Self.good)
    exhausted.hasNoUpdates = true
    #expect(guilty(exhausted) == [.updatesUnchecked])
    exhausted.operations = []
    exhausted.status = 1
    exhausted.installed = "1.5.24"
    #expect(guilty(exhausted) == [] && verdict(.updatesUnchecked, exhausted) == .innocent)
    var left = Self.run([Self.begin], status: 1, installed: "1.5.24")
    left.loadingAfter = true
    #expect(guilty(left) == [.loadingLeft])
  }

  @Test("does not blame a client for what it could not end")
  func stopped() {
    var run = Self.run([Self.begin, Self.data, Self.commit, Self.started], status: 137)
    run.wasStopped = true
    #expect(guilty(run) == [])
  }

  @Test(
    "takes no harm from lines that are none",
    arguments: [
      "", "n=1", "op=read", "n=x op=read", "n=1 op=read path=",
      "n=1 op=write result=-5 asked=99999999999999999999 text=\\xzz",
    ])
  func garbage(line: String) {
    _ = HabitJudge.judge(Self.run([])).count
    _ = WatchedOperation.list(line)
  }
}

@Suite("What a rehearsal has shown", .timeLimit(.minutes(20)))
struct RehearsalReportTests {
  @Test("reaches the command as it was")
  func transport() throws {
    var report = RehearsalReport(scenario: Scenario(name: "a"))
    report.title = "with = and \\ and\nlines"
    report.problems = ["one", "two\\n"]
    report.conversation = ["loading ← 1"]
    report.observations.values = ["result": "ok", "error": "-"]
    report.observations.log = "[1] a\n[2] b"
    report.observations.calls = ["TDH.SYS.RD": 3]
    report.observations.alive = ["a": "1"]
    report.finally = Observations()
    report.findings = [Finding(.noWait, .guilty, "a | b")]
    report.clientStatus = 137
    report.agrees = true
    #expect(RehearsalReport(lines: report.lines) == report)
    #expect(RehearsalReport(lines: String(report.lines.dropLast(8))) == nil)
    #expect(RehearsalReport(lines: "") == nil)
  }
}
