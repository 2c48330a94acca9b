import ArgumentParser

/// `tdxfs td …`: the TDs of a mounted machine.
struct TDCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "td", abstract: "Make, run and watch the TDs of a mounted machine.",
    subcommands: [
      TDCreateCommand.self, TDListCommand.self, TDShowCommand.self, TDStepCommand.self, TDReportCommand.self,
      TDDestroyCommand.self,
    ])
}

/// `tdxfs td list`
struct TDListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show the TDs, one a line: name, state, whether it is alive, and what it has.")

  @OptionGroup var machine: MachineArgument

  func run() throws {
    let machine = try self.machine.machine()
    for name in try machine.names(in: "td") {
      let td = try MountedTD(name, of: machine)
      // A TD that somebody takes away meanwhile is no error.
      guard let state = try? td.state() else { continue }
      func value(_ key: String) -> String { state[key] ?? "-" }
      Output.print(
        "\(name) \(value("state")) \(value("alive") == "1" ? "alive" : "dead") op_state=\(value("op_state")) "
          + "hkid=\(value("hkid")) vcpus=\(value("vcpus")) pages=\(value("pages")) module=\(value("module"))")
    }
  }
}

/// `tdxfs td show NAME`
struct TDShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show all that is known of a TD, one key=value a line.")

  @Argument(help: "The name of the TD.")
  var name: String

  @OptionGroup var machine: MachineArgument

  func run() throws {
    let td = try MountedTD(name, of: try machine.machine())
    Output.print(try td.text("state"))
    for file in ["attributes", "xfam"] { Output.print("\(file)=\(try td.text(file))") }
    let measurements = ["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "tee_tcb_svn", "tee_tcb_svn2"]
    for file in measurements {
      // One that is being built, or is dead, can't say.
      let value = (try? td.text(file)) ?? ""
      Output.print("\(file)=\(value.isEmpty ? "-" : value)")
    }
    Output.print(try td.text("last_exit").split(separator: "\n").map { "last_\($0)" }.joined(separator: "\n"))
  }
}

/// `tdxfs td step NAME WORD [KEY=VALUE…]`
struct TDStepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step", abstract: "Do one step with a TD, and show what came of it.",
    discussion: "Without a word it shows the words that there are, or what came of the last one.")

  @Argument(help: "The name of the TD.")
  var name: String

  @Argument(help: "A word, and its operands as key=value.")
  var words: [String] = []

  @OptionGroup var machine: MachineArgument

  func run() throws {
    let td = try MountedTD(name, of: try machine.machine())
    guard !words.isEmpty else {
      Output.print(try td.text("step"))
      return
    }
    Output.print(try td.step(words.joined(separator: " ")))
  }
}

/// `tdxfs td destroy NAME…`
struct TDDestroyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "destroy", abstract: "Tear TDs down; what a dead one had stays with the module until reboot.")

  @Argument(help: "The names of the TDs.")
  var names: [String]

  @OptionGroup var machine: MachineArgument

  func run() throws {
    let machine = try self.machine.machine()
    for name in names { try MountedTD(name, of: machine).destroy() }
  }
}
