import ArgumentParser
import Platform
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// `tdxfs snapshot save|restore|fork`: the file `.tdxfs/snapshot`.
struct SnapshotCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "snapshot",
    abstract: "Save the state of a mounted machine, go back to it, or mount a second machine in it.",
    subcommands: [Save.self, Restore.self, Fork.self])

  /// `tdxfs snapshot save FILE`
  struct Save: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "save", abstract: "Write all that the machine is to a file; an update may be under way.")

    @Argument(help: "The file; an old one is replaced, when the new one is whole.")
    var file: String

    @OptionGroup var machine: MachineArgument

    func run() throws {
      let bytes = try machine.machine().read("snapshot")
      // A file that gets too large for the process is an error like others.
      signal(SIGXFSZ, SIG_IGN)
      do {
        try SmallFile.replace(FilePath(file), with: bytes)
      } catch {
        throw Failure.refused("cannot write \(file): \(error)")
      }
    }
  }

  /// `tdxfs snapshot restore FILE`
  struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "restore", abstract: "Make the machine what it was when the file was saved.")

    @Argument(help: "A file of `tdxfs snapshot save`, of a machine with the same options.")
    var file: String

    @OptionGroup var machine: MachineArgument

    func run() throws {
      let bytes = try SnapshotCommand.read(file)
      // Here, so that a cut file is refused before anything is written.
      do { _ = try SnapshotFormat(bytes) } catch { throw Failure.refused("\(file): \(error)") }
      try machine.machine().write(bytes, to: "snapshot")
    }
  }

  /// `tdxfs snapshot fork MOUNTPOINT`
  struct Fork: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "fork", abstract: "Mount a second machine, which begins as the first one is now.")

    @Argument(help: "Where to mount it.")
    var mountPoint: String

    @OptionGroup var machine: MachineArgument

    func run() throws {
      try MountCommand.inBackground(at: mountPoint) {
        let bytes = try machine.machine().read("snapshot")
        return MachineMountPoint(
          path: mountPoint, source: "tdxfs", options: try Self.options(of: bytes), snapshot: bytes)
      }
    }

    /// The options of the machine in `snapshot`, and none else: whoever made it has no say in what this process writes.
    static func options(of snapshot: [UInt8]) throws -> MountOptions {
      var options = MountOptions()
      do {
        options.machine = try MachineOptions(text: SnapshotFormat(snapshot).options)
      } catch {
        throw Failure.refused("\(error)")
      }
      // Somebody who could reach the first machine's control directory may want the second one's.
      options.machine.control = true
      return options
    }
  }

  fileprivate static func read(_ file: String) throws -> [UInt8] {
    do { return try MountedMachine.readFile(FilePath(file)) } catch {
      throw Failure.refused("cannot read \(file): \(error)")
    }
  }
}
