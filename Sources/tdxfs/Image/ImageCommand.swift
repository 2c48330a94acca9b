import ArgumentParser

/// `tdxfs image`: reads, checks and makes update images. No machine is needed.
struct ImageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "image", abstract: "Read, check and make update images.",
    subcommands: [
      ImageInspectCommand.self, ImageVerifyCommand.self, ImageForgeCommand.self, ImageConvertCommand.self,
      ImageCatalogCommand.self,
    ])
}
