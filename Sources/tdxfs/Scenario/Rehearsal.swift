import Platform
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// One run of a scenario: the machine is set up, the client runs, things happen meanwhile, and all that can be seen
/// afterwards is written down.
final class Rehearsal {
  let scenario: Scenario
  let files: RehearsalFiles
  let machine: RehearsalMachine
  /// A client of the user's, in the place of the scenario's.
  private let words: [String]?
  private let scratch: FilePath

  private var pending: [ScenarioEvent]
  private var client: RunningClient?
  /// What was known of the client when the filesystem was killed.
  private var lastOperations: [WatchedOperation] = []
  /// What the rehearsal itself could not do.
  private(set) var problems: [String] = []

  /// Sets up `scenario` with `options` added to its machine's; `words` are a client of the user's.
  init(
    _ scenario: Scenario, options: [String], words: [String]?, placed: [String], executable: String, scratch: String
  ) throws(Failure) {
    let view = try PrivateView.enter()
    self.scratch = FilePath(scratch)
    self.scenario = scenario
    self.words = words
    pending = scenario.events
    machine = try RehearsalMachine(
      scenario.options + options, view: view, executable: executable, errors: self.scratch.appending("machine.errors"))
    files = try RehearsalFiles(scenario, for: machine.profile, placed: placed, in: self.scratch)
    for (name, value) in files.variables { setenv(name, value, 1) }
    setenv("TDXFS_PATIENCE", "\(Double(scenario.patience) / 1000)", 1)
  }

  /// Runs it.
  func run() throws(Failure) -> RehearsalReport {
    defer { machine.stop() }
    for step in scenario.before { try must(step) }
    for (index, event) in scenario.events.enumerated() {
      guard case .stage(let stage) = event.point else { continue }
      try must(Self.hold(at: stage, index))
    }
    let start = Start(
      version: machine.version, offline: machine.values(in: "status")["online"] != machine.value(".tdxfs/cpu/present"),
      remaining: machine.values(in: "status")["remaining_updates"] ?? "-", logLines: logLines.count,
      traceLines: traceLines.count)
    try must(ScenarioStep(action: .control(file: "watch", text: "on"), words: "watch", line: 0))
    let client = try RunningClient(
      files.filled(words ?? ["sh", "-c", scenario.script]), scenario: scenario,
      output: scratch.appending("client.output"))
    self.client = client
    self.client?.wait(seconds: scenario.limit) { [self] in watch() }
    waitForIdle()
    var report = RehearsalReport(scenario: scenario)
    report.problems += pending.map { "line \($0.step.line): this never happened: at: \($0.text)" }
    observe(into: &report, since: start)
    for step in scenario.after { perform(step) }
    if !scenario.after.isEmpty || !scenario.finally.isEmpty { report.finally = observations(since: start) }
    report.problems += problems
    report.judge(scenario, isForeign: words != nil)
    return report
  }

  /// What there was before the client started.
  struct Start {
    var version: String
    var offline: Bool
    var remaining: String
    var logLines: Int
    var traceLines: Int
  }

  private var logLines: [Substring] { lines(of: "log") }
  private var traceLines: [Substring] { lines(of: "trace") }

  private func lines(of file: String) -> [Substring] {
    guard case .success(let text) = machine.read(".tdxfs/\(file)") else { return [] }
    return text.split(separator: "\n")
  }

  /// What clients did since the watch began.
  private var operations: [WatchedOperation] {
    guard case .success(let text) = machine.read(".tdxfs/watch") else { return lastOperations }
    return WatchedOperation.list(text)
  }

  // MARK: What happens meanwhile

  /// Called again and again while the client runs, and until the upload has ended.
  private func watch() {
    guard !pending.isEmpty else { return }
    let ended = pending.contains { if case .stage = $0.point { false } else { true } } ? uploadResults : []
    pending.removeAll { event in
      guard isDue(event, ended) else { return false }
      perform(event.step)
      release(event)
      return true
    }
  }

  private var uploadResults: [String] {
    operations.compactMap { if case .uploadEnded(let result, _) = $0.event { result } else { nil } }
  }

  private func isDue(_ event: ScenarioEvent, _ ended: [String]) -> Bool {
    switch event.point {
    case .ended(let count): return ended.count >= count
    case .busy(let count): return ended.filter { $0.hasSuffix(":device-busy") }.count >= count
    case .stage:
      guard let index = scenario.events.firstIndex(of: event) else { return false }
      return !machine.value(".tdxfs/fault/\(Self.holdName(index))").hasSuffix(" acted=0")
    }
  }

