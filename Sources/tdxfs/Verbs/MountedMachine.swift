import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A mounted machine, as the verbs drive it: through its control directory.
struct MountedMachine {
  /// The mount point.
  let mountPoint: FilePath

  /// The control directory.
  var control: FilePath { mountPoint.appending(".tdxfs") }

  /// The machine that a verb means: `--at`, else `TDXFS_MOUNT`, else the only mount there is.
  static func find(at option: String?) throws -> MountedMachine {
    if let path = option ?? environment("TDXFS_MOUNT") {
      let machine = MountedMachine(mountPoint: absolute(path))
      switch machine.refusal {
      case nil: return machine
      case .noSuchFileOrDirectory?, .notDirectory?:
        throw Failure.refused(
          "\(path) is no tdxfs mount with a control directory (is it mounted, and with control=on?)")
      case let errno?:
        throw Failure.refused("the control directory of \(path) cannot be opened: \(errno)")
      }
    }
    let mounts = try mounts()
    switch mounts.count {
    case 0:
      throw Failure.refused("no tdxfs is mounted; mount one with: tdxfs MOUNTPOINT, or name one with --at MOUNT")
    case 1: return mounts[0]
    default:
      let list = mounts.map(\.mountPoint.string).joined(separator: ", ")
      throw Failure.refused("several machines are mounted (\(list)): name one with --at MOUNT")
    }
  }

  /// All mounts of type `fuse.tdxfs` in this mount namespace.
  static func mounts() throws -> [MountedMachine] {
    let table = String(decoding: try readFile("/proc/self/mounts"), as: UTF8.self)
    return table.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count >= 3, fields[2] == "fuse.tdxfs" else { return nil }
      return MountedMachine(mountPoint: FilePath(unescaped(fields[1])))
    }
  }

  /// Why the machine can't be driven; nil when it can.
  private var refusal: Errno? {
    do {
      try FileDescriptor.open(control.appending("status"), .readOnly).close()
      return nil
    } catch {
      return error as? Errno ?? .ioError
    }
  }

  /// `path` without symbolic links, or as it is where there is nothing.
  private static func absolute(_ path: String) -> FilePath {
    guard let resolved = realpath(path, nil) else { return FilePath(path) }
    defer { free(resolved) }
    return FilePath(platformString: resolved)
  }

  /// The control file `status` by keys.
  func status() throws -> [String: String] {
    var values: [String: String] = [:]
    for line in String(decoding: try read("status"), as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
    }
    return values
  }

  /// Whether the mount is a `/sys` tree, not the `tdx_host` directory.
  var hasSysLayout: Bool {
    (try? FileDescriptor.open(mountPoint.appending("devices"), .readOnly))?.closeQuietly() ?? false
  }

  /// The whole text of the control file `name`.
  func read(_ name: String) throws -> [UInt8] {
    do {
      return try Self.readFile(control.appending(name))
    } catch let error as Errno {
      throw Failure.refused("cannot read \(control.appending(name)): \(error)")
    }
  }

  /// Writes `text` to the control file `name`, which is made where it is missing if `isMade`; a refusal tells its reason.
  func write(_ text: String, to name: String, isMade: Bool = false) throws {
    try write(Array(text.utf8), to: name, isMade: isMade)
  }

  /// Writes `bytes` to the control file `name`, in as many calls as they need; as ``write(_:to:isMade:)``.
  func write(_ bytes: [UInt8], to name: String, isMade: Bool = false) throws {
    let file: FileDescriptor
    do {
      file = try FileDescriptor.open(
        control.appending(name), .writeOnly, options: isMade ? [.create] : [],
        permissions: isMade ? [.ownerReadWrite] : nil)
    } catch {
      throw isMade ? refusal(of: name, error) : Failure.refused("cannot write \(control.appending(name)): \(error)")
    }
    defer { try? file.close() }
    do {
      _ = try file.writeAll(bytes)
    } catch {
      throw refusal(of: name, error)
    }
  }

  /// Takes the control file `name` away.
  func remove(_ name: String) throws {
    guard unlink(control.appending(name).string) == 0 else {
      let error = Errno(rawValue: errno)
      throw error == .noSuchFileOrDirectory ? Failure.refused("there is no \(name)") : refusal(of: name, error)
    }
  }

  /// The names in the control directory's directory `name`, sorted.
  func names(in name: String) throws -> [String] {
    do {
      return try SmallFile.list(control.appending(name)).keys.sorted()
    } catch {
      throw Failure.refused("cannot read \(control.appending(name)): \(error)")
    }
  }

  /// What `last_error` says of an operation on `name` that gave `error`.
  func refusal(of name: String, _ error: any Error) -> Failure {
    let reason = (try? read("last_error")).map { String(decoding: $0, as: UTF8.self) } ?? ""
    return Failure.refused(reason.split(separator: "\n").first.map(String.init) ?? "\(name): \(error)")
  }

  /// All bytes of the file at `path`.
  static func readFile(_ path: FilePath) throws -> [UInt8] {
    let file = try FileDescriptor.open(path, .readOnly)
    defer { try? file.close() }
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
      guard count > 0 else { return content }
      content.append(contentsOf: buffer[0..<count])
    }
  }

  /// The variable `name` of the environment, if it is set and not empty.
  static func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }

  /// A field of /proc/mounts without its octal escapes.
  private static func unescaped(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension FileDescriptor {
  /// Closes; true, so that it can end a chain of optionals.
  fileprivate func closeQuietly() -> Bool {
    try? close()
    return true
  }
}
