import Basics
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// `state=FILE`: where a machine is kept across daemon restarts.
///
/// The file is a snapshot. A new one is written beside it, forced to disk, and put in its place, so that there is a whole one
/// at any time. `FILE.lock` is locked as long as a daemon uses the file.
public final class StateFile: Sendable {
  /// Its path.
  public let path: FilePath
  private let lockFile: FileDescriptor
  private let state = Guarded(State())

  private struct State {
    /// What ``EmulatedMachine/changeMarker`` was when the file was written.
    var marker: [Int]?
    /// Why the last attempt to write it failed.
    var failure: String?
  }

  private static let permissions: FilePermissions = [.ownerReadWrite]
  /// A daemon that has just unmounted still writes the file. Who mounts again at once waits for it.
  private static let patience = Duration.seconds(5)

  /// Takes hold of the file, which need not exist yet.
  /// - Throws: an error when another daemon has it, or when there is no place for it.
  public init(path: FilePath) throws(SnapshotError) {
    self.path = path
    // A device would have no end, a FIFO is waited for, and a save would put a file in the place of either.
    var status = stat()
    guard stat(path.string, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw SnapshotError("state=\(path) is no regular file; name one, or a place for a new one")
    }
    let lockPath = FilePath(path.string + ".lock")
    do {
      lockFile = try FileDescriptor.open(
        lockPath, .readWrite, options: [.create, .closeOnExec], permissions: Self.permissions)
    } catch {
      throw SnapshotError("state=\(path): \(lockPath) cannot be made: \(error)")
    }
    guard FileLock.take(lockFile.rawValue, within: Self.patience) else {
      try? lockFile.close()
      throw SnapshotError(
        "state=\(path): another tdxfs keeps its machine in this file; give this one a file of its own, or unmount that")
    }
  }

  deinit { try? lockFile.close() }

  /// Brings `machine`, which nobody uses yet, into the state in the file, if there is one. True when there was.
  public func load(into machine: EmulatedMachine) throws(SnapshotError) -> Bool {
    let bytes: [UInt8]
    let time: String
    do {
      let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
      defer { try? file.close() }
      bytes = try Self.readAll(file, upTo: machine.largestSnapshot)
      time = Self.modificationTime(file)
    } catch Errno.noSuchFileOrDirectory {
      return false
    } catch {
      throw SnapshotError("state=\(path) cannot be read: \(error)")
    }
    do throws(SnapshotError) {
      try machine.restore(bytes, log: "restored from \(path), saved at \(time)")
    } catch {
      throw SnapshotError("state=\(path): \(error.description); move the file away for a new machine")
    }
    return true
  }

  /// Writes the machine, if something has happened to it since the last time, or else if `always`. A failure is told in the
  /// kernel log, once, and in `last_error`; the file stays as it was.
  public func save(_ machine: EmulatedMachine, always: Bool = false) {
    state.withLock { state in
      let marker = machine.changeMarker
      guard always || state.marker != marker else { return }
      do throws(SnapshotError) {
        try write(try machine.snapshot())
        state = State(marker: marker)
      } catch {
        machine.tellUnsaved(error.description, isNew: state.failure != error.description)
        state.failure = error.description
      }
    }
  }

  // MARK: The file

  private func write(_ bytes: [UInt8]) throws(SnapshotError) {
    let temporary = FilePath(path.string + ".new")
    do {
      let file = try FileDescriptor.open(
        temporary, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: Self.permissions)
      do {
        _ = try file.writeAll(bytes)
        guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
        try file.close()
      } catch {
        try? file.close()
        throw error
      }
      guard rename(temporary.string, path.string) == 0 else { throw Errno(rawValue: errno) }
      forceDirectory()
    } catch {
      unlink(temporary.string)
      throw SnapshotError("the machine could not be saved to \(path): \(error)")
    }
  }

  /// The new name is on disk too. Filesystems that can't promise it are no reason to fail.
  private func forceDirectory() {
    let parent = path.removingLastComponent()
    guard
      let directory = try? FileDescriptor.open(parent.isEmpty ? "." : parent, .readOnly, options: [.closeOnExec])
    else { return }
    fsync(directory.rawValue)
    try? directory.close()
  }

  /// The whole content; of a file that is too long for what its first bytes say no more than shows that.
  private static func readAll(_ file: FileDescriptor, upTo limit: Int) throws -> [UInt8] {
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    var enough = SnapshotFormat.headerSize
    while content.count <= enough {
      let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
      guard count > 0 else { return content }
      let isStart = content.count < SnapshotFormat.headerSize
      content.append(contentsOf: buffer[0..<count])
      guard isStart, content.count >= SnapshotFormat.headerSize else { continue }
      enough = (try? SnapshotFormat.length(content)).map { min($0, limit) } ?? enough
    }
    return content
  }

  /// When the file was written, in UTC.
  private static func modificationTime(_ file: FileDescriptor) -> String {
    var status = stat()
    guard fstat(file.rawValue, &status) == 0 else { return "-" }
    var time = status.st_mtim.tv_sec
    var parts = tm()
    guard gmtime_r(&time, &parts) != nil else { return "-" }
    var text = [CChar](repeating: 0, count: 64)
    let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension EmulatedMachine {
  /// The machine could not be saved: the kernel log says so when that is new, and `last_error` always.
  fileprivate func tellUnsaved(_ reason: String, isNew: Bool) {
    lock.withLock {
      if isNew { host.log.append(.error, "tdxfs: \(reason)") }
      controlError = reason
    }
  }
}
