import Basics
import SEAM

/// Why a line is no plan; its description is one line for people.
public struct FaultPlanError: Error, Equatable, CustomStringConvertible, Sendable {
  /// What is wrong and what to do.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

extension FaultPlan {
  /// The keys of a line.
  public static let keys = [
    "stage", "leaf", "lp", "nth", "after", "status", "rdx", "executed", "delay", "vmfailinvalid", "no-entropy", "skip",
    "busy", "drop-lp", "corrupt-handoff", "bad-page", "enomem", "power-loss", "once", "count", "always", "p", "seed",
  ]
  /// Keys that are a word of their own.
  private static let flags: Set<String> = [
    "executed", "vmfailinvalid", "drop-lp", "bad-page", "enomem", "power-loss", "once", "always",
  ]
  /// Keys that are a word of their own or have a value.
  private static let optional: Set<String> = ["busy", "corrupt-handoff", "no-entropy"]

  /// The plan that `line` describes, on a machine of `lps` logical processors.
  public init(line: String, lps: Int) throws(FaultPlanError) {
    let words = try FaultWords(line)
    self.init(effect: try words.effect(), line: words.line)
    stage = try words.stage()
    leaf = try words.leaf()
    lp = try words.number("lp", in: 0...UInt64(max(0, lps - 1))).map { Int(clamping: $0) }
    nth = try words.number("nth", in: 1...UInt64(Int32.max)).map { Int(clamping: $0) } ?? 1
    after = try words.after()
    (limit, chance, seed) = try words.frequency(of: effect)
    try checkPlace()
  }

  private init(effect: Effect, line: String) {
    self.effect = effect
    self.line = line
  }

  /// Refuses places at which the effect can never act.
  private func checkPlace() throws(FaultPlanError) {
    if let stage, let leaf, !stage.leaves.contains(leaf) {
      let known = stage.leaves.map(\.name)
      throw FaultPlanError(
        known.isEmpty
          ? "stage=\(stage.rawValue) makes no SEAMCALL, so leaf= means nothing there"
          : "stage=\(stage.rawValue) never calls \(leaf.name); it calls \(known.joined(separator: ", "))")
    }
    switch effect {
    case .answer, .vmFailInvalid, .noEntropy: try needCall()
    case .busy:
      try needCall()
      if let leaf, leaf.contention == nil { throw FaultPlanError("\(leaf.name) takes no lock, so it is never busy") }
    case .corruptHandoff:
      try needCall()
      if stage == .shutdown {
        throw FaultPlanError("corrupt-handoff in stage=shutdown means nothing: the handoff data are not written yet")
      }
    case .badPage:
      try needCall()
      guard stage ?? .install == .install, leaf ?? .loader(.install) == .loader(.install) else {
        throw FaultPlanError("bad-page acts before SEAMLDR.INSTALL, so in no other stage and with no other leaf")
      }
    case .delay, .powerLoss:
      let word = effect == .powerLoss ? "power-loss" : "delay="
      if stage == .receive { throw FaultPlanError("\(word) acts in what the upload worker does: not in stage=receive") }
      if let leaf, !Stage.allCases.contains(where: { $0.leaves.contains(leaf) }), leaf != .loader(.info) {
        throw FaultPlanError("\(word) acts in uploads, and an upload never calls \(leaf.name)")
      }
      if stage == nil, leaf == nil, lp == nil, after == nil, nth == 1 {
        throw FaultPlanError("\(word) needs a place: stage=, leaf=, lp=, nth= or after=")
      }
      if let stage, stage.leaves.isEmpty, lp != nil {
        throw FaultPlanError("stage=\(stage.rawValue) makes no SEAMCALL, so lp= means nothing there")
      }
    case .dropLP:
      guard let stage, stage != .receive, leaf == nil else {
        throw FaultPlanError("drop-lp acts when a stage begins: give stage=, any but receive, and no leaf=")
      }
      guard let lp else { throw FaultPlanError("drop-lp needs lp=, the LP that goes offline") }
      guard lp != 0 else { throw FaultPlanError("drop-lp lp=0: CPU 0 is always online") }
    case .noMemory:
      guard let stage, stage.leaves.isEmpty, leaf == nil, lp == nil else {
        throw FaultPlanError(
          "enomem acts where the kernel takes pages: stage=receive, prepare or transfer, without leaf= and lp=")
      }
    }
  }

  /// Effects at the door need a SEAMCALL.
  private func needCall() throws(FaultPlanError) {
    guard let stage, stage.leaves.isEmpty else { return }
    throw FaultPlanError(
      "stage=\(stage.rawValue) makes no SEAMCALL; what can go wrong there is delay=, drop-lp, enomem or power-loss")
  }
}

/// The words of a line, each key once.
private struct FaultWords {
  let line: String
  private let values: [String: String?]

