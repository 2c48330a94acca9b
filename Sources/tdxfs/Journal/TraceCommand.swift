import ArgumentParser
import Basics
import ModuleImage
import Platform

/// `tdxfs trace`
struct TraceCommand: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case json
    case chrome
  }

  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Show SEAMCALLs, uploads and what clients wrote.",
    discussion: """
      --format chrome writes what chrome://tracing and Perfetto open. --with-images adds the images that were uploaded, so \
      that the output is all that `tdxfs replay` needs.
      """)

  @Option(name: .long, help: "json (one record a line) or chrome.")
  var format = Format.json

  @Option(name: .customLong("with-images"), help: "Add the uploaded images, which are in this directory.")
  var withImages: String?

  @Option(name: .long, help: "A saved trace, in place of a mounted machine's.")
  var from: String?

  @OptionGroup var machine: MachineArgument

  func run() throws {
    guard format == .json || withImages == nil else {
      throw Failure.usage("--with-images is for --format json: the chrome format has no place for images")
    }
    let trace = try from.map { try ReplayCommand.file($0) } ?? machine.machine().read("trace")
    switch format {
    case .json:
      Output.print(bytes: trace)
      if let withImages { Output.print(bytes: try images(of: trace, in: withImages)) }
    case .chrome:
      let lines = trace.split(separator: UInt8(ascii: "\n")).compactMap { JSONValue(text: $0) }
      Output.print(ChromeTrace(lines: lines).text, terminator: "")
    }
  }

  /// A line for each image that was uploaded.
  private func images(of trace: [UInt8], in directory: String) throws -> [UInt8] {
    let library = try ImageLibrary(directory: directory)
    var lines = ""
    var seen: Set<String> = []
    for line in trace.split(separator: UInt8(ascii: "\n")) {
      guard let value = JSONValue(text: line), value["event"]?.string == "update-start",
        let digest = value["sha384"]?.string, seen.insert(digest).inserted
      else { continue }
      guard let bytes = library.image(digest) else {
        throw Failure.refused("the image with SHA-384 \(digest.prefix(16))… is in no file of \(directory)")
      }
      lines += "{\"event\":\"image\",\"sha384\":\"\(digest)\",\"base64\":\"\(Base64.text(bytes))\"}\n"
    }
    return Array(lines.utf8)
  }
}
