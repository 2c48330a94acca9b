import Basics
import FuseKit
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// What follows the header of a request of the FUSE protocol (linux/fuse.h): little-endian numbers, names that end with NUL,
/// bytes.
final class FuseMessage {
  private(set) var bytes: [UInt8] = []

  @discardableResult
  func put(_ numbers: UInt32...) -> FuseMessage {
    for number in numbers { bytes += number.littleEndianBytes }
    return self
  }

  @discardableResult
  func put(_ numbers: UInt64...) -> FuseMessage {
    for number in numbers { bytes += number.littleEndianBytes }
    return self
  }

  @discardableResult
  func put(_ more: [UInt8]) -> FuseMessage {
    bytes += more
    return self
  }

  /// The kernel's names are not empty, have no NUL and no slash, and end within 255 bytes.
  @discardableResult
  func put(name: [UInt8]) -> FuseMessage {
    let name = name.prefix(255).filter { $0 != 0 && $0 != UInt8(ascii: "/") }
    bytes += (name.isEmpty ? [UInt8(ascii: "x")] : name) + [0]
    return self
  }
}

/// The kernel's end of /dev/fuse, played: one request after the other to a filesystem in this process, through libfuse, and
/// the answer to each.
final class FuseClient {
  /// Opcodes of FUSE.
  enum Operation: UInt32, CaseIterable {
    case lookup = 1
    case forget = 2
    case getAttributes = 3
    case setAttributes = 4
    case readLink = 5
    case makeSymlink = 6
    case makeNode = 8
    case makeDirectory = 9
    case unlink = 10
    case removeDirectory = 11
    case rename = 12
    case link = 13
    case open = 14
    case read = 15
    case write = 16
    case fileSystemStatistics = 17
    case release = 18
    case synchronize = 20
    case setExtendedAttribute = 21
    case getExtendedAttribute = 22
    case listExtendedAttributes = 23
    case removeExtendedAttribute = 24
    case flush = 25
    case openDirectory = 27
    case readDirectory = 28
    case releaseDirectory = 29
    case synchronizeDirectory = 30
    case access = 34
    case create = 35
    case interrupt = 36
    case control = 39
    case poll = 40
    case allocate = 43
    case rename2 = 45
    case seek = 46
  }

  enum Caller {
    case root
    case somebody
  }

  /// Nodes that the filesystem has named, the root first.
  private(set) var nodes: [UInt64] = [1]
  /// Files that are open.
  private(set) var files: [UInt64] = []
  private(set) var lastRequest: UInt64 = 0

  private let descriptor: Int32
  private let thread: Thread
  /// Requests, and what they asked for.
  private var sent: [UInt64: Operation] = [:]
  /// Requests that were not answered at once.
  private var waiting: [UInt64: Operation] = [:]
  private var interrupts: Set<UInt64> = []
  private static let patience: Int32 = 20_000

  init(_ filesystem: any FuseFilesystem) throws {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0 else {
      throw Finding(description: "no socket: \(Errno(rawValue: errno))")
    }
    descriptor = ends[0]
    let served = ends[1]
    thread = Thread {
      let options = SessionOptions(source: "fuzzing", subtype: "tdxfs")
      guard let session = try? Session(serving: filesystem, over: served, options: options) else {
        close(served)
        return
      }
      try? session.serve()
    }
    // What a kernel offers, but for splice, which wants pipes.
    let offers: UInt32 = 0x03FF_FC7F
    try send(26, to: 0, FuseMessage().put(7, 38, 131_072, offers).put([UInt8](repeating: 0, count: 48)), by: .root)
    try Finding.unless(try answer(to: lastRequest, patience: Self.patience)?.error == 0, "INIT is not answered")
  }

  /// The connection goes, as at an unmount.
  func end() {
    shutdown(descriptor, Int32(SHUT_WR))
    thread.join()
    close(descriptor)
  }

  /// The node `name` in `parent`; nil where there is none.
  func lookup(_ name: String, in parent: UInt64) throws -> UInt64? {
    try send(.lookup, to: parent, FuseMessage().put(name: Array(name.utf8)), by: .root)
    return nodes.last
  }

  func forget(file: UInt64) { files.removeAll { $0 == file } }

  /// Sends a request, and takes its answer unless it has to wait.
  func send(_ operation: Operation, to node: UInt64, _ body: FuseMessage, by caller: Caller) throws {
    try send(operation.rawValue, to: node, body, by: caller)
    sent[lastRequest] = operation
    switch operation {
    case .forget: return
    case .interrupt:
      interrupts.insert(lastRequest)
      return
    default: break
    }
    waiting[lastRequest] = operation
    // Whoever waits for an update gets the answer from another thread.
    if let answer = try answer(to: lastRequest, patience: 30) { try take(answer, body) }
  }

