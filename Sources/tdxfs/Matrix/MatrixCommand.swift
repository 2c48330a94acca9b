import ArgumentParser
import Basics
import ModuleImage
import TDXHost

/// `tdxfs matrix`: clients × kernels × images, each cell tried for real in a private machine.
struct MatrixCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "matrix", abstract: "Try clients on all kernels with images, each in a private machine.",
    discussion: """
      A cell says what really happened: ok, refused (nothing changed), lost (TDX is gone until reboot), busy, no-file, \
      skipped (by the client), failed (before the upload), wrong (no error, and not the image's module).
      """)

  @Flag(name: .long, help: "Print JSON.")
  var json = false

  @Flag(name: .long, help: "Tell the reason of each cell, and what the client itself believes.")
  var explain = false

  @Option(name: .long, help: "Clients, separated by commas; all: \(names(MatrixClient.allCases.map(\.rawValue))).")
  var clients: String?

  @Option(name: .long, help: "Kernels, names of abi=, separated by commas; all when not given.")
  var kernels: String?

  @Option(name: .long, help: "Images of this directory, instead of the newest 1.5 forged in both formats.")
  var images: String?

  @Option(
    name: .long, parsing: .upToNextOption, help: "Running modules; three of the image's line when not given.",
    transform: ImageArguments.version)
  var module: [ModuleVersion] = []

  @Option(name: .customLong("time-limit"), help: "Seconds that a cell may take.")
  var timeLimit = 20

  func run() throws {
    let clients = try Self.choice(clients, "client", among: MatrixClient.allCases.map(\.rawValue))
    let kernels = try Self.choice(kernels, "kernel", among: ABIProfile.all.map(\.name))
    for version in module where ReleaseTable.release(version) == nil {
      let known = ReleaseTable.all.map(\.version.description)
      throw Failure.usage("--module \(version): \(Spelling.hint(for: version.description, among: known))")
    }
    guard timeLimit > 0 else { throw Failure.usage("--time-limit \(timeLimit): a number of seconds is needed") }
    let executable: String
    do { executable = try SmallFile.linkTarget(of: "/proc/self/exe") } catch {
      throw Failure.refused("the matrix runs this command again and does not find it (\(error))")
    }
    let scratch = try MatrixScratch()
    defer { scratch.remove() }
    var plan = MatrixPlan(images: try images.map(MatrixScratch.images) ?? scratch.forgedImages())
    plan.clients = clients.compactMap(MatrixClient.init)
    plan.kernels = kernels
    if !module.isEmpty { plan.modules = module }
    plan.intel = try scratch.intelScript(for: plan.images)
    let results = try MatrixRunner(scratch: scratch, executable: executable, seconds: timeLimit).run(plan.cells)
    let report = MatrixReport(results: results)
    Output.print(json ? report.json.text : report.text(explained: explain))
    let untried = results.filter { !$0.word.wasTried }
    if let first = untried.first {
      throw Failure.refused(
        "\(untried.count) of \(results.count) cells could not be tried; the first, "
          + "\(first.cell.client.rawValue) on \(first.cell.kernel): \(first.reason)")
    }
  }

  private static func names(_ names: [String]) -> String { names.joined(separator: ", ") }

  /// The words of `list`, each one of `known`; all of them without a list.
  private static func choice(_ list: String?, _ kind: String, among known: [String]) throws -> [String] {
    guard let list else { return known }
    return try list.split(omittingEmptySubsequences: false) { $0 == "," || $0 == ":" }.map(String.init).map { name in
      guard known.contains(name) else {
        throw Failure.usage("there is no \(kind) '\(name)': \(Spelling.hint(for: name, among: known))")
      }
      return name
    }
  }
}
