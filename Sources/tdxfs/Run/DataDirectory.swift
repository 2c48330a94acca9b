import SystemPackage

/// Where the command's data is: beside the installed command (`PREFIX/bin/tdxfs`, `PREFIX/share/tdxfs`), else in the source
/// tree it was built from.
enum DataDirectory {
  /// The directory with the `cpuid` module for Python that answers as the machine does; nil when it is nowhere.
  static func python() -> FilePath? {
    guard let executable = try? SmallFile.linkTarget(of: "/proc/self/exe") else { return nil }
    return candidates(for: FilePath(executable)).first { directory in
      (try? SmallFile.kind(of: directory.appending("cpuid.py"))) == .file
    }
  }

  /// The directory with the scenarios; nil when it is nowhere.
  static func scenarios() -> FilePath? {
    guard let executable = try? SmallFile.linkTarget(of: "/proc/self/exe") else { return nil }
    return candidates(for: FilePath(executable), installed: "scenarios", inSources: "mount/scenarios").first {
      directory in
      (try? SmallFile.kind(of: directory)) == .directory
    }
  }

  /// Where the module, or what else is asked for, may be for a command at `executable`, best first.
  static func candidates(
    for executable: FilePath, installed: String = "python", inSources: String = "tools/python"
  ) -> [FilePath] {
    var directory = executable.removingLastComponent()
    var candidates = [directory.removingLastComponent().appending("share/tdxfs").appending(installed)]
    while !directory.components.isEmpty {
      directory.removeLastComponent()
      candidates.append(directory.pushing(FilePath(inSources)))
    }
    return candidates
  }
}
