import Basics

/// What is wrong with a scenario file, and where.
struct ScenarioError: Error, Equatable, CustomStringConvertible {
  /// The file.
  var file: String
  /// Its line; 0 when it is about the whole file.
  var line: Int
  /// What is wrong and what to do.
  var reason: String

  var description: String { line == 0 ? "\(file): \(reason)" : "\(file):\(line): \(reason)" }
}

/// Reads scenario files: lines `key: value` or `key=value`, `#` begins a comment, a line that begins with white space goes
/// on with the value of the line before.
struct ScenarioParser {
  /// The keys of a file.
  static let keys = [
    "title", "about", "machine", "image", "before", "at", "client", "without", "user", "limit", "patience", "careful",
    "expect", "after", "finally",
  ]

  private let file: String
  private var scenario: Scenario
  private var seen: Set<String> = []

  /// The scenario `name` whose text `file` holds.
  static func parse(_ text: String, name: String, file: String) throws(ScenarioError) -> Scenario {
    var parser = ScenarioParser(file: file, scenario: Scenario(name: name))
    for (number, line) in lines(of: text) { try parser.take(line, number) }
    try parser.check()
    return parser.scenario
  }

  private init(file: String, scenario: Scenario) {
    self.file = file
    self.scenario = scenario
  }

  /// The lines that say something, with those that continue one joined to it.
  private static func lines(of text: String) -> [(number: Int, line: String)] {
    var lines: [(number: Int, line: String)] = []
    for (index, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      let line = Substring(line)
      let content = line.trimmed
      guard !content.isEmpty, !content.hasPrefix("#") else { continue }
      if line.first == " " || line.first == "\t", let last = lines.indices.last {
        lines[last].line += "\n" + content
      } else {
        lines.append((index + 1, content))
      }
    }
    return lines
  }

  private func error(_ line: Int, _ reason: String) -> ScenarioError {
    ScenarioError(file: file, line: line, reason: reason)
  }

  private mutating func take(_ line: String, _ number: Int) throws(ScenarioError) {
    guard let separator = line.firstIndex(where: { $0 == ":" || $0 == "=" }) else {
      throw error(number, "'\(line)' is neither key: value nor a comment")
    }
    let key = String(line[..<separator].trimmed)
    guard Self.keys.contains(key) else {
      throw error(number, "there is no key '\(key)': \(Spelling.hint(for: key, among: Self.keys))")
    }
    let parts = line[line.index(after: separator)...].split(separator: "\n").map(\.trimmed)
    let value = parts.joined(separator: " ").trimmed
    guard !value.isEmpty else { throw error(number, "\(key) needs a value") }
    seen.insert(key)
    do throws(ScenarioProblem) {
      switch key {
      case "title":
        guard scenario.title.isEmpty else { throw ScenarioProblem("title is there twice") }
        scenario.title = value
      case "about": scenario.about.append(value)
      case "machine": scenario.machine.append(try Self.machine(value))
      case "image": try add(ScenarioImage(words: ScenarioWords(value)))
      case "before": scenario.before.append(try ScenarioStep(value, line: number))
      case "at": scenario.events.append(try ScenarioEvent(value, line: number))
      case "client": scenario.client += parts.filter { !$0.isEmpty }
      case "without":
        guard value == "CAP_SYS_RAWIO" else {
          throw ScenarioProblem("without: '\(value)': the one capability that matters is CAP_SYS_RAWIO")
        }
        scenario.withoutRawIO = true
      case "user":
        guard value == "nobody" else { throw ScenarioProblem("user: '\(value)': a client is root or nobody") }
        scenario.asNobody = true
      case "limit": scenario.limit = try Self.number(value, in: 1...600, "limit", "seconds")
      case "patience": scenario.patience = try Self.number(value, in: 1...600_000, "patience", "milliseconds")
      case "careful":
        guard value == "nothing" else {
          throw ScenarioProblem("careful: '\(value)': a careful client uploads 'nothing', or the key is left out")
        }
        scenario.mayDecline = true
      case "expect": scenario.expected += try ScenarioExpectation.list(value, line: number)
      case "after": scenario.after.append(try ScenarioStep(value, line: number))
      case "finally": scenario.finally += try ScenarioExpectation.list(value, line: number)
      default: throw ScenarioProblem("there is no key '\(key)'")
      }
    } catch {
      throw self.error(number, error.reason)
    }
  }

  private mutating func add(_ image: ScenarioImage) throws(ScenarioProblem) {
    guard !scenario.images.contains(where: { $0.name == image.name }) else {
      throw ScenarioProblem("there are two images '\(image.name)'; give one of them another name=")
    }
    scenario.images.append(image)
  }

  /// What no single line can tell.
  private func check() throws(ScenarioError) {
    for key in ["title", "image", "expect"] where !seen.contains(key) {
      throw error(0, "there is no \(key): line; a scenario needs one")
    }
    guard scenario.expected.contains(where: { $0.key == "result" }) else {
      throw error(0, "no expect: line has result=, which says how the rehearsal ends")
    }
    let known = scenario.images.map(\.name)
    for step in scenario.before + scenario.events.map(\.step) + scenario.after {
      guard let image = step.image, !known.contains(image) else { continue }
      throw error(step.line, "there is no image '\(image)': \(Spelling.hint(for: image, among: known))")
    }
  }

  private static func machine(_ value: String) throws(ScenarioProblem) -> String {
    let words = value.split { $0 == " " || $0 == "," }.joined(separator: ",")
    do {
      let options = try MountOptions(arguments: [words])
      guard options.machine.control else {
        throw OptionErrorText("control=off: a rehearsal needs the control directory")
      }
    } catch {
      throw ScenarioProblem("machine: \(error)")
    }
    return words
  }

  private struct OptionErrorText: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  private static func number(
    _ text: String, in range: ClosedRange<Int>, _ key: String, _ unit: String
  ) throws(ScenarioProblem) -> Int {
    guard let number = Int(text), range.contains(number) else {
      throw ScenarioProblem(
        "\(key): '\(text)': a number of \(unit) from \(range.lowerBound) to \(range.upperBound) is needed")
    }
    return number
  }
}

/// What is wrong with the value of a line.
struct ScenarioProblem: Error, Equatable {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

/// A line cut into words; quotes hold words with white space together.
struct ScenarioWords {
  private(set) var rest: [String]

  init(_ text: String) throws(ScenarioProblem) {
    var words: [String] = []
    var word = ""
    var isQuoted = false
    var isWord = false
    for character in text {
      switch character {
      case "\"":
        isQuoted.toggle()
        isWord = true
      case " ", "\t", "\n":
        if isQuoted {
          word.append(character)
        } else if isWord {
          words.append(word)
          (word, isWord) = ("", false)
        }
      default:
        word.append(character)
        isWord = true
      }
    }
    guard !isQuoted else { throw ScenarioProblem("a quotation mark is not closed") }
    if isWord { words.append(word) }
    rest = words
  }

  /// The next word.
  mutating func next() -> String? { rest.isEmpty ? nil : rest.removeFirst() }
}

extension StringProtocol {
  /// Without white space around it.
  var trimmed: String {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
    let content = Array(utf8)[...].drop(while: isSpace)
    guard let last = content.lastIndex(where: { !isSpace($0) }) else { return "" }
    return String(decoding: content[content.startIndex...last], as: UTF8.self)
  }
}