  /// Lets the update go on from the stage at which it was held.
  private func release(_ event: ScenarioEvent) {
    guard case .stage = event.point, let index = scenario.events.firstIndex(of: event) else { return }
    unlink(machine.root.appending(".tdxfs/fault/\(Self.holdName(index))").string)
  }

  /// A stage is held with a fault plan that only takes time, and is taken away when the step is done.
  private static func hold(at stage: String, _ index: Int) -> ScenarioStep {
    ScenarioStep(
      action: .control(file: "fault/\(holdName(index))", text: "stage=\(stage) delay=30s once"),
      words: "hold \(stage)", line: 0)
  }

  private static func holdName(_ index: Int) -> String { "at-\(index)" }

  /// The upload may outlive the client, and events may still be to come.
  private func waitForIdle() {
    let deadline = ContinuousClock.now + .seconds(40)
    while ContinuousClock.now < deadline {
      guard case .success(let status) = RehearsalMachine.read(machine.upload.appending("status")) else { return }
      watch()
      if status == "idle\n" { return watch() }
      usleep(1000)
    }
    problems.append("the upload did not end within 40 seconds of the client's end")
  }

  // MARK: Steps

  /// Does a step without which the rehearsal makes no sense.
  private func must(_ step: ScenarioStep) throws(Failure) {
    if let problem = failure(of: step) { throw .refused("\(scenario.name): \(problem)") }
  }

  /// Does a step; what it met that it should not have is a problem of the rehearsal.
  private func perform(_ step: ScenarioStep) {
    if let problem = failure(of: step) { problems.append(problem) }
  }

  private func failure(of step: ScenarioStep) -> String? {
    var met: String?
    var reason = ""
    do throws(Errno) {
      try attempt(step.action)
    } catch {
      met = error.symbol
      let said = machine.value(".tdxfs/last_error")
      reason = said.hasPrefix("E") || said.isEmpty ? "" : ": \(said)"
    }
    guard met != step.fails else { return nil }
    let place = step.line == 0 ? "" : "line \(step.line): "
    guard let met else { return "\(place)\(step.words): it succeeded, and should have met \(step.fails ?? "")" }
    return "\(place)\(step.words): \(met)\(step.fails.map { ", not \($0)" } ?? reason)"
  }

  private func attempt(_ action: ScenarioStep.Action) throws(Errno) {
    let control = machine.root.appending(".tdxfs")
    switch action {
    case .control(let file, let text):
      // A fault plan is a new file.
      try RehearsalMachine.write(
        Array((text + "\n").utf8), to: control.appending(file), create: file.hasPrefix("fault/"))
    case .makeDirectory(let name): try SmallFile.makeDirectory(control.appending(name))
    case .removeDirectory(let name):
      guard rmdir(control.appending(name).string) == 0 else { throw Errno(rawValue: errno) }
    case .loading(let text): try RehearsalMachine.write(Array(text.utf8), to: machine.upload.appending("loading"))
    case .stage(let image, let bytes): try stage(image, bytes: bytes)
    case .cancel: try RehearsalMachine.write([UInt8(ascii: "1")], to: machine.upload.appending("cancel"))
    case .upload(let image):
      try RehearsalMachine.write([UInt8(ascii: "1")], to: machine.upload.appending("loading"))
      try stage(image, bytes: nil)
      try RehearsalMachine.write([UInt8(ascii: "0")], to: machine.upload.appending("loading"))
    case .update(let image):
      try attempt(.upload(image: image))
      waitForIdle()
      guard machine.values(in: "why")["result"] == "success" else { throw .ioError }
    case .killClient(let signal): client?.kill(signal)
    case .killDaemon:
      lastOperations = operations
      machine.kill()
    case .shell(let script):
      guard CapturedCommand.run(["sh", "-c", script]).status == 0 else { throw .ioError }
    }
  }

  private func stage(_ image: String, bytes: Int?) throws(Errno) {
    let all = files.images[image] ?? []
    try RehearsalMachine.write(Array(all.prefix(bytes ?? all.count)), to: machine.upload.appending("data"))
  }

  // MARK: What was found

