import ArgumentParser
import Confinement
import ControlTree
import FuseKit
import Kernfs
import KernfsFuse
import Platform
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// `tdxfs [SOURCE] MOUNTPOINT [-o OPTION,…] [-f]`, and so what mount(8) calls.
struct MountCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mount", abstract: "Mount an emulated machine (also without this word).",
    usage: "tdxfs [SOURCE] MOUNTPOINT [-o OPTION,…] [-f]")

  @Argument(help: "[SOURCE] MOUNTPOINT. The source only shows in /proc/mounts.")
  var paths: [String] = []

  @Option(name: .short, parsing: .unconditionalSingleValue, help: "Options, separated by commas: abi=v8, cpu=spr, …")
  var options: [String] = []

  @Flag(name: .short, help: "Stay in the foreground.")
  var foreground = false

  func run() throws {
    guard let mountPoint = paths.last, paths.count <= 2 else {
      throw Failure.usage(
        paths.isEmpty
          ? "no mount point: tdxfs [SOURCE] MOUNTPOINT [-o OPTION,…]"
          : "too many words (\(paths.joined(separator: " "))): tdxfs [SOURCE] MOUNTPOINT [-o OPTION,…]")
    }
    let options: MountOptions
    do { options = try MountOptions(arguments: self.options) } catch { throw Failure.usage(error.description) }
    Heap.useOne()
    let source = paths.count == 2 ? paths[0] : "tdxfs"
    let mount = MachineMountPoint(path: mountPoint, source: source, options: options)
    if foreground {
      Self.meetFaultsOfTheProcess()
      let mounted = try mount.mount()
      Self.giveUpPrivileges(options)
      ProgramText.giveBackUntilUsed()
      try mounted.serve()
    } else {
      try Self.inBackground(mount)
    }
  }

  /// Mounts from a process of its own, and returns when the mount is usable.
  static func inBackground(_ mount: MachineMountPoint) throws {
    switch try Daemon.detach() {
    case .parent(.ready): return
    case .parent(.failed(let reason)):
      mount.removeLeftover()
      throw Failure.refused(reason)
    case .child(let report):
      meetFaultsOfTheProcess()
      let mounted: MountedSession
      do {
        mounted = try mount.mount()
      } catch {
        report.failed("\(error)")
        Glibc.exit(1)
      }
      giveUpPrivileges(mount.options)
      ProgramText.giveBackUntilUsed()
      guard report.ready() else {
        mounted.giveUp()
        Glibc.exit(1)
      }
      do {
        try mounted.serve()
      } catch {
        Glibc.exit(1)
      }
      Glibc.exit(0)
    }
  }

  /// A signal to end waits for the moment from which it unmounts, and a file that gets too large for the process (RLIMIT_FSIZE)
  /// is an error of write(2), not the end.
  private static func meetFaultsOfTheProcess() {
    Session.holdStopSignals()
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Only root has something to give up. Anybody else unmounts by fusermount3, which gains its privileges by being
  /// executed.
  private static func giveUpPrivileges(_ options: MountOptions) {
    guard geteuid() == 0 else { return }
    let keepsState = options.state != nil
    do {
      try Confinement.confine(
        keeping: [.readSearch, .ptrace, .admin] + (keepsState ? [.override] : []), writingFiles: keepsState)
    } catch {
      Output.complain("keeps privileges that it does not need: \(error)")
    }
  }
}
