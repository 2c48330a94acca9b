import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Intel's real images, which are never part of the repository: a clone of their repository of binaries at
/// TDXFS_INTEL_BINARIES.
enum IntelBinaries {
  static let directory: String? = getenv("TDXFS_INTEL_BINARIES").map { String(cString: $0) }
    .flatMap { $0.isEmpty ? nil : $0 }
  static var isAvailable: Bool { directory != nil }

  /// The bytes of a file below the directory.
  static func read(_ path: String) throws -> [UInt8] {
    let directory = try #require(directory)
    let file = try #require(fopen("\(directory)/\(path)", "r"))
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
      bytes.append(contentsOf: chunk[..<count])
    }
    return bytes
  }

  static func sigstructBytes(_ version: String) throws -> [UInt8] {
    try read("separate_files/\(version.prefix(3))/\(version)/tdx_module_\(version).sigstruct")
  }

  static func moduleBytes(_ version: String) throws -> [UInt8] {
    try read("separate_files/\(version.prefix(3))/\(version)/tdx_module_\(version).bin")
  }

  static func blob(_ version: String) throws -> [UInt8] {
    try read("joined_files/\(version.prefix(3))/tdx_module_\(version).blob")
  }
}
