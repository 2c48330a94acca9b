import Basics
import ModuleImage
import SEAM
import SystemPackage
import TDXHost

/// Many updates of one machine, each in another order of its LPs or with another fault, and the invariants that one of them
/// breaks. All in this process: each case is a copy of the machine as it was before.
///
/// With up to four LPs every order of the steps that all LPs make is tried, in both states that have such steps, and every
/// fault at every SEAMCALL, those at steps of all LPs in every order. With more LPs, samples.
public struct Exploration: Sendable {
  /// What one case has shown.
  public struct Finding: Sendable, Equatable {
    /// The case.
    public var explored: ExploreCase
    /// The invariants that it broke, each in one sentence.
    public var sentences: [String]
  }

  /// Most LPs for which all is tried.
  public static let mostLPsInFull = 4

  /// Seed of the samples.
  public let seed: UInt64
  /// How many cases there are.
  public var count: Int { samples ?? cases.count }

  private let base: EmulatedMachine
  private let start: MachineState
  private let image: [UInt8]
  private let target: ModuleVersion
  private let samples: Int?
  private let tds: @Sendable (EmulatedMachine) -> [String]
  /// All cases, or with samples what they are drawn from.
  private var cases: [ExploreCase] = []
  private var faults: [String] = []

  /// Updates of the machine of `options` to `image`, a module of version `target`.
  ///
  /// - Parameters:
  ///   - samples: How many cases are drawn; nil for all, which needs at most ``mostLPsInFull`` LPs.
  ///   - prepare: Puts the machine into the state in which the update begins, once: TDs, builds, whatever.
  ///   - tds: Names the TDs that live; none may be missing after an update that changed nothing.
  public init(
    options: MachineOptions, image: [UInt8], target: ModuleVersion, samples: Int?, seed: UInt64,
    prepare: (EmulatedMachine) throws -> Void = { _ in },
    tds: @escaping @Sendable (EmulatedMachine) -> [String] = { _ in [] }
  ) throws {
    var options = options
    options.clock = .virtual
    options.seed = options.seed ?? seed
    base = try EmulatedMachine(options: options)
    try prepare(base)
    start = base.state
    self.image = image
    self.target = target
    self.seed = seed
    self.samples = samples ?? (options.lps > Self.mostLPsInFull ? 1000 : nil)
    self.tds = tds
    let calls = callsWithoutFault(ExploreCase(number: 0))
    faults =
      calls.enumerated().flatMap { ExploreFaults.plans(at: $0 + 1, $1) } + ExploreFaults.plans(lps: options.lps)
    if self.samples == nil { cases = allCases() }
  }

  /// The case with this number; nil when there is none.
  public func explored(_ number: Int) -> ExploreCase? {
    guard (0..<count).contains(number) else { return nil }
    return samples == nil ? cases[number] : sample(number)
  }

  /// Runs a case; nil when it breaks nothing.
  public func run(_ explored: ExploreCase) -> Finding? {
    let sentences = ExploreJudge.findings(in: evidence(of: explored, schedule: explored.schedule))
    return sentences.isEmpty ? nil : Finding(explored: explored, sentences: sentences)
  }

  /// What was tried, in a few words.
  public var summary: String {
    let lps = base.options.lps
    let orders = (1...max(1, min(lps, Self.mostLPsInFull))).reduce(1, *)
    return samples == nil
      ? "\(lps) LPs on \(base.profile.name): \(count) updates, all \(orders) orders of each state, \(faults.count) single faults"
      : "\(lps) LPs on \(base.profile.name): \(count) updates, sampled"
  }

  // MARK: Cases

