import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// Files as a client meets them: one system call each, and its errno.
enum File {
  /// The whole content, read until the end.
  static func bytes(_ path: String) throws -> [UInt8] {
    let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec])
    defer { try? file.close() }
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
      if count == 0 { return content }
      content += buffer[0..<count]
    }
  }

  /// The whole content as text.
  static func read(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

  /// One write(2), as `echo` does it; how many bytes were taken.
  @discardableResult
  static func write(_ content: [UInt8], to path: String) throws -> Int {
    let file = try FileDescriptor.open(FilePath(path), .writeOnly, options: [.closeOnExec])
    defer { try? file.close() }
    return try content.withUnsafeBytes { try file.write($0) }
  }

  /// A new file.
  static func create(_ path: String, _ content: [UInt8]) throws {
    let file = try FileDescriptor.open(
      FilePath(path), .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
    defer { try? file.close() }
    try file.writeAll(content)
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

/// A directory that is there for one test.
struct TemporaryDirectory {
  let path: String

  init() throws {
    var template = Array("/tmp/tdxfs-acceptance.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
    path = template.withUnsafeBufferPointer {
      String(decoding: $0.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  /// Removes it with all that it holds; never crosses into a mount.
  func remove() {
    guard
      let rm = try? Command.spawn(
        ["rm", "-rf", "--one-file-system", path], output: "/dev/null", errors: "/dev/null")
    else { return }
    waitpid(rm, nil, 0)
  }
}
