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
      // One more than there is, so that the first part comes to the end; what has no size comes in several.
      var room = min(max(size(of: file), 1 << 16), limit) + 1
      while content.count <= limit {
        let part = try self.part(of: file, room: room)
        content = content.isEmpty ? part : content + part
        guard part.count == room else { return content }
        room = 1 << 20
      }
    } catch {
      throw Failure.refused("cannot read \(path): \(error)")
    }
    throw Failure.refused("\(path) is larger than 64 MiB, which no image is")
  }

  private static func size(of file: FileDescriptor) -> Int {
    var status = stat()
    return fstat(file.rawValue, &status) == 0 ? Int(clamping: status.st_size) : 0
  }

  /// The next `room` bytes, fewer only at the end.
  private static func part(of file: FileDescriptor, room: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
      while filled < room {
        let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
        let count = try file.read(into: rest)
        if count == 0 { break }
        filled += count
      }
    }
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
