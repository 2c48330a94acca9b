import ArgumentParser
import FuseKit
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// The command. Its first word is a verb if it is one; without a verb it mounts, as mount(8) calls it.
@main
struct Tdxfs: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tdxfs",
    abstract: "Rehearse Intel TDX module updates: Linux's tdx_host sysfs files with an emulated machine behind them.",
    discussion: """
      Without a verb it mounts:  tdxfs [SOURCE] MOUNTPOINT [-o OPTION,…] [-f]
      """,
    subcommands: [
      MountCommand.self, RunCommand.self, ImageCommand.self, StatusCommand.self, LogCommand.self, WhyCommand.self,
      TraceCommand.self, RebootCommand.self, TDCommand.self, FaultCommand.self, SnapshotCommand.self,
      ReplayCommand.self, ExploreCommand.self,
      MatrixCommand.self, MatrixCellCommand.self, ScenarioCommand.self, ScenarioCellCommand.self, LintCommand.self,
    ],
    defaultSubcommand: MountCommand.self)

  static func main() {
    signal(SIGPIPE, SIG_IGN)
    Output.occupyClosedStreams()
    do {
      let words = Array(CommandLine.arguments.dropFirst())
      var command = try parseAsRoot(ScenarioRunCommand.namingClient(in: words))
      try command.run()
      endUnlessPrinted()
    } catch let failure as Failure {
      Output.complain(failure.description)
      Glibc.exit(failure.status)
    } catch let failure as Daemon.Failure {
      Output.complain(failure.description)
      Glibc.exit(1)
    } catch let errno as Errno {
      Output.complain("\(errno)")
      Glibc.exit(1)
    } catch {
      end(with: error)
    }
  }

  /// What nobody could read was not done.
  private static func endUnlessPrinted() {
    guard let failure = Output.failure else { return }
    Output.complain("cannot write to standard output: \(failure)")
    Glibc.exit(1)
  }

  /// ArgumentParser's errors: help goes to standard output, wrong usage is one line and status 2.
  private static func end(with error: any Error) -> Never {
    if let code = error as? ExitCode {
      if code.isSuccess { endUnlessPrinted() }
      Glibc.exit(code.rawValue)
    }
    let code = exitCode(for: error)
    guard code != .success else {
      Output.print(fullMessage(for: error))
      endUnlessPrinted()
      Glibc.exit(0)
    }
    let line = message(for: error).split(separator: "\n").first.map(String.init) ?? "wrong usage"
    Output.complain("\(line) (tdxfs --help says what there is)")
    Glibc.exit(2)
  }
}
