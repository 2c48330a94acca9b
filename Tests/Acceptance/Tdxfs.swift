import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// The command under test and what this machine lets it do.
enum Tdxfs {
  struct NotBuilt: Error {
    let expected: String
  }

  /// `TDXFS_BINARY`, else `tdxfs` beside the test bundle.
  static func binary() throws -> String {
    if let path = environment("TDXFS_BINARY") { return path }
    let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? ""
    guard let slash = bundle.lastIndex(of: "/") else { throw NotBuilt(expected: "TDXFS_BINARY") }
    let path = bundle[..<slash] + "/tdxfs"
    guard File.exists(String(path)) else { throw NotBuilt(expected: String(path)) }
    return String(path)
  }

  /// The top of the source tree.
  static var sources: String {
    String(#filePath.dropLast("/Tests/Acceptance/Tdxfs.swift".count))
  }

  /// Whether FUSE can be mounted by mount(8) here.
  static let canMount = geteuid() == 0 && File.exists("/dev/fuse")
  static let needsRoot: Comment = "needs root and /dev/fuse"

  /// A checkout of Intel's repository.
  static let intelBinaries = environment("TDXFS_INTEL_BINARIES")

  /// Runs `tdxfs` with `arguments`.
  static func run(_ arguments: [String], in directory: String? = nil, seconds: Int = 30) async throws -> Finished {
    try await Command.run([try binary()] + arguments, in: directory, seconds: seconds)
  }

  static func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }
}