  private func observe(into report: inout RehearsalReport, since start: Start) {
    let operations = operations
    report.conversation = Conversation(operations, besides: getpid()).phrases
    report.observations = observations(since: start)
    report.why = why
    if let client {
      report.clientStatus = client.status
      report.clientSays = client.lastLine
      report.hasClientTimedOut = client.hasTimedOut
    }
    report.versionBefore = start.version
    report.wanted = files.shownVersion.description
    report.judgeAgreement()
    let run = ClientRun(
      operations: operations.filter { $0.pid != getpid() }, status: report.clientStatus,
      wasStopped: client?.wasStopped ?? true, wanted: report.wanted,
      installed: report.observations.values["module"] ?? "-",
      loadingAfter: RehearsalMachine.read(machine.upload.appending("loading")) == .success("1\n"),
      isOffline: start.offline, hasNoUpdates: start.remaining == "0", lost: report.observations.values["lost"] ?? "-",
      hasVanished: ["gone", "cut", "hidden"].contains(report.outcome))
    report.findings = HabitJudge.judge(run)
  }

  private var why: String {
    guard case .success(let text) = machine.read(".tdxfs/why") else { return "-" }
    return text.split(separator: "\n").first.map(String.init) ?? "-"
  }

  private func observations(since start: Start) -> Observations {
    var seen = Observations()
    seen.values = machine.values(in: "status")
    let why = machine.values(in: "why")
    for key in ["stage", "lp", "leaf", "rdx", "lost"] { seen.values[key] = why[key] ?? "-" }
    seen.values["status"] = why["status"]?.split(separator: " ").first.map(String.init) ?? "-"
    let error = machine.value("class/firmware/\(machine.profile.uploadName)/error")
    seen.values["error"] = error.isEmpty ? "-" : error
    let operations = operations
    seen.values["uploads"] = "\(uploadResults.count)"
    seen.values["result"] = outcome(operations).rawValue
    if let client { seen.values["client"] = "\(client.status)" }
    seen.log = logLines.dropFirst(start.logLines).joined(separator: "\n")
    for line in traceLines.dropFirst(start.traceLines) {
      guard let leaf = line.member("leaf") else { continue }
      seen.calls[leaf, default: 0] += 1
    }
    // What asks the firmware comes after the count of calls.
    seen.values["version"] = machine.version
    seen.values["remaining"] = machine.remaining
    for name in ((try? SmallFile.list(machine.root.appending(".tdxfs/td"))) ?? [:]).keys {
      seen.alive[name] = machine.value(".tdxfs/td/\(name)/alive")
      let status = machine.values(in: "td/\(name)/last_exit")["status"] ?? "-"
      seen.exits[name] = status.split(separator: " ").first.map(String.init) ?? "-"
    }
    return seen
  }

  private func outcome(_ operations: [WatchedOperation]) -> Outcome {
    if case .failure(let error) = machine.read(".tdxfs/status") {
      return error == .socketNotConnected ? .gone : .hidden
    }
    var outcome = Outcome.nothing
    for operation in operations {
      switch operation.event {
      case .upload: outcome = .cut
      case .uploadEnded(let result, let lost):
        switch (result, lost) {
        case ("success", "none"): outcome = .ok
        case (_, "module"), (_, "tds"): outcome = .lost
        case (let result, _) where result.hasSuffix(":device-busy"): outcome = .busy
        case (let result, _) where result.hasSuffix(":user-abort"): outcome = .aborted
        default: outcome = .refused
        }
      case .open, .read, .write, .close, .nothingStaged, .power, .other: break
      }
    }
    let hasDevice = (try? SmallFile.kind(of: machine.upload)) ?? nil
    return outcome == .nothing && hasDevice == nil ? .hidden : outcome
  }
}

extension Scenario {
  /// The options of the machine. Everything random is the same in each run.
  var options: [String] {
    let words = machine.flatMap { $0.split(separator: ",").map(String.init) }
    return words.contains { $0.hasPrefix("seed=") } ? words : words + ["seed=1"]
  }

  /// The client as a shell script.
  var script: String { client.isEmpty ? ShellFlow.script : client.joined(separator: "\n") }
}

extension ScenarioEvent {
  /// As the file has it.
  var text: String {
    switch point {
    case .stage(let stage): "stage=\(stage) \(step.words)"
    case .ended(let count): "ended=\(count) \(step.words)"
    case .busy(let count): "busy=\(count) \(step.words)"
    }
  }
}

extension Substring {
  /// The string member `name` of a flat JSON object without escapes in it.
  fileprivate func member(_ name: String) -> String? {
    let key = "\"\(name)\":\""
    var rest = self
    while !rest.isEmpty {
      if rest.hasPrefix(key) { return String(rest.dropFirst(key.count).prefix { $0 != "\"" }) }
      rest = rest.dropFirst()
    }
    return nil
  }
}
