import Basics
import Platform

#if canImport(Glibc)
  import Glibc
#endif

extension ScenarioStep {
  /// The verbs of a step, and what follows them.
  static let verbs = [
    "control", "mkdir", "rmdir", "td", "td-open", "td-run", "td-drop", "offline", "online", "reboot", "kexec", "fault",
    "clear-fault", "loading", "stage", "cancel", "upload", "update", "kill-client", "kill-daemon", "shell", "fails",
  ]

  /// The image that it is about.
  var image: String? {
    switch action {
    case .stage(let image, _), .upload(let image), .update(let image): image
    case .control, .makeDirectory, .removeDirectory, .loading, .cancel, .killClient, .killDaemon, .shell: nil
    }
  }

  /// The step that `text` tells.
  init(_ text: String, line: Int) throws(ScenarioProblem) {
    self.words = text
    self.line = line
    var rest = text[...]
    func next() -> String {
      let word = rest.prefix { $0 != " " && $0 != "\t" }
      rest = Substring(rest.dropFirst(word.count).trimmed)
      return String(word)
    }
    var verb = next()
    if verb == "fails" {
      let error = next()
      verb = next()
      guard error.hasPrefix("E"), !verb.isEmpty else {
        throw ScenarioProblem("fails needs the name of an error and a step: fails EBUSY offline 0")
      }
      fails = error
    }
    // What the shell gets is its own affair, quotation marks too.
    guard verb != "shell" else {
      guard !rest.isEmpty else { throw ScenarioProblem("shell needs a command") }
      action = .shell(String(rest))
      return
    }
    var words = try ScenarioWords(String(rest))
    action = try Self.action(verb, &words)
    guard let extra = words.next() else { return }
    throw ScenarioProblem("'\(extra)' is one word too many after \(verb)")
  }

  private static func action(
    _ verb: String, _ words: inout ScenarioWords
  ) throws(ScenarioProblem) -> Action {
    func word(_ what: String) throws(ScenarioProblem) -> String {
      guard let word = words.next() else { throw ScenarioProblem("\(verb) needs \(what)") }
      return word
    }
    func sentence(_ what: String) throws(ScenarioProblem) -> String {
      let first = try word(what)
      var all = [first]
      while let next = words.next() { all.append(next) }
      return all.joined(separator: " ")
    }
    func cpu() throws(ScenarioProblem) -> String {
      let text = try word("the number of a CPU")
      guard let number = Int(text), (0..<1024).contains(number) else {
        throw ScenarioProblem("\(verb) \(text): the number of a CPU is needed")
      }
      return "cpu/\(number)/online"
    }
    switch verb {
    case "control":
      return .control(file: try path(word("a file of the control directory")), text: try sentence("a text"))
    case "mkdir": return .makeDirectory(try path(word("a directory")))
    case "rmdir": return .removeDirectory(try path(word("a directory")))
    case "td":
      let name = try path(word("the name of a TD"))
      return .control(file: "td/\(name)/step", text: try sentence("a step"))
    case "td-open": return .makeDirectory("td/" + (try path(word("the name of a TD"))))
    case "td-drop": return .removeDirectory("td/" + (try path(word("the name of a TD"))))
    case "td-run": return .shell(runningTD(try path(word("the name of a TD"))))
    case "offline": return .control(file: try cpu(), text: "0")
    case "online": return .control(file: try cpu(), text: "1")
    case "reboot", "kexec": return .control(file: "power", text: verb)
    case "fault":
      let name = try path(word("a name"))
      return .control(file: "fault/\(name)", text: try sentence("a plan"))
    case "clear-fault": return .shell("rm \"$TDXFS_CONTROL/fault/\(try path(word("a name")))\"")
    case "loading": return .loading(try word("a number"))
    case "stage": return .stage(image: try word("an image"), bytes: try bytes(words.next()))
    case "cancel": return .cancel
    case "upload": return .upload(image: try word("an image"))
    case "update": return .update(image: try word("an image"))
    case "kill-client": return .killClient(try signal(words.next()))
    case "kill-daemon": return .killDaemon
    default:
      throw ScenarioProblem("there is no step '\(verb)': \(Spelling.hint(for: verb, among: Self.verbs))")
    }
  }

  /// What makes a TD that runs: built, measured, finalised and entered once.
  private static func runningTD(_ name: String) -> String {
    "cd \"$TDXFS_CONTROL/td\" && mkdir \(name) && "
      + "for step in vcpu add-page finalize enter; do echo $step > \(name)/step || exit 1; done"
  }

  /// `path`, which must stay below the control directory, and is put into shell commands.
  private static func path(_ path: String) throws(ScenarioProblem) -> String {
    let allowed = path.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
        UInt8(ascii: "/"):
        true
      default: false
      }
    }
    guard allowed, !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
      throw ScenarioProblem("'\(path)' is no name below the control directory")
    }
    return path
  }

  private static func bytes(_ word: String?) throws(ScenarioProblem) -> Int? {
    guard let word else { return nil }
    guard word.hasPrefix("bytes="), let count = Int(word.dropFirst(6)), count >= 0 else {
      throw ScenarioProblem("stage: '\(word)': bytes=N is what may follow")
    }
    return count
  }

  private static func signal(_ word: String?) throws(ScenarioProblem) -> Int32 {
    switch word {
    case nil, "KILL": return SIGKILL
    case "TERM": return SIGTERM
    case "INT": return SIGINT
    case let word?: throw ScenarioProblem("kill-client: '\(word)': the signals are KILL, TERM and INT")
    }
  }
}

extension ScenarioEvent {
  /// The stages of an update that can be waited for.
  static let stages = FaultPlan.Stage.allCases.filter { $0 != .receive }.map(\.rawValue)
  private static let points = ["stage=NAME", "ended", "ended=N", "busy", "busy=N"]

  /// The event that `text` tells: a point, then a step.
  init(_ text: String, line: Int) throws(ScenarioProblem) {
    let point = text.prefix { $0 != " " && $0 != "\t" }
    self.point = try Self.point(String(point))
    let step = text.dropFirst(point.count).trimmed
    guard !step.isEmpty else { throw ScenarioProblem("at: \(point) needs a step: at: \(point) reboot") }
    self.step = try ScenarioStep(step, line: line)
  }

  private static func point(_ text: String) throws(ScenarioProblem) -> Point {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    let value = parts.count > 1 ? parts[1] : nil
    func count() throws(ScenarioProblem) -> Int {
      guard let value else { return 1 }
      guard let count = Int(value), count > 0 else { throw ScenarioProblem("at: \(text): a number is needed") }
      return count
    }
    switch parts.first {
    case "ended": return .ended(try count())
    case "busy": return .busy(try count())
    case "stage":
      guard let value, stages.contains(value) else {
        throw ScenarioProblem("at: \(text): \(Spelling.hint(for: value ?? "", among: stages))")
      }
      return .stage(value)
    default: throw ScenarioProblem("at: '\(text)': the points are \(points.joined(separator: ", "))")
    }
  }
}
