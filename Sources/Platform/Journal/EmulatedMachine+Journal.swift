import Basics
import Kernfs
import SystemPackage
import TDXHost

/// What the trace keeps of what clients do: enough to do it again.
extension EmulatedMachine {
  /// The file that takes snapshots.
  private static let snapshotPath = ".tdxfs/snapshot"

  /// Keeps `operation` on the machine's files.
  func journal(_ operation: TreeOperation) {
    lock.withLock {
      switch operation {
      case .data(let path, let offset, let count): trace.data(path, offset: offset, count: count, time: now)
      case .write(let path, let offset, let bytes) where path == Self.snapshotPath:
        // Megabytes that nobody wants to read again, and with the last of which this trace ends.
        trace.data(path, offset: offset, count: bytes.count, time: now)
      case .write(let path, _, let bytes):
        let content: (String, Trace.Value)
        if let text = String(validating: bytes, as: UTF8.self) {
          content = ("text", .text(text))
        } else {
          content = ("hex", .text(bytes.hexadecimal))
        }
        trace.note("write", [("file", .text(path)), content], time: now)
      case .makeDirectory(let path): trace.note("mkdir", [("file", .text(path))], time: now)
      case .removeDirectory(let path): trace.note("rmdir", [("file", .text(path))], time: now)
      case .create(let path): trace.note("create", [("file", .text(path))], time: now)
      case .unlink(let path): trace.note("unlink", [("file", .text(path))], time: now)
      case .refused(let path, let errno):
        trace.note("refused", [("file", .text(path)), ("errno", .number(Int(errno.rawValue)))], time: now)
      }
    }
  }

  /// Keeps that a file, whose show method makes a SEAMCALL, is read by `body`. `lock` is held.
  @inline(__always)
  func journal<Value>(_ read: TracedRead, _ body: () throws(Errno) -> Value) throws(Errno) -> Value {
    guard isTraced(read) else { return try body() }
    // The call follows at once: the clock is read once for both.
    let moment = clock.microseconds()
    trace.note(read, record(of: read), time: moment &- start)
    silicon.presetBegin = moment
    defer { silicon.presetBegin = nil }
    return try body()
  }

  @inline(__always)
  private func isTraced(_ read: TracedRead) -> Bool {
    switch read {
    case .seamldrVersion: versionRead != nil
    case .numRemainingUpdates: remainingRead != nil
    }
  }

  private func record(of read: TracedRead) -> Trace.Note? {
    switch read {
    case .seamldrVersion: versionRead
    case .numRemainingUpdates: remainingRead
    }
  }

  /// What the trace says of a read of the first file of `profile` that shows what `isShown` takes. Nil: there is none, or
  /// reading it makes no SEAMCALL.
  static func readRecord(
    _ profile: ABIProfile, _ options: MachineOptions, _ isShown: (HostFile.Content) -> Bool
  ) -> Trace.Note? {
    guard profile.seamldrReadError != .cached, let file = profile.files.first(where: { isShown($0.content) }) else {
      return nil
    }
    let path = options.layout == .sys ? "\(profile.root)/\(file.path)" : file.path
    return Trace.rendered("read", [("file", .text(path))])
  }
}