  private func allCases() -> [ExploreCase] {
    var cases: [ExploreCase] = []
    func add(_ orders: [UpdateState: [Int]], _ fault: String? = nil, _ stragglers: [UpdateState: Int] = [:]) {
      cases.append(ExploreCase(number: cases.count, orders: orders, stragglers: stragglers, fault: fault))
    }
    let lps = base.options.lps
    let orders = permutations(of: lps)
    // The two states have nothing to do with each other: each order of either, with the same and with the opposite one.
    for order in orders {
      add([.cpuInstall: order, .cpuInit: order])
      add([.cpuInstall: order, .cpuInit: order.reversed()])
    }
    for (index, order) in orders.enumerated() {
      let orders: [UpdateState: [Int]] = [.cpuInstall: order, .cpuInit: order]
      let calls = callsWithoutFault(ExploreCase(number: 0, orders: orders))
      for (position, call) in calls.enumerated() {
        let isStepOfAll = call.stage == .install || call.stage == .cpuInit
        // A step of one LP has the same machine before it in whatever order.
        guard isStepOfAll || index == 0 else { continue }
        for fault in ExploreFaults.plans(at: position + 1, call) {
          add(orders, fault, isStepOfAll ? [.cpuInstall: 0, .cpuInit: 0] : [:])
          // What fails in one LP's step, others may have seen in time or not.
          if isStepOfAll, ExploreFaults.isAnswer(fault) { add(orders, fault, [.cpuInstall: lps, .cpuInit: lps]) }
        }
      }
      for fault in ExploreFaults.plans(lps: lps) { add(orders, fault) }
    }
    return cases
  }

  private func sample(_ number: Int) -> ExploreCase {
    var generator = SeededGenerator(seed: seed &+ UInt64(number) &* 0x9E37_79B9_7F4A_7C15)
    let lps = Array(0..<base.options.lps)
    var explored = ExploreCase(number: number)
    for state in [UpdateState.cpuInstall, .cpuInit] {
      explored.orders[state] = lps.shuffled(using: &generator)
      explored.stragglers[state] = Int.random(in: 0...lps.count, using: &generator)
    }
    // One in four goes well.
    if Int.random(in: 0..<4, using: &generator) > 0 { explored.fault = faults.randomElement(using: &generator) }
    return explored
  }

  // MARK: Running

  /// The SEAMCALLs of the update when nothing goes wrong, with their stages.
  private func callsWithoutFault(_ explored: ExploreCase) -> [FaultCall] {
    let machine = EmulatedMachine(like: base, in: start)
    let calls = Guarded<[FaultCall]>([])
    machine.silicon.observer = { [unowned machine] record in
      let call = FaultCall(leaf: Leaf(rax: record.input.rax), lp: record.lp, stage: machine.silicon.stage)
      calls.withLock { $0.append(call) }
    }
    machine.scheduleOverride = { _ in explored.schedule }
    _ = machine.install(image, boot: machine.bootNumber)
    return calls.withLock { $0 }
  }

  /// Runs the update of `explored` with the LPs in the order of `schedule`, and looks at it as readers and a bus analyser
  /// would.
  func evidence(of explored: ExploreCase, schedule: UpdateSchedule) -> ExploreEvidence {
    let machine = EmulatedMachine(like: base, in: start)
    let before = machine.facts(tds: tds)
    if let line = explored.fault, let plan = try? FaultPlan(line: line, lps: base.options.lps) {
      machine.faults.withLock { $0.set(plan, for: "explore") }
    }
    machine.scheduleOverride = { _ in schedule }
    let calls = Guarded<[ExploreEvidence.Call]>([])
    machine.silicon.observer = { record in
      let call = ExploreEvidence.Call(
        leaf: Leaf(rax: record.input.rax), lp: record.lp, status: record.result.linuxStatus)
      calls.withLock { $0.append(call) }
    }
    let glimpses = Guarded<[ExploreEvidence.Glimpse]>([])
    machine.onStep = { [unowned machine] in
      guard machine.lock.withLock({ machine.isUpdating }) else { return }
      let glimpse = ExploreEvidence.Glimpse(
        version: Result { () throws(Errno) in try machine.version() },
        remaining: Result { () throws(Errno) in try machine.numRemainingUpdates() })
      glimpses.withLock { $0.append(glimpse) }
    }
    let boot = machine.bootNumber
    let driver = UpdateDriver(machine: machine, boot: boot)
    machine.faults.withLock { $0.beginUpload() }
    var error: String?
    do {
      try driver.prepare(image: image)
      _ = try driver.write(image: image, offset: 0)
    } catch let failure {
      error = "\(failure.name)"
    }
    return ExploreEvidence(
      calls: calls.withLock { $0 }, glimpses: glimpses.withLock { $0 }, before: before, after: machine.facts(tds: tds),
      error: error, lost: machine.why().lost, target: target, isRebooted: machine.bootNumber != boot,
      retriesLoader: base.profile.retriesLoaderNoEntropy)
  }
}
