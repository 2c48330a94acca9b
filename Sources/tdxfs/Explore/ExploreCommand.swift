import ArgumentParser
import Basics
import ModuleImage
import Platform
import TDXHost

/// `tdxfs explore`: an update in many orders and with many faults, in this process.
struct ExploreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explore",
    abstract: "Try an update in many orders of the CPUs and with every fault, and check invariants.",
    discussion: """
      With up to \(Exploration.mostLPsInFull) LPs all orders and all single faults are tried, with more LPs samples. Status \
      0 when nothing was found, 1 when an update broke an invariant; the line that repeats it is printed.
      """)

  @Option(name: .short, parsing: .unconditionalSingleValue, help: "Options of the machine, separated by commas.")
  var options: [String] = []

  @Option(name: .long, help: "The running module.", transform: ImageArguments.version)
  var from: ModuleVersion?

  @Option(
    name: .long, help: "The module of the update; the newest release of the running one's line when not given.",
    transform: ImageArguments.version)
  var to: ModuleVersion?

  @Option(name: .long, help: "Logical processors.")
  var lps: Int?

  @Option(name: .long, help: "TDs that run when the update begins.")
  var tds = 0

  @Option(name: .long, help: "How many updates are tried, in place of all or of 1000.")
  var samples: Int?

  @Option(name: .long, help: "Seed of the samples and of the machine.")
  var seed: UInt64?

  @Option(name: .customLong("case"), help: "Only the case of this number, told in full.")
  var number: Int?

  /// Findings that are printed.
  private static let mostFindings = 20

  func run() throws {
    var generator = SystemRandomNumberGenerator()
    let seed = self.seed ?? UInt64(UInt32.random(in: 0...UInt32.max, using: &generator))
    let machine = try machineOptions()
    let target = try to ?? Self.newest(like: machine.effectiveModule)
    guard (0...1024).contains(tds) else { throw Failure.usage("--tds \(tds): a number from 0 to 1024 is needed") }
    if let samples, samples < 1 { throw Failure.usage("--samples \(samples): a number from 1 on is needed") }
    let exploration: Exploration
    do {
      exploration = try Exploration(
        options: machine, image: Self.image(of: target, for: machine), target: target, samples: samples, seed: seed,
        prepare: { try ExploreTDs.build(tds, on: $0) }, tds: ExploreTDs.living)
    } catch let error as ControlError {
      throw Failure.refused("\(tds) TDs cannot be built: \(error.reason)")
    } catch let error as OptionError {
      throw Failure.refused(error.description)
    }
    if let number { return try runOne(number, of: exploration) }
    try runAll(exploration, repeating: repetition(machine, seed: seed))
  }

  private func machineOptions() throws -> MachineOptions {
    do throws(OptionError) {
      var machine = try MountOptions(arguments: options).machine
      if let from { _ = try machine.set("module", to: from.description) }
      if let lps { _ = try machine.set("lps", to: "\(lps)") }
      return machine
    } catch {
      throw Failure.usage(error.description)
    }
  }

  /// A small image of `version`, in the header format that the kernel takes.
  private static func image(of version: ModuleVersion, for machine: MachineOptions) throws(Failure) -> [UInt8] {
    var format = ModuleImageFile.Format.blob
    if case .tdxImage? = ABIProfile.named(machine.abi)?.layout { format = .image }
    do throws(ForgeError) {
      var forge = try ImageForge(version: version)
      forge.pages = 4
      return try forge.file(format: format)
    } catch {
      throw .refused(error.description)
    }
  }

  private static func newest(like version: ModuleVersion) throws(Failure) -> ModuleVersion {
    guard let newest = ReleaseTable.all.map(\.version).filter({ $0.isSameLine(as: version) }).max() else {
      throw .refused("there is no release of the line of \(version)")
    }
    return newest
  }

  /// The command that repeats this run, but for the case.
  private func repetition(_ machine: MachineOptions, seed: UInt64) -> String {
    var words = ["tdxfs", "explore"]
    for option in options { words += ["-o", option] }
    if let from { words += ["--from", from.description] }
    if let to { words += ["--to", to.description] }
    if let lps { words += ["--lps", "\(lps)"] }
    if tds > 0 { words += ["--tds", "\(tds)"] }
    if let samples { words += ["--samples", "\(samples)"] }
    return (words + ["--seed", "\(seed)", "--case"]).joined(separator: " ")
  }

  private func runOne(_ number: Int, of exploration: Exploration) throws {
    guard let explored = exploration.explored(number) else {
      throw Failure.usage("--case \(number): there are cases 0 to \(exploration.count - 1)")
    }
    Output.print("case \(number): \(explored.description)")
    let finding = exploration.run(explored)
    for sentence in finding?.sentences ?? [] { Output.print("  " + sentence) }
    guard finding == nil else { throw ExitCode(1) }
    Output.print("  nothing found")
  }

  private func runAll(_ exploration: Exploration, repeating command: String) throws {
    var broken = 0
    for number in 0..<exploration.count {
      guard let explored = exploration.explored(number), let finding = exploration.run(explored) else { continue }
      broken += 1
      guard broken <= Self.mostFindings else { continue }
      Output.print("case \(number): \(explored.description)")
      for sentence in finding.sentences { Output.print("  " + sentence) }
      Output.print("  repeat: \(command) \(number)")
    }
    Output.print("\(exploration.summary): \(broken == 0 ? "nothing found" : "\(broken) broke an invariant")")
    if broken > 0 { throw ExitCode(1) }
  }
}
