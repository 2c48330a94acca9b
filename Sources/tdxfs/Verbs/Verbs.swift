import ArgumentParser

/// Which mounted machine a verb means.
struct MachineArgument: ParsableArguments {
  @Option(name: .long, help: "The mount point of the machine; else TDXFS_MOUNT, else the only mount there is.")
  var at: String?

  /// The machine.
  func machine() throws -> MountedMachine { try MountedMachine.find(at: at) }
}

/// `tdxfs status`
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show the state of a mounted machine, one key=value a line.")

  @OptionGroup var machine: MachineArgument

  func run() throws { Output.print(bytes: try machine.machine().read("status")) }
}

/// `tdxfs log`
struct LogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log", abstract: "Show the kernel log of a mounted machine.")

  @OptionGroup var machine: MachineArgument

  func run() throws { Output.print(bytes: try machine.machine().read("log")) }
}

/// `tdxfs why`
struct WhyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why", abstract: "Tell the true cause of the last upload's result, and what to do next.")

  @OptionGroup var machine: MachineArgument

  func run() throws { Output.print(bytes: try machine.machine().read("why")) }
}

/// `tdxfs reboot`
struct RebootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reboot", abstract: "Reboot a mounted machine: module and remaining updates as at power-on.")

  @OptionGroup var machine: MachineArgument

  func run() throws { try machine.machine().write("reboot\n", to: "power") }
}