  init(_ line: String) throws(FaultPlanError) {
    let words = line.split { $0 == " " || $0 == "\t" || $0 == "\n" }.map(String.init)
    guard !words.isEmpty else { throw FaultPlanError("the plan is empty: it says neither where nor what") }
    var values: [String: String?] = [:]
    for word in words {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let key = parts[0].lowercased()
      let value = parts.count > 1 ? parts[1] : nil
      guard FaultPlan.keys.contains(key) else {
        throw FaultPlanError("'\(Self.printable(key))': \(Spelling.hint(for: key, among: FaultPlan.keys))")
      }
      guard values[key] == nil else { throw FaultPlanError("\(key) is there twice") }
      if FaultPlan.isFlag(key) {
        guard value == nil else { throw FaultPlanError("\(key) takes no value") }
      } else if value?.isEmpty ?? !FaultPlan.mayBeFlag(key) {
        throw FaultPlanError("\(key) needs a value: \(key)=…")
      }
      values[key] = .some(value)
    }
    self.values = values
    self.line = words.joined(separator: " ")
  }

  private func has(_ key: String) -> Bool { values[key] != nil }

  private func value(_ key: String) -> String? { values[key].flatMap { $0 } }

  private static func printable(_ word: String) -> String { Spelling.shown(word, atMost: 32) }

  func number(_ key: String, in range: ClosedRange<UInt64>) throws(FaultPlanError) -> UInt64? {
    guard let text = value(key) else { return nil }
    guard let number = UInt64(numeral: text), range.contains(number) else {
      throw FaultPlanError(
        "\(key)=\(Self.printable(text)): a number from \(range.lowerBound) to \(range.upperBound) is needed")
    }
    return number
  }

  // MARK: Where

  func stage() throws(FaultPlanError) -> FaultPlan.Stage? {
    try value("stage").map { text throws(FaultPlanError) in
      guard let stage = FaultPlan.Stage(rawValue: text) else {
        throw FaultPlanError(
          "stage=\(Self.printable(text)): "
            + Spelling.hint(for: text, among: FaultPlan.Stage.allCases.map(\.rawValue)))
      }
      return stage
    }
  }

  func leaf() throws(FaultPlanError) -> Leaf? {
    try value("leaf").map { text throws(FaultPlanError) in try Self.leaf(text, key: "leaf") }
  }

  private static func leaf(_ text: String, key: String) throws(FaultPlanError) -> Leaf {
    if let leaf = Leaf(text: text) { return leaf }
    let nearest = Spelling.nearest(to: text.uppercased(), among: Leaf.all.map(\.name)).map { ": did you mean \($0)?" }
    throw FaultPlanError("\(key)=\(printable(text)): there is no such leaf\(nearest ?? "")")
  }

  func after() throws(FaultPlanError) -> FaultPlan.After? {
    guard let text = value("after") else { return nil }
    if let calls = UInt64(numeral: text) {
      guard (1...UInt64(Int32.max)).contains(calls) else {
        throw FaultPlanError("after=\(Self.printable(text)): a number from 1 to \(Int32.max) is needed")
      }
      return .calls(Int(clamping: calls))
    }
    if let stage = FaultPlan.Stage(rawValue: text) { return .stage(stage) }
    return .leaf(try Self.leaf(text, key: "after"))
  }

  // MARK: What

  func effect() throws(FaultPlanError) -> FaultPlan.Effect {
    let names = [
      "status", "vmfailinvalid", "busy", "no-entropy", "corrupt-handoff", "bad-page", "delay", "drop-lp", "enomem",
      "power-loss",
    ]
    let given = names.filter(has)
    guard given.count <= 1 else {
      throw FaultPlanError("\(given.joined(separator: " and ")) contradict each other: one plan does one thing")
    }
    let what = given.first ?? (has("rdx") ? "rdx" : "")
    guard !what.isEmpty else {
      throw FaultPlanError("the plan does not say what goes wrong: \(names.joined(separator: ", ")) or rdx")
    }
    for (key, owners) in [("rdx", ["status", "rdx"]), ("executed", ["status", "rdx"]), ("skip", ["no-entropy"])]
    where has(key) && !owners.contains(what) {
      throw FaultPlanError("\(key) belongs to \(owners[0])=, it means nothing with \(what)")
    }
    switch what {
    case "status", "rdx":
      return .answer(
        status: try status(), rdx: try number("rdx", in: 0...UInt64.max),
        isExecuted: has("executed") || what == "rdx")
    case "vmfailinvalid": return .vmFailInvalid
    case "busy": return .busy
    case "no-entropy":
      let skipped = try number("skip", in: 0...1_000_000) ?? 0
      guard value("no-entropy") != "always" else { return .noEntropy(draws: .max, skipping: Int(clamping: skipped)) }
      let draws = try number("no-entropy", in: 1...1_000_000) ?? 1
      return .noEntropy(draws: Int(clamping: draws), skipping: Int(clamping: skipped))
    case "corrupt-handoff": return .corruptHandoff(try damage())
    case "bad-page": return .badPage
    case "delay": return .delay(try duration())
    case "drop-lp": return .dropLP
    case "enomem": return .noMemory
    default: return .powerLoss
    }
  }

