import ArgumentParser
import ModuleImage

/// `tdxfs lint -- CLIENT…`: runs a client through scenarios and judges its habits.
struct LintCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lint", abstract: "Judge the habits of a client by what it does in scenarios.",
    usage: "tdxfs lint [-o OPTION,…] [--json] [--scenarios LIST] [--place FILE] -- CLIENT…",
    discussion: """
      Status 0 when the client is innocent of all habits, 1 when it is guilty of any, 2 for wrong usage. In the client's \
      words {image}, {version} and {catalog} stand for the image, its version, and a directory like Intel's repository.
      """)

  @Flag(name: .long, help: "Print JSON.")
  var json = false

  @Option(
    name: .long, help: "Scenarios, names or files, separated by commas; those of the verdicts' table if not given.")
  var scenarios: String?

  @Option(name: .short, parsing: .unconditionalSingleValue, help: "Options that are added to the scenarios' machines.")
  var options: [String] = []

  @Option(name: .long, help: "Link this file into {catalog}, for a client that looks for images beside itself.")
  var place: [String] = []

  @Argument(parsing: .postTerminator, help: "The client and its arguments.")
  var client: [String] = []

  /// Scenarios in which, together, every habit shows, and one that is refused without harm.
  static let usual = Set(Habit.allCases.map(\.scenario)).union(["header-version"]).sorted()

  func run() throws {
    guard !client.isEmpty else { throw Failure.usage("lint: no client was given: tdxfs lint -- CLIENT…") }
    do { _ = try MountOptions(arguments: options) } catch { throw Failure.usage(error.description) }
    let names = scenarios?.split(separator: ",").map(String.init) ?? Self.usual
    guard !names.isEmpty else { throw Failure.usage("lint: --scenarios needs a name") }
    let reports = try ScenarioRunner(options: options, client: client, placed: place).run(
      ScenarioLibrary.files(of: names))
    let report = LintReport(client: client, reports: reports)
    Output.print(json ? report.json.text : report.text)
    if let failed = report.failed.first {
      throw Failure.refused("\(failed.name) could not be rehearsed: \(failed.problems.joined(separator: "; "))")
    }
    if report.isGuilty { throw ExitCode(1) }
  }
}
