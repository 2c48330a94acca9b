import Basics
import SEAM
import TDXHost

/// All fault plans of a machine with what has become of them. A value: a copy is a snapshot, and all that happens follows
/// from the calls that it is told of.
public struct FaultTable: Equatable, Sendable, Codable {
  /// A plan under its name.
  public struct Entry: Equatable, Sendable, Codable {
    /// The name of its file.
    public let name: String
    /// Tells a plan from an earlier one of the same name.
    public let identity: UInt64
    /// The plan; nil for a file that was created and not written yet.
    public var plan: FaultPlan?
    /// How often it has acted.
    public internal(set) var acted = 0
    /// How many moments have matched.
    var matched = 0
    var generator = SeededGenerator(seed: 0)
    /// SEAMCALLs seen, for `after=N`.
    var calls = 0
    /// What `after=` waits for has happened.
    var isArmed = true

    /// What the file shows: its words and how often it has acted.
    public var text: String { plan.map { "\($0.line) acted=\(acted)\n" } ?? "" }

    fileprivate mutating func arm() {
      calls = 0
      isArmed = plan?.after == nil
    }
  }

  /// What a plan does at a moment.
  struct Action: Equatable, Sendable {
    var plan: String
    var effect: FaultPlan.Effect
  }

  /// The plans, in the order in which they were made.
  public private(set) var entries: [Entry] = []
  /// Names of the plans that have acted since the last upload began, each once.
  public private(set) var actedInUpload: [String] = []
  private var lastIdentity: UInt64 = 0

  /// No plans.
  public init() {}

  /// The plan `name`.
  public subscript(name: String) -> Entry? { entries.first { $0.name == name } }

  // MARK: Plans come and go

  /// Makes the file `name` without a plan; false when it is there already.
  @discardableResult
  public mutating func create(_ name: String) -> Bool {
    guard self[name] == nil else { return false }
    lastIdentity &+= 1
    entries.append(Entry(name: name, identity: lastIdentity))
    return true
  }

  /// Makes `plan` the plan `name`, in the place of an older one. It counts from 0.
  public mutating func set(_ plan: FaultPlan, for name: String) {
    create(name)
    guard let index = entries.firstIndex(where: { $0.name == name }) else { return }
    var entry = Entry(name: name, identity: entries[index].identity, plan: plan)
    entry.generator = SeededGenerator(seed: plan.seed)
    entry.arm()
    entries[index] = entry
  }

  /// Takes the plan `name` away; false when there is none.
  @discardableResult
  public mutating func remove(_ name: String) -> Bool {
    guard let index = entries.firstIndex(where: { $0.name == name }) else { return false }
    entries.remove(at: index)
    return true
  }

  // MARK: What happens

  /// An upload begins (`loading=1`): what `after=` waits for has to happen anew.
  public mutating func beginUpload() {
    actedInUpload = []
    for index in entries.indices { entries[index].arm() }
  }

  /// Which plans act at `moment`, in their order; the first that answers a call in its place is the last.
  mutating func actions(at moment: FaultMoment) -> [Action] {
    guard !entries.isEmpty else { return [] }
    var actions: [Action] = []
    for index in entries.indices {
      guard let plan = entries[index].plan, entries[index].isArmed, plan.matches(moment) else { continue }
      entries[index].matched &+= 1
      guard entries[index].matched >= plan.nth, entries[index].acted < plan.limit ?? .max else { continue }
      if plan.chance < 1, Double.random(in: 0..<1, using: &entries[index].generator) >= plan.chance { continue }
      entries[index].acted &+= 1
      let name = entries[index].name
      if !actedInUpload.contains(name) { actedInUpload.append(name) }
      actions.append(Action(plan: name, effect: plan.effect))
      if plan.replacesCall { break }
    }
    return actions
  }

  /// A SEAMCALL of `leaf` has been answered.
  mutating func ended(_ leaf: Leaf, isSuccess: Bool) {
    for index in entries.indices where !entries[index].isArmed {
      switch entries[index].plan?.after {
      case .leaf(leaf)?: entries[index].isArmed = isSuccess
      case .calls(let calls)?:
        entries[index].calls &+= 1
        entries[index].isArmed = entries[index].calls >= calls
      case .leaf?, .stage?, nil: break
      }
    }
  }

  /// The upload has left `stage` for the next.
  mutating func passed(_ stage: FaultPlan.Stage) {
    for index in entries.indices where entries[index].plan?.after == .stage(stage) { entries[index].isArmed = true }
  }

  /// What `why` says of the plans that have acted in the last upload; nil when none has.
  var confession: String? {
    let plans = actedInUpload.map { name in self[name]?.plan.map { "\(name) (\($0.line))" } ?? name }
    guard !plans.isEmpty else { return nil }
    return "injected by fault plan\(plans.count == 1 ? "" : "s") \(plans.joined(separator: ", "))"
  }
}

extension FaultPlan.Stage {
  /// The stage of a lock-step state; nil for those in which nothing is called.
  init?(_ state: UpdateState) {
    switch state {
    case .start, .done: return nil
    case .shutdown: self = .shutdown
    case .cpuInstall: self = .install
    case .cpuInit: self = .cpuInit
    case .runUpdate: self = .update
    }
  }
}
