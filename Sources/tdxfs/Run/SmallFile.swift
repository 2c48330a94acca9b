import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// What a directory entry is, as far as laying one tree over another needs to know.
enum EntryKind: Equatable {
  case directory
  /// Anything that is neither a directory nor a link.
  case file
  case symbolicLink(target: String)
}

/// The few file operations of the private view, with typed errors.
enum SmallFile {
  /// Writes `text` to an existing file, in one write(2).
  static func write(_ text: String, to path: FilePath) throws(Errno) {
    try errnoOnly {
      let file = try FileDescriptor.open(path, .writeOnly)
      defer { try? file.close() }
      _ = try file.writeAll(Array(text.utf8))
    }
  }

  /// Makes a new file, mode 0444, that holds `content`.
  static func create(_ path: FilePath, content: [UInt8]) throws(Errno) {
    try errnoOnly {
      let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate], permissions: [.ownerRead, .groupRead, .otherRead])
      defer { try? file.close() }
      _ = try file.writeAll(content)
    }
  }

  /// Puts a file, mode 0600, that holds `content` in the place of `path`, when it is whole.
  static func replace(_ path: FilePath, with content: [UInt8]) throws(Errno) {
    let temporary = FilePath(path.string + ".new")
    do {
      let file = try FileDescriptor.open(
        temporary, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
      do {
        _ = try file.writeAll(content)
        try file.close()
      } catch {
        try? file.close()
        throw error
      }
      guard rename(temporary.string, path.string) == 0 else { throw Errno(rawValue: errno) }
    } catch {
      unlink(temporary.string)
      throw error as? Errno ?? .ioError
    }
  }

  /// Makes the directory `path`, mode 0755.
  static func makeDirectory(_ path: FilePath) throws(Errno) {
    guard mkdir(path.string, 0o755) == 0 else { throw Errno(rawValue: errno) }
  }

  /// Makes the symbolic link `path`.
  static func makeLink(_ path: FilePath, to target: String) throws(Errno) {
    guard symlink(target, path.string) == 0 else { throw Errno(rawValue: errno) }
  }

  /// What is at `path`; nil when there is nothing.
  static func kind(of path: FilePath) throws(Errno) -> EntryKind? { try kind(of: path.string, in: AT_FDCWD) }

  private static func kind(of name: String, in directory: Int32) throws(Errno) -> EntryKind? {
    var status = stat()
    guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      if errno == ENOENT { return nil }
      throw Errno(rawValue: errno)
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return .directory
    case S_IFLNK: return .symbolicLink(target: try linkTarget(of: name, in: directory))
    default: return .file
    }
  }

  /// The target of the link at `path`.
  static func linkTarget(of path: FilePath) throws(Errno) -> String { try linkTarget(of: path.string, in: AT_FDCWD) }

  private static func linkTarget(of name: String, in directory: Int32) throws(Errno) -> String {
    let room = Int(PATH_MAX)
    let target = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      guard let start = buffer.baseAddress else { return }
      count = max(0, readlinkat(directory, name, start, room))
    }
    guard !target.isEmpty else { throw Errno(rawValue: errno) }
    return String(decoding: target, as: UTF8.self)
  }

  /// The names in the directory `path` and what they are, without `.` and `..`.
  static func list(_ path: FilePath) throws(Errno) -> [String: EntryKind] {
    guard let directory = opendir(path.string) else { throw Errno(rawValue: errno) }
    defer { closedir(directory) }
    var entries: [String: EntryKind] = [:]
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name != ".", name != ".." else { continue }
      entries[name] = try kind(of: name, in: dirfd(directory))
    }
    return entries
  }

  /// swift-system throws only `Errno`, but does not say so in its types.
  private static func errnoOnly(_ body: () throws -> Void) throws(Errno) {
    do { try body() } catch { throw error as? Errno ?? .ioError }
  }
}
