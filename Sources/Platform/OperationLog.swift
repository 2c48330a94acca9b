import Basics
import Kernfs
import SystemPackage

/// What clients do with a machine's files, one line an operation: what `.tdxfs/watch` shows. Off unless asked for.
///
/// Between the operations stand the machine's own events (uploads and power), so that the log tells what a client knew
/// when it did something.
public final class OperationLog: OperationWatcher {
  /// Lines that are kept; further ones are only counted.
  public static let capacity = 65_536

  private struct State {
    var isOn = false
    var next: UInt64 = 0
    /// The first number of this log. What began before belongs to the log before, also when it ends now.
    var first: UInt64 = 0
    var dropped = 0
    var lines: [UInt64: String] = [:]
  }

  private let state = Guarded(State())

  /// An empty log that is off.
  public init() {}

  /// Whether it is written.
  public var isOn: Bool { state.withLock { $0.isOn } }

  /// Begins an empty log.
  public func start() { state.withLock { $0 = State(isOn: true, next: $0.next, first: $0.next) } }

  /// Ends it; what it has stays readable.
  public func stop() { state.withLock { $0.isOn = false } }

  /// A number for what begins now; numbers are the log's order.
  public func began() -> UInt64 {
    state.withLock { state in
      defer { state.next &+= 1 }
      return state.next
    }
  }

  /// Keeps an operation.
  public func ended(_ operation: FileOperation, _ place: UInt64) {
    var line = "pid=\(operation.caller.pid) op=\(operation.kind.rawValue) path=\(operation.path)"
    line += " file=\(operation.file) offset=\(operation.offset) asked=\(operation.asked)"
    switch operation.result {
    case .success(let count): line += " result=\(count)"
    case .failure(let error): line += " result=\(error.symbol)"
    }
    if !operation.head.isEmpty { line += " text=\(Self.escaped(operation.head))" }
    keep(line, at: place)
  }

  /// Keeps an event of the machine.
  func note(_ kind: String, _ members: [(String, Trace.Value)] = []) {
    guard isOn else { return }
    var line = "pid=0 op=\(kind)"
    for (name, value) in members {
      switch value {
      case .text(let text): line += " \(name)=\(Self.escaped(Array(text.utf8)))"
      case .number(let number): line += " \(name)=\(number)"
      }
    }
    keep(line, at: began())
  }

  /// The lines in order, each with its number.
  public var text: String {
    let (lines, dropped, first) = state.withLock { ($0.lines, $0.dropped, $0.first) }
    let text = lines.keys.sorted().map { "n=\($0 &- first) \(lines[$0] ?? "")\n" }.joined()
    return dropped == 0 ? text : text + "op=dropped count=\(dropped)\n"
  }

  private func keep(_ line: String, at place: UInt64) {
    state.withLock { state in
      guard state.isOn, place >= state.first else { return }
      if state.lines.count < Self.capacity { state.lines[place] = line } else { state.dropped &+= 1 }
    }
  }

  /// One word: white space, control characters and backslashes as `\xNN`.
  private static func escaped(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
      byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\\")
        ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }
}

extension Errno {
  /// The name that C has for it, `EBUSY`; a number for one that no file of ours gives.
  public var symbol: String {
    switch self {
    case .notPermitted: "EPERM"
    case .noSuchFileOrDirectory: "ENOENT"
    case .interrupted: "EINTR"
    case .ioError: "EIO"
    case .noSuchAddressOrDevice: "ENXIO"
    case .badFileDescriptor: "EBADF"
    case .noMemory: "ENOMEM"
    case .permissionDenied: "EACCES"
    case .resourceBusy: "EBUSY"
    case .fileExists: "EEXIST"
    case .operationNotSupportedByDevice: "ENODEV"
    case .notDirectory: "ENOTDIR"
    case .isDirectory: "EISDIR"
    case .invalidArgument: "EINVAL"
    case .fileTooLarge: "EFBIG"
    case .noSpace: "ENOSPC"
    case .readOnlyFileSystem: "EROFS"
    case .connectionAbort: "ECONNABORTED"
    case .socketNotConnected: "ENOTCONN"
    case .staleNFSFileHandle: "ESTALE"
    default: "E\(rawValue)"
    }
  }
}
