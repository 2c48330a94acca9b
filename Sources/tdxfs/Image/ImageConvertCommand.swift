import ArgumentParser
import ModuleImage

/// `tdxfs image convert`
struct ImageConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Give an image the other header: 0x100 up to v8, 0x200 from v9 on.",
    discussion: "Sigstruct and module stay as they are, so a genuine image stays genuine.")

  @Option(name: .long, help: "The header: 0x100 or 0x200.", transform: ImageArguments.format)
  var format: ModuleImageFile.Format

  @Option(name: .shortAndLong, help: "The file to write.")
  var output: String

  @Argument(help: "The image.")
  var file: String

  func run() throws {
    let bytes = try ImageFiles.read(file)
    let conversion: ImageConversion
    do throws(ImageConversionError) {
      conversion = try ImageConversion(bytes, to: format)
    } catch {
      throw Failure.refused("\(file) \(error)")
    }
    for note in conversion.notes { Output.complain("note: \(file) \(note)") }
    try ImageFiles.write(conversion.bytes, to: output)
  }
}
