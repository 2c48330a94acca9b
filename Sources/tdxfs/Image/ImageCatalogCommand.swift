import ArgumentParser
import ModuleImage

/// `tdxfs image catalog`
struct ImageCatalogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalog",
    abstract: "Make a directory as Intel's repository has it, out of forged twins of all public releases.")

  @Option(name: .long, help: "The header of the images: 0x100 or 0x200.", transform: ImageArguments.format)
  var format = ModuleImageFile.Format.blob

  @Argument(help: "The directory; it must not exist.")
  var directory: String

  func run() throws {
    let files: [ImageCatalog.File]
    do {
      files = try ImageCatalog.files(format: format)
    } catch {
      throw Failure.refused(error.description)
    }
    try ImageFiles.makeDirectory(directory)
    var made: Set<String> = []
    for file in files {
      let parts = file.path.split(separator: "/")
      for depth in 1..<max(1, parts.count) {
        let parent = parts[..<depth].joined(separator: "/")
        if made.insert(parent).inserted { try ImageFiles.makeDirectory("\(directory)/\(parent)") }
      }
      try ImageFiles.write(file.bytes, to: "\(directory)/\(file.path)")
    }
  }
}
