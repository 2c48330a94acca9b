import ArgumentParser
import ModuleImage

/// `tdxfs image forge`
struct ImageForgeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forge", abstract: "Make an image of any version, signed with tdxfs's development key.",
    discussion: "What is not given is as in the public release, or in the highest known one below an unknown version.")

  @Option(name: .long, help: "The version that the image tells, M.m.uu.", transform: ImageArguments.version)
  var version: ModuleVersion

  @Option(name: .long, help: "The CPU list: names or CPUID.1.EAX, separated by commas.", transform: ImageArguments.cpus)
  var cpus: [UInt32]?

  @Option(name: .long, help: "The SVN, major.minor or minor alone.")
  var svn: String?

  @Option(name: .long, help: "MODULE_HV: the handoff version that it writes and at most reads.")
  var hv: UInt16?

  @Option(name: .customLong("min-hv"), help: "MIN_UPDATE_HV: the lowest handoff version that it reads.")
  var minHV: UInt16?

  @Flag(inversion: .prefixedNo, help: "Whether it hands off versions below its own.")
  var downgrade: Bool?

  @Option(name: .customLong("built-in-hv"), help: "MODULE_HV in the module's constants, where it shall differ.")
  var builtInHV: UInt16?

  @Flag(name: .long, help: "Debug-signed.")
  var debug = false

  @Option(name: .long, help: "Pages of the module, 1 to 496.")
  var pages: Int?

  @Option(name: .long, help: "The header: 0x100 or 0x200.", transform: ImageArguments.format)
  var format = ModuleImageFile.Format.blob

  @Option(name: .shortAndLong, help: "The file to write.")
  var output: String

  func run() throws {
    let bytes: [UInt8]
    do {
      bytes = try forge().file(format: format)
    } catch let error as ForgeError {
      throw Failure.usage(error.description)
    }
    try ImageFiles.write(bytes, to: output)
  }

  private func forge() throws -> ImageForge {
    try ForgeWishes(
      version: version, cpus: cpus, svn: svn, hv: hv, minHV: minHV, downgrade: downgrade, builtInHV: builtInHV,
      isDebugSigned: debug, pages: pages
    ).forge()
  }
}
