import ModuleImage
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// Files and directories of the image verbs.
enum ImageFiles {
  /// Nothing beyond this is read: Linux stages no larger firmware (64 MiB).
  private static let limit = 64 << 20

  /// The image at `path`.
  static func image(at path: String) throws(Failure) -> ModuleImageFile {
    let bytes = try read(path)
    do {
      return try ModuleImageFile(bytes)
    } catch {
      throw Failure.refused("\(path) \(error)")
    }
  }

  /// All bytes of the file at `path`.
  static func read(_ path: String) throws(Failure) -> [UInt8] {
    do {
      let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
      defer { try? file.close() }
      var content: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 1 << 20)
      while content.count <= limit {
        let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0) }
        guard count > 0 else { return content }
        content.append(contentsOf: chunk[..<count])
      }
    } catch {
      throw Failure.refused("cannot read \(path): \(error)")
    }
    throw Failure.refused("\(path) is larger than 64 MiB, which no image is")
  }

  /// Makes the file at `path` with `bytes`, or replaces what it holds.
  static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
    do {
      let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      try file.closeAfter { _ = try file.writeAll(bytes) }
    } catch {
      throw Failure.refused("cannot write \(path): \(error)")
    }
  }

  /// Makes the directory at `path`, which must not exist.
  static func makeDirectory(_ path: String) throws(Failure) {
    guard mkdir(path, 0o777) != 0 else { return }
    let error = Errno(rawValue: errno)
    guard error != .fileExists else {
      throw Failure.refused("\(path) exists already; name a directory that does not, it will be made")
    }
    throw Failure.refused("cannot make the directory \(path): \(error)")
  }
}
