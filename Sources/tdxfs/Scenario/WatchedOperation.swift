import Kernfs

/// A line of `.tdxfs/watch`: what a client did with a file, or what became of an upload meanwhile.
struct WatchedOperation: Equatable {
  /// What happened.
  enum Event: Equatable {
    case open(WatchedFile)
    case read(WatchedFile)
    case write(WatchedFile)
    case close(WatchedFile)
    /// The kernel took an image of so many bytes.
    case upload(bytes: Int)
    /// An upload ended: `success` or what `error` says, and what was lost.
    case uploadEnded(result: String, lost: String)
    /// `loading=0` did nothing.
    case nothingStaged
    /// A reboot or a kexec.
    case power
    /// Anything else.
    case other
  }

  /// Place in the log.
  let number: Int
  /// Who; 0 for the machine itself.
  let pid: Int32
  let event: Event
  /// The open file.
  let file: UInt64
  let offset: Int
  let asked: Int
  /// Bytes moved; nil when it failed.
  private(set) var moved: Int?
  /// The name of the error.
  let error: String?
  /// The first bytes of a text.
  private(set) var text: [UInt8]

  /// The text as people see it, without the newline at its end.
  var shown: String { String(decoding: text, as: UTF8.self).trimmed.filter { $0 != "\n" && $0 != "\0" } }

  /// Reads a line; nil for one that is none.
  init?(line: Substring) {
    var values: [Substring: Substring] = [:]
    for word in line.split(separator: " ") {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { values[parts[0]] = parts[1] }
    }
    guard let number = values["n"].flatMap({ Int($0) }), let operation = values["op"] else { return nil }
    self.number = number
    pid = values["pid"].flatMap { Int32($0) } ?? 0
    file = values["file"].flatMap { UInt64($0) } ?? 0
    offset = values["offset"].flatMap { Int($0) } ?? 0
    asked = values["asked"].flatMap { Int($0) } ?? 0
    let result = values["result"] ?? ""
    moved = Int(result)
    error = result.hasPrefix("E") ? String(result) : nil
    text = Self.unescaped(values["text"] ?? "")
    let path = WatchedFile(path: values["path"] ?? "")
    event =
      switch operation {
      case "open": .open(path)
      case "read": .read(path)
      case "write": .write(path)
      case "close": .close(path)
      case "upload": .upload(bytes: values["bytes"].flatMap { Int($0) } ?? 0)
      case "upload-end":
        .uploadEnded(
          result: String(decoding: Self.unescaped(result), as: UTF8.self), lost: String(values["lost"] ?? "-"))
      case "nothing-staged", "unexpected-value": .nothingStaged
      case "power": .power
      default: .other
      }
  }

  /// The lines of the log `text`. Reads that go on where the one before has stopped are one: shells read byte by byte,
  /// and all of it was made by the first read.
  static func list(_ text: String) -> [WatchedOperation] {
    var list: [WatchedOperation] = []
    var reads: [UInt64: Int] = [:]
    for line in text.split(separator: "\n") {
      guard let operation = WatchedOperation(line: line) else { continue }
      if case .read(let path) = operation.event, path != .data {
        if operation.offset > 0, let moved = operation.moved, let first = reads[operation.file],
          let before = list[first].moved, operation.offset == before
        {
          list[first].moved = before + moved
          list[first].text += operation.text
          continue
        }
        reads[operation.file] = list.count
      }
      list.append(operation)
    }
    return list
  }

  /// `\xNN` as bytes.
  private static func unescaped(_ word: Substring) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(word.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"),
        let value = UInt8(String(decoding: rest.dropFirst().prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return bytes
  }
}

/// What a file of the machine is to a client.
enum WatchedFile: Equatable {
  case loading
  case data
  case status
  case error
  case remainingSize
  case cancel
  case version
  case loaderVersion
  case remainingUpdates
  /// `devices/system/cpu/…`.
  case cpus(String)
  case other(String)

  init(path: Substring) {
    let names = path.split(separator: "/").map(String.init)
    let name = names.last ?? ""
    if names.dropLast(2).last == "firmware" {
      switch name {
      case "loading": self = .loading
      case "data": self = .data
      case "status": self = .status
      case "error": self = .error
      case "remaining_size": self = .remainingSize
      case "cancel": self = .cancel
      default: self = .other(name)
      }
      return
    }
    switch name {
    case "version" where names.dropLast().last == "seamldr": self = .loaderVersion
    case "version": self = .version
    case "seamldr_version": self = .loaderVersion
    case "num_remaining_updates": self = .remainingUpdates
    default:
      self = path.hasPrefix("devices/system/cpu/") ? .cpus(names.dropFirst(3).joined(separator: "/")) : .other(name)
    }
  }

  /// What it is called.
  var name: String {
    switch self {
    case .loading: "loading"
    case .data: "data"
    case .status: "status"
    case .error: "error"
    case .remainingSize: "remaining_size"
    case .cancel: "cancel"
    case .version: "version"
    case .loaderVersion: "seamldr_version"
    case .remainingUpdates: "num_remaining_updates"
    case .cpus(let name): "cpu/\(name)"
    case .other(let name): name
    }
  }
}

/// What a client saw, in few words: the operations of one kind on one file told once.
struct Conversation {
  /// Phrases in order.
  private(set) var phrases: [String] = []

  /// Of the operations of everybody but `rehearsal`.
  init(_ operations: [WatchedOperation], besides rehearsal: Int32) {
    var written = (bytes: 0, calls: 0)
    for operation in operations where operation.pid != rehearsal && operation.pid != 0 {
      switch operation.event {
      case .write(.data):
        if let moved = operation.moved {
          written = (written.bytes + moved, written.calls + 1)
        } else {
          flush(&written)
          say("data refused (\(operation.error ?? "-"))")
        }
      case .write(let file):
        flush(&written)
        say("\(file.name) ← \(operation.error.map { "\(operation.shown) (\($0))" } ?? operation.shown)")
      case .read(let file):
        flush(&written)
        if case .data = file { say("data read") } else { say("\(file.name) = \(operation.error ?? quoted(operation))") }
      case .open(let file):
        if let error = operation.error { say("\(file.name) cannot be opened (\(error))") }
      case .close, .upload, .uploadEnded, .nothingStaged, .power, .other: continue
      }
    }
    flush(&written)
  }

  private func quoted(_ operation: WatchedOperation) -> String { operation.shown.isEmpty ? "''" : operation.shown }

  private mutating func say(_ phrase: String) {
    if phrases.last != phrase { phrases.append(phrase) }
  }

  private mutating func flush(_ written: inout (bytes: Int, calls: Int)) {
    if written.calls > 0 { say("data ← \(written.bytes) bytes in \(written.calls) writes") }
    written = (0, 0)
  }
}
