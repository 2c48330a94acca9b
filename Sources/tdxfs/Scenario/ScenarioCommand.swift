import ArgumentParser
import ModuleImage

/// `tdxfs scenario`: rehearsals that files describe.
struct ScenarioCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scenario", abstract: "Rehearse updates that go well or wrong, as scenario files describe them.",
    subcommands: [ScenarioListCommand.self, ScenarioShowCommand.self, ScenarioRunCommand.self])
}

/// `tdxfs scenario list`
struct ScenarioListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "list", abstract: "List the scenarios, one a line.")

  func run() throws {
    let scenarios = try ScenarioLibrary.files(of: ["all"]).map { file in try ScenarioLibrary.scenario(in: file) }
    let width = 2 + (scenarios.map(\.name.count).max() ?? 0)
    for scenario in scenarios { Output.print(scenario.name.padded(to: width) + scenario.title) }
  }
}

/// `tdxfs scenario show`
struct ScenarioShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Tell what a scenario rehearses, in people's words.")

  @Argument(help: "A name of tdxfs scenario list, or a file.")
  var name: String

  func run() throws {
    Output.print(try ScenarioLibrary.scenario(in: ScenarioLibrary.file(of: name)).text)
  }
}

/// `tdxfs scenario run`
struct ScenarioRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Rehearse scenarios; status 0 when all end as their files expect.",
    usage: "tdxfs scenario run NAME… [-o OPTION,…] [--json] [--explain] [--place FILE] [-- CLIENT…]",
    discussion: """
      The client is echo and cat, or the scenario's own, unless one is given. In its words {image}, {version} and \
      {catalog} stand for the image, its version, and a directory like Intel's repository; the variables TDXFS_IMAGE, \
      TDXFS_IMAGE_VERSION and TDXFS_CATALOG hold the same.
      """)

  @Argument(help: "Names of tdxfs scenario list, files, or all.")
  var names: [String]

  @Option(name: .short, parsing: .unconditionalSingleValue, help: "Options that are added to the scenarios' machines.")
  var options: [String] = []

  @Flag(name: .long, help: "Print JSON.")
  var json = false

  @Flag(name: .long, help: "Tell all of each scenario, also when there are several.")
  var explain = false

  @Option(name: .long, help: "Link this file into {catalog}, for a client that looks for images beside itself.")
  var place: [String] = []

  @Option(name: .long, parsing: .unconditionalSingleValue, help: .hidden)
  var client: [String] = []

  /// `words` with those behind `--` as options of their own: ArgumentParser takes no second list of words.
  static func namingClient(in words: [String]) -> [String] {
    guard words.starts(with: ["scenario", "run"]), let end = words.firstIndex(of: "--") else { return words }
    return words[..<end] + words[(end + 1)...].flatMap { ["--client", $0] }
  }

  func run() throws {
    do { _ = try MountOptions(arguments: options) } catch { throw Failure.usage(error.description) }
    let reports = try ScenarioRunner(options: options, client: client, placed: place).run(
      ScenarioLibrary.files(of: names))
    if json {
      Output.print(JSON.object([.init("scenarios", .array(reports.map(\.json)))]).text)
    } else {
      for report in reports {
        Output.print(reports.count == 1 || explain || !report.isAsExpected ? report.text : report.summary)
      }
    }
    let good = reports.filter(\.isAsExpected).count
    if reports.count > 1, !json { Output.print("\(good) of \(reports.count) scenarios ended as expected") }
    if good < reports.count { throw ExitCode(1) }
  }
}

/// `tdxfs scenario-cell`: one rehearsal. Not for people.
struct ScenarioCellCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scenario-cell", abstract: "One rehearsal, started by tdxfs scenario.", shouldDisplay: false)

  @Option(name: .long) var file: String
  @Option(name: .long) var scratch: String
  @Option(name: .short, parsing: .unconditionalSingleValue) var options: [String] = []
  @Option(name: .long) var place: [String] = []
  @Argument(parsing: .postTerminator) var client: [String] = []

  func run() throws {
    let executable = try SmallFile.linkTarget(of: "/proc/self/exe")
    let rehearsal = try Rehearsal(
      ScenarioLibrary.scenario(in: .init(file)), options: options.flatMap { $0.split(separator: ",").map(String.init) },
      words: client.isEmpty ? nil : client, placed: place, executable: executable, scratch: scratch)
    Output.print(try rehearsal.run().lines, terminator: "")
  }
}
