import ArgumentParser
import ModuleImage

/// `tdxfs image inspect`
struct ImageInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Tell what an update image is: version, signer, CPUs, handoff.")

  @Flag(name: .long, help: "Print JSON.")
  var json = false

  @Argument(help: "The image.")
  var file: String

  func run() throws {
    let report = ImageReport(try ImageFiles.image(at: file))
    Output.print(json ? report.json(path: file).text : report.text(path: file))
  }
}
