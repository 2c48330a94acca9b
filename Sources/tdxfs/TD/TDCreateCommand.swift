import ArgumentParser
import SystemPackage

/// `tdxfs td create NAME`
struct TDCreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Make a TD: finalized, with one vCPU that was entered once, and one measured page.",
    discussion: "With --image it is built from a TD firmware image (an OVMF build with TDX metadata) instead.")

  @Argument(help: "Its name.")
  var name: String

  @Flag(name: .long, help: "Stop after TDH.MNG.INIT: an open build, without vCPU.")
  var open = false

  @Option(name: .long, help: "A TD firmware image to build it from.")
  var image: String?

  @Option(name: .long, help: "ATTRIBUTES, e.g. 0x10000000.")
  var attributes: String?

  @Option(name: .long, help: "Number of vCPUs.")
  var vcpus = 1

  @Flag(name: .long, help: "ATTRIBUTES with MIGRATABLE.")
  var migratable = false

  @Flag(name: .long, help: "ATTRIBUTES with DEBUG.")
  var debug = false

  @OptionGroup var machine: MachineArgument

  /// Pages that one step adds: a fraction of a second.
  private static let pagesPerStep = 1024

  func validate() throws {
    guard !open || image == nil else { throw ValidationError("--open and --image exclude each other") }
    guard vcpus > 0 else { throw ValidationError("--vcpus is 1 or more") }
  }

  func run() throws {
    let td = try MountedTD(name, of: try machine.machine())
    let bytes = try image.map { path in
      do {
        return try MountedMachine.readFile(FilePath(path))
      } catch {
        throw Failure.refused("cannot read \(path): \(error)")
      }
    }
    try td.create()
    do {
      try build(td, image: bytes)
    } catch {
      // All of it or nothing.
      try? td.destroy()
      throw error
    }
  }

  private func build(_ td: MountedTD, image: [UInt8]?) throws {
    var operands: [String] = []
    if let attributes { operands.append("attributes=\(attributes)") }
    if migratable { operands.append("migratable") }
    if debug { operands.append("debug") }
    if !operands.isEmpty { try td.step("init " + operands.joined(separator: " ")) }
    guard !open else { return }
    if let image {
      var bar = ProgressBar("image")
      defer { bar.giveUp() }
      try td.setImage(image) { bar.show($0 / 4096, of: $1 / 4096) }
    }
    try td.step("vcpu count=\(vcpus)")
    if image == nil { try td.step("add") } else { try addImage(td) }
    try td.step("finalize")
    try td.step("enter")
  }

  private func addImage(_ td: MountedTD) throws {
    var bar = ProgressBar("pages")
    defer { bar.giveUp() }
    while true {
      // pages=DONE/TOTAL done=0
      let result = try td.step("image pages=\(Self.pagesPerStep)")
      let words = result.split(whereSeparator: { $0 == " " || $0 == "=" || $0 == "/" })
      guard words.count == 5, let done = Int(words[1]), let total = Int(words[2]) else {
        throw Failure.refused("td/\(name)/step: unexpected '\(result)'")
      }
      bar.show(done, of: total)
      if words[4] == "1" { return }
    }
  }
}
