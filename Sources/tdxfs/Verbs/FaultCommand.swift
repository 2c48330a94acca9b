import ArgumentParser
import Platform

/// `tdxfs fault add|list|clear`: the files of `.tdxfs/fault/`.
struct FaultCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fault", abstract: "Plan what goes wrong on a mounted machine.",
    discussion: """
      A plan is one line of words: where (stage=, leaf=, lp=, nth=, after=), what (status=, rdx=, vmfailinvalid, busy=, \
      no-entropy=, corrupt-handoff, bad-page, delay=, drop-lp, enomem, power-loss) and how often (once, count=, always, \
      p= seed=).
      """,
    subcommands: [Add.self, List.self, Clear.self])

  /// `tdxfs fault add NAME WORDS…`
  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "add", abstract: "Make a plan, or give an old one new words.")

    @Argument(help: "The name of the plan.")
    var name: String

    @Argument(help: "Its words, e.g. stage=install lp=2 status=EBADHASH rdx=1")
    var words: [String]

    @OptionGroup var machine: MachineArgument

    func run() throws {
      guard !name.contains("/"), name != ".", name != ".." else {
        throw Failure.usage("'\(name)' is no name for a plan")
      }
      try machine.machine().write(words.joined(separator: " ") + "\n", to: "fault/\(name)", isMade: true)
    }
  }

  /// `tdxfs fault list`
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show the plans, one a line: name, words, and how often each has acted.")

    @OptionGroup var machine: MachineArgument

    func run() throws {
      let machine = try self.machine.machine()
      for name in try machine.names(in: "fault") {
        // A plan that somebody takes away meanwhile is no error.
        guard let text = try? machine.read("fault/\(name)") else { continue }
        Output.print("\(name) " + String(decoding: text, as: UTF8.self), terminator: text.isEmpty ? "\n" : "")
      }
    }
  }

  /// `tdxfs fault clear [NAME]`
  struct Clear: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "clear", abstract: "Take a plan away, or all of them.")

    @Argument(help: "The name of the plan; all when not given.")
    var name: String?

    @OptionGroup var machine: MachineArgument

    func run() throws {
      let machine = try self.machine.machine()
      for name in try name.map({ [$0] }) ?? machine.names(in: "fault") { try machine.remove("fault/\(name)") }
    }
  }
}
