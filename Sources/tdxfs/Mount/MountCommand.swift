import ArgumentParser
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
      Self.ignoreFileSizeLimit()
      let mounted = try mount.mount(before: Session.holdStopSignals)
      options.giveUpPrivileges()
      ProgramText.giveBackUntilUsed()
      try mounted.serve()
    } else {
      try Self.inBackground(at: mountPoint) { mount }
    }
  }

  /// Mounts what `prepare` gives at `path`, from a process of its own, and returns when the mount is usable.
  static func inBackground(at path: String, _ prepare: () throws -> MachineMountPoint) throws {
    let wasDead = MachineMountPoint.isDead(path)
    switch try Daemon.detach() {
    case .parent(.ready): return
    case .parent(.failed(let reason)):
      // Of the daemon that has died before it could serve. What was dead before is left to a mount that says so.
      if !wasDead { MachineMountPoint.removeDead(at: path) }
      throw Failure.refused(reason)
    case .child(let report):
      ignoreFileSizeLimit()
      let mounted: MountedSession
      do {
        let mount = try prepare()
        mounted = try mount.mount(before: Session.holdStopSignals)
        mount.options.giveUpPrivileges()
      } catch {
        report.failed("\(error)")
        Glibc.exit(1)
      }
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

  /// A file that gets too large for the process (RLIMIT_FSIZE) is an error of write(2), not the end.
  private static func ignoreFileSizeLimit() { signal(SIGXFSZ, SIG_IGN) }
}