  private func status() throws(FaultPlanError) -> CompletionStatus? {
    guard let text = value("status") else { return nil }
    if let number = UInt64(numeral: text) { return CompletionStatus(rawValue: number) }
    if text.uppercased() == "SUCCESS" { return .success }
    if let status = CompletionStatus(name: text) { return status }
    let name = String(text.uppercased().prefix { $0 != "(" })
    let nearest = Spelling.nearest(
      to: name, among: CompletionStatus.knownNames + CompletionStatus.knownNames.map { $0.withoutTDXPrefix })
    throw FaultPlanError(
      "status=\(Self.printable(text)): no completion status has this name"
        + (nearest.map { $0 == name ? ", with this operand" : ": did you mean \($0)?" } ?? ""))
  }

  private func damage() throws(FaultPlanError) -> FaultPlan.HandoffDamage {
    guard let text = value("corrupt-handoff") else { return .header }
    guard let damage = FaultPlan.HandoffDamage(rawValue: text) else {
      throw FaultPlanError(
        "corrupt-handoff=\(Self.printable(text)): "
          + Spelling.hint(for: text, among: FaultPlan.HandoffDamage.allCases.map(\.rawValue)))
    }
    return damage
  }

  /// Microseconds, up to a day.
  private func duration() throws(FaultPlanError) -> UInt64 {
    let text = value("delay") ?? ""
    let units: [(suffix: String, microseconds: UInt64)] = [("us", 1), ("ms", 1000), ("s", 1_000_000)]
    let longest: UInt64 = 86_400 * 1_000_000
    for unit in units where text.hasSuffix(unit.suffix) {
      guard let count = UInt64(numeral: text.dropLast(unit.suffix.count)) else { break }
      let (microseconds, overflow) = count.multipliedReportingOverflow(by: unit.microseconds)
      guard !overflow, microseconds > 0, microseconds <= longest else { break }
      return microseconds
    }
    throw FaultPlanError("delay=\(Self.printable(text)): a time like 250ms is needed, in us, ms or s, at most a day")
  }

  // MARK: How often

  func frequency(
    of effect: FaultPlan.Effect
  ) throws(FaultPlanError) -> (limit: Int?, chance: Double, seed: UInt64) {
    let limits = ["once", "count", "always"].filter(has) + (value("busy") == nil ? [] : ["busy=N"])
    guard limits.count <= 1 else {
      throw FaultPlanError("\(limits.joined(separator: " and ")) contradict each other: both say how often")
    }
    guard has("p") || !has("seed") else { throw FaultPlanError("seed belongs to p=, without which nothing is random") }
    var limit: Int? = has("p") ? nil : 1
    switch limits.first {
    case "once"?: limit = 1
    case "count"?: limit = try number("count", in: 1...UInt64(Int32.max)).map { Int(clamping: $0) }
    case "always"?: limit = nil
    case "busy=N"?:
      limit = value("busy") == "always" ? nil : try number("busy", in: 1...UInt64(Int32.max)).map { Int(clamping: $0) }
    case _?, nil: break
    }
    return (limit, try chance(), try number("seed", in: 0...UInt64.max) ?? 0)
  }

  private func chance() throws(FaultPlanError) -> Double {
    guard let text = value("p") else { return 1 }
    guard let chance = Double(text), chance > 0, chance <= 1 else {
      throw FaultPlanError("p=\(Self.printable(text)): a probability above 0 and up to 1 is needed, like 0.25")
    }
    return chance
  }
}

extension FaultPlan {
  fileprivate static func isFlag(_ key: String) -> Bool { flags.contains(key) }

  fileprivate static func mayBeFlag(_ key: String) -> Bool { optional.contains(key) }
}

extension String {
  /// `TDX_` left out.
  fileprivate var withoutTDXPrefix: String { hasPrefix("TDX_") ? String(dropFirst(4)) : self }
}

extension FaultPlan: Codable {
  /// Its line, from which all of it follows.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(line)
  }

  /// Reads what ``encode(to:)`` wrote, on the largest machine there is.
  public init(from decoder: any Decoder) throws {
    try self.init(line: try decoder.singleValueContainer().decode(String.self), lps: 1024)
  }
}

extension FaultTable {
  /// Whether a machine of `lps` LPs can have these plans: what came out of an archive may be anything.
  func check(lps: Int) throws(ArchiveError) {
    var names: Set<String> = []
    for entry in entries {
      try ArchiveCheck.require(
        entry.name.utf8.count <= 64 && !entry.name.isEmpty && entry.name != "." && entry.name != ".."
          && entry.name.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && $0 != "/" }
          && names.insert(entry.name).inserted, "the name of a fault plan")
      if let lp = entry.plan?.lp { try ArchiveCheck.range(lp, 0...max(0, lps - 1), "the LP of a fault plan") }
      try ArchiveCheck.range(entry.acted, 0...Int.max, "how often a fault plan has acted")
    }
  }
}