  /// Waits until all requests are answered.
  func drain() throws {
    while let next = waiting.keys.min() {
      guard let answer = try answer(to: next, patience: Self.patience) else {
        throw Finding(description: "request \(next), \(waiting[next].map { "\($0)" } ?? ""), is never answered")
      }
      try take(answer, nil)
    }
  }

  private func send(_ opcode: UInt32, to node: UInt64, _ body: FuseMessage, by caller: Caller) throws {
    lastRequest += 2
    let user: UInt32 = caller == .root ? 0 : 1000
    let message = FuseMessage().put(UInt32(40 + body.bytes.count), opcode).put(lastRequest, node)
      .put(user, user, 0, 0).put(body.bytes).bytes
    guard write(descriptor, message, message.count) == message.count else {
      throw Finding(description: "the filesystem takes no requests any more: \(Errno(rawValue: errno))")
    }
  }

  private struct Answer {
    var request: UInt64
    var error: Int32
    var body: [UInt8]
  }

  private var early: [UInt64: Answer] = [:]

  /// The answer to `request`, kept if it came before; nil when it does not come in so many milliseconds.
  private func answer(to request: UInt64, patience: Int32) throws -> Answer? {
    if let answer = early.removeValue(forKey: request) { return answer }
    var buffer = [UInt8](repeating: 0, count: 1 << 17)
    while true {
      var readable = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let ready = poll(&readable, 1, patience)
      // The fuzzer's own timer.
      if ready < 0, errno == EINTR { continue }
      guard ready == 1 else { return nil }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count >= 16 else { throw Finding(description: "the filesystem has ended") }
      let reader = ByteReader(Array(buffer[..<count]))
      let length = try reader.integer(at: 0, as: UInt32.self)
      let error = Int32(bitPattern: try reader.integer(at: 4, as: UInt32.self))
      let unique = try reader.integer(at: 8, as: UInt64.self)
      try Finding.unless(Int(length) == count, "a message says \(length) bytes and has \(count)")
      // Notices ask for no answer.
      if unique == 0 { continue }
      // Come back later: what is to be interrupted was not seen yet.
      if error == -EAGAIN, interrupts.contains(unique) { continue }
      try Finding.unless((-4095...0).contains(error) && error != -512, "request \(unique) is answered with \(error)")
      let answer = Answer(request: unique, error: error, body: Array(buffer[16..<count]))
      if unique == request { return answer }
      try Finding.unless(
        waiting[unique] != nil && early[unique] == nil,
        "request \(unique), \(sent[unique].map { "\($0)" } ?? "INIT"), is answered again, with \(error)")
      early[unique] = answer
    }
  }

  private func take(_ answer: Answer, _ body: FuseMessage?) throws {
    guard let operation = waiting.removeValue(forKey: answer.request) else { return }
    guard answer.error == 0 else {
      try Finding.unless(answer.body.isEmpty, "\(operation) fails and gives \(answer.body.count) bytes")
      return
    }
    let reader = ByteReader(answer.body)
    switch operation {
    case .lookup, .makeNode, .makeDirectory, .create, .makeSymlink, .link:
      let node = try reader.integer(at: 0, as: UInt64.self)
      if node != 0, !nodes.contains(node) { nodes.append(node) }
      if operation == .create { files.append(try reader.integer(at: 128, as: UInt64.self)) }
    case .open: files.append(try reader.integer(at: 0, as: UInt64.self))
    case .read, .readDirectory:
      guard let body, let asked = try? ByteReader(body.bytes).integer(at: 16, as: UInt32.self) else { return }
      try Finding.unless(answer.body.count <= Int(asked), "\(answer.body.count) bytes for a read of \(asked)")
    case .write:
      guard let body, let sent = try? ByteReader(body.bytes).integer(at: 16, as: UInt32.self) else { return }
      let taken = try reader.integer(at: 0, as: UInt32.self)
      try Finding.unless(taken <= sent, "\(taken) bytes are taken of \(sent)")
    case .getAttributes, .setAttributes:
      try Finding.unless(answer.body.count == 104, "attributes of \(answer.body.count) bytes")
    case .forget, .readLink, .unlink, .removeDirectory, .rename, .rename2, .fileSystemStatistics, .release,
      .synchronize,
      .setExtendedAttribute, .getExtendedAttribute, .listExtendedAttributes, .removeExtendedAttribute, .flush,
      .openDirectory, .releaseDirectory, .synchronizeDirectory, .access, .interrupt, .control, .poll, .allocate, .seek:
      break
    }
  }
}
