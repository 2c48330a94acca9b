import Basics
import Platform
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// The options of one mount, sorted by whom they are for.
struct MountOptions {
  /// For the machine.
  var machine = MachineOptions()
  /// For libfuse and the kernel, as they were given: `ro`, `nosuid`, `allow_other`, `fsname=…`.
  var fuse: [String] = []
  /// `state=`: the file that keeps the machine across daemon restarts, as an absolute path: the daemon leaves the directory.
  var state: FilePath?

  /// Options that mount(8) and fstab carry and that mean nothing to a filesystem.
  private static let ignored: Set<String> = [
    "auto", "noauto", "defaults", "nofail", "_netdev", "user", "nouser", "users", "owner", "group", "rw", "async",
    "atime", "relatime", "strictatime", "norelatime", "diratime", "nodiratime", "lazytime", "nolazytime", "silent",
    "loud", "symfollow", "nosymfollow", "mand", "nomand", "noiversion", "iversion",
  ]

  /// Options that libfuse or the kernel understand.
  private static let forFuse: Set<String> = [
    "ro", "dev", "nodev", "suid", "nosuid", "exec", "noexec", "sync", "dirsync", "noatime", "allow_other", "allow_root",
    "default_permissions", "fsname", "max_read", "auto_unmount", "context", "fscontext", "defcontext",
    "rootcontext",
  ]

  /// The default of each option.
  init() {}

  /// Reads the `-o` arguments; a comma always ends an option.
  init(arguments: [String]) throws(OptionError) {
    for option in arguments.flatMap({ $0.split(separator: ",") }) {
      let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let name = parts[0]
      let value = parts.count > 1 ? parts[1] : nil
      if try machine.set(name, to: value) { continue }
      if Self.ignored.contains(name) || name.hasPrefix("x-") || name == "comment" { continue }
      if name == "state" {
        guard let value, !value.isEmpty else { throw OptionError("option 'state' needs a value: state=FILE") }
        state = Self.absolute(FilePath(value))
        continue
      }
      guard Self.forFuse.contains(name) else {
        let nearest = Spelling.nearest(to: name, among: Self.forFuse.sorted()).map { "did you mean \($0)? " } ?? ""
        let hint = nearest + Spelling.hint(for: name, among: MachineOptions.names + ["state"])
        throw OptionError("unknown option '\(Spelling.shown(name))': \(hint)")
      }
      fuse.append(String(option))
    }
  }

  private static func absolute(_ path: FilePath) -> FilePath {
    guard path.isRelative, let current = getcwd(nil, 0) else { return path }
    defer { free(current) }
    return FilePath(platformString: current).pushing(path)
  }
}
