import Basics
import Glibc
import SystemPackage

@testable import FuseKit

/// A root directory of files in memory. How a file behaves is a matter of its name (``Behaviour``).
final class MemoryFilesystem: FuseFilesystem {
  enum Behaviour: String, CaseIterable {
    /// Reads and writes as everywhere.
    case plain
    /// Page-clipped as sysfs: at most 4096 bytes a call, st_size 0, every request noted.
    case page
    /// As plain, but through the page cache.
    case cached
    /// Read is answered by another thread.
    case late
    /// Opened, read and released at once, without libfuse: by ``MemoryFilesystem/open(_:)`` and its like, it would be as
    /// plain. Reading behind its end gives ENODATA.
    case atOnce
    /// Read and write are dropped without an answer.
    case dropped
    /// Read and write are parked until ``MemoryFilesystem/wakeParked()``.
    case parked
    /// A dropped parked request.
    case lost
    /// The reader's credentials and lock owner, as text.
    case caller
  }

  struct State {
    var contents: [NodeID: [UInt8]] = [:]
    var changes: [NodeID: (mode: UInt32, uid: UInt32, gid: UInt32)] = [:]
    var values: [String: [UInt8]] = [:]
    var openFiles: [FileHandle: NodeID] = [:]
    var nextHandle: UInt64 = 1
    /// Requests on the file ``Behaviour/atOnce`` that were answered at once.
    var answeredAtOnce = 0
    /// The handles that attributes were asked on.
    var attributesAtOnce: [FileHandle?] = []
    var written: [Int] = []
    var lookups: [NodeID: Int] = [:]
    var parked: [ParkedRequest<Op.Read>] = []
    var parkedWrites: [ParkedRequest<Op.Write>] = []
    var interrupts = 0
    var events: PollEvents = [.readable]
    var notifier: Notifier?
    var stops = 0
  }

  /// Called by each lookup.
  let onLookup = Guarded<(@Sendable () -> Void)?>(nil)

  private let lock = Lock()
  private nonisolated(unsafe) var state = State()
  private nonisolated(unsafe) var sleeper: PollHandle?

  func with<Result>(_ body: (inout State) -> Result) -> Result {
    lock.withLock {
      let result = body(&state)
      lock.wakeAll()
      return result
    }
  }

  /// Waits until the state is as `condition` wants it.
  func wait(until condition: (State) -> Bool) {
    lock.withLock { while !condition(state) { lock.wait() } }
  }

  func waitForSleeper() {
    lock.lock()
    defer { lock.unlock() }
    while sleeper == nil { lock.wait() }
  }

  func node(_ behaviour: Behaviour) -> NodeID {
    NodeID(rawValue: 2 + UInt64(Behaviour.allCases.firstIndex(of: behaviour) ?? 0))
  }

  private func behaviour(_ node: NodeID) -> Behaviour? {
    guard node.rawValue >= 2, node.rawValue - 2 < Behaviour.allCases.count else { return nil }
    return Behaviour.allCases[Int(node.rawValue - 2)]
  }

  func setEvents(_ events: PollEvents) {
    lock.lock()
    state.events = events
    let handle = sleeper.take()
    lock.unlock()
    handle?.wake()
  }

  func wakeParked() {
    let (reads, writes) = with { state in
      defer {
        state.parked = []
        state.parkedWrites = []
      }
      return (state.parked, state.parkedWrites)
    }
    for parked in reads { parked.take()?.reply(bytes: Array("woken".utf8)) }
    for parked in writes {
      guard let request = parked.take() else { continue }
      let size = request.operation.size
      request.reply(written: size)
    }
  }

  private func attributes(_ node: NodeID) -> Attributes? {
    let (content, change) = with { ($0.contents[node] ?? [], $0.changes[node]) }
    if node == .root { return Attributes(inode: 1, type: .directory, permissions: 0o755, links: 2) }
    guard let behaviour = behaviour(node) else { return nil }
    let size: Int64 = behaviour == .plain || behaviour == .cached ? Int64(content.count) : 0
    var result = Attributes(inode: node.rawValue, type: .regular, permissions: 0o644, size: size)
    if let change { (result.mode, result.uid, result.gid) = (change.mode, change.uid, change.gid) }
    return result
  }

  // MARK: FuseFilesystem

  func start(_ notifier: Notifier) { with { $0.notifier = notifier } }
  func stop() {
    with {
      $0.stops += 1
      $0.notifier = nil
    }
  }

  func lookup(_ request: consuming Request<Op.Lookup>) {
    onLookup.withLock { $0 }?()
    let named = Behaviour(rawValue: request.operation.name)
    guard request.node == .root, let named, let attributes = attributes(node(named)) else {
      return request.reply(error: .noSuchFileOrDirectory)
    }
    let found = node(named)
    with { $0.lookups[found, default: 0] += 1 }
    request.reply(
      entry: Entry(node: found, attributes: attributes, nameValidity: .unlimited, attributesValidity: .once))
  }

  func forget(_ node: NodeID, lookups: UInt64) { with { $0.lookups[node, default: 0] -= Int(lookups) } }

  func getattr(_ request: consuming Request<Op.Getattr>) {
    guard let attributes = attributes(request.node) else { return request.reply(error: .staleNFSFileHandle) }
    request.reply(attributes: attributes, validity: .once)
  }

  func setattr(_ request: consuming Request<Op.Setattr>) {
    let (node, changes) = (request.node, request.operation.changes)
    guard var attributes = attributes(node) else { return request.reply(error: .staleNFSFileHandle) }
    attributes.mode = changes.mode ?? attributes.mode
    attributes.uid = changes.uid ?? attributes.uid
    attributes.gid = changes.gid ?? attributes.gid
    with {
      $0.changes[node] = (attributes.mode, attributes.uid, attributes.gid)
      if let size = changes.size { $0.contents[node] = Array(($0.contents[node] ?? []).prefix(Int(size))) }
    }
    guard let now = self.attributes(node) else { return request.reply(error: .staleNFSFileHandle) }
    request.reply(attributes: now, validity: .once)
  }

  func getattrAtOnce(_ node: NodeID, on handle: FileHandle?) -> (Attributes, Validity)? {
    guard behaviour(node) == .atOnce, var attributes = attributes(node) else { return nil }
    with { $0.attributesAtOnce.append(handle) }
    attributes.size = 1 << 40 | 7
    attributes.blocks = 1 << 33
    attributes.links = 9
    attributes.accessed = timespec(tv_sec: 1 << 33, tv_nsec: 999_999_999)
    attributes.modified = timespec(tv_sec: -5, tv_nsec: 1)
    attributes.changed = timespec(tv_sec: 3, tv_nsec: 4)
    return (attributes, .once)
  }

  private func handle(of node: NodeID) -> FileHandle {
    with { state in
      let handle = FileHandle(rawValue: state.nextHandle)
      state.nextHandle += 1
      state.openFiles[handle] = node
      return handle
    }
  }

  func openAtOnce(_ operation: Op.Open, of node: NodeID) throws(Errno) -> Opened? {
    guard behaviour(node) == .atOnce else { return nil }
    guard operation.flags.accessMode != .writeOnly else { throw .permissionDenied }
    with { $0.answeredAtOnce += 1 }
    return Opened(handle: handle(of: node), directIO: true)
  }

  func readAtOnce(
    _ operation: Op.Read, by credentials: Credentials, into room: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int? {
    let content = with { state -> [UInt8]? in
      guard state.openFiles[operation.handle] == node(.atOnce) else { return nil }
      return state.contents[node(.atOnce)] ?? []
    }
    guard let content else { return nil }
    guard operation.offset <= content.count else {
      with { $0.answeredAtOnce += 1 }
      throw .noData
    }
    let part = content.dropFirst(Int(operation.offset)).prefix(operation.size)
    guard part.count <= room.count else { return nil }
    with { $0.answeredAtOnce += 1 }
    room.copyBytes(from: part)
    return part.count
  }

  func releaseAtOnce(_ handle: FileHandle) -> Bool {
    with { state in
      guard state.openFiles[handle] == node(.atOnce) else { return false }
      state.answeredAtOnce += 1
      state.openFiles[handle] = nil
      return true
    }
  }

  func open(_ request: consuming Request<Op.Open>) {
    let node = request.node
    let handle = handle(of: node)
    request.reply(opened: Opened(handle: handle, directIO: behaviour(node) != .cached))
  }

  func release(_ request: consuming Request<Op.Release>) {
    let handle = request.operation.handle
    with { _ = $0.openFiles.removeValue(forKey: handle) }
    request.replyDone()
  }

  func read(_ request: consuming Request<Op.Read>) {
    let (node, offset) = (request.node, Int(request.operation.offset))
    switch behaviour(node) {
    case .plain, .cached, .atOnce:
      let content = with { Array(($0.contents[node] ?? []).dropFirst(offset)) }
      request.reply(bytes: content)
    case .page:
      let content = with { Array(($0.contents[node] ?? []).dropFirst(offset).prefix(4096)) }
      request.reply(bytes: content)
    case .late:
      let parked = request.park()
      _ = FuseKit.Thread { parked.take()?.reply(bytes: Array("late".utf8)) }
    case .dropped: break
    case .parked:
      let parked = request.park { [weak self] in self?.with { $0.interrupts += 1 } }
      with { $0.parked.append(parked) }
    case .lost: _ = request.park()
    case .caller:
      let who = request.credentials
      let text = "\(who.uid) \(who.gid) \(who.pid) \(request.operation.isForPageCache)"
      request.reply(bytes: Array(text.utf8.dropFirst(offset)))
    case nil: request.reply(error: .staleNFSFileHandle)
    }
  }

  func write(_ request: consuming Request<Op.Write>, bytes: RawSpan) {
    let (node, offset) = (request.node, Int(request.operation.offset))
    let all = bytes.withUnsafeBytes { Array($0) }
    switch behaviour(node) {
    case .plain, .cached:
      with { state in
        var content = state.contents[node] ?? []
        if content.count < offset + all.count {
          content += [UInt8](repeating: 0, count: offset + all.count - content.count)
        }
        content.replaceSubrange(offset..<(offset + all.count), with: all)
        state.contents[node] = content
      }
      request.reply(written: all.count)
    case .page:
      with { $0.written.append(all.count) }
      request.reply(written: min(all.count, 4096))
    case .parked:
      let parked = request.park { [weak self] in self?.with { $0.interrupts += 1 } }
      with { $0.parkedWrites.append(parked) }
    case .dropped: break
    case .late, .lost, .caller, .atOnce: request.reply(error: .invalidArgument)
    case nil: request.reply(error: .staleNFSFileHandle)
    }
  }

  func poll(_ request: consuming Request<Op.Poll>, handle: consuming PollHandle?) {
    lock.lock()
    if handle != nil { sleeper = handle }
    let events = state.events
    lock.wakeAll()
    lock.unlock()
    request.reply(events: events)
  }

  func lseek(_ request: consuming Request<Op.Lseek>) {
    let size = Int64(with { $0.contents[node(.plain)] ?? [] }.count)
    let (offset, origin) = (request.operation.offset, request.operation.origin)
    guard offset < size else { return request.reply(error: Errno(rawValue: ENXIO)) }
    request.reply(offset: origin == .data ? offset : size)
  }

  func readdir(_ request: consuming Request<Op.Readdir>) {
    var buffer = DirectoryBuffer(capacity: request.operation.size)
    for (index, behaviour) in Behaviour.allCases.enumerated() where index >= Int(request.operation.offset) {
      let added = buffer.append(
        name: behaviour.rawValue, inode: node(behaviour).rawValue, type: .regular, next: Int64(index + 1))
      if !added { break }
    }
    request.reply(buffer)
  }

  func statfs(_ request: consuming Request<Op.Statfs>) {
    var statistics = FilesystemStatistics()
    statistics.blocks = 11
    statistics.freeBlocks = 7
    statistics.availableBlocks = 5
    statistics.files = 3
    request.reply(statistics)
  }

  func setxattr(_ request: consuming Request<Op.Setxattr>, value: RawSpan) {
    let (name, bytes) = (request.operation.name, value.withUnsafeBytes { Array($0) })
    with { $0.values[name] = bytes }
    request.replyDone()
  }

  func getxattr(_ request: consuming Request<Op.Getxattr>) {
    let name = request.operation.name
    guard let value = with({ $0.values[name] }) else { return request.reply(error: .noData) }
    request.reply(value: value)
  }

  func listxattr(_ request: consuming Request<Op.Listxattr>) {
    let names = with { $0.values.keys.sorted() }
    request.reply(value: names.flatMap { Array($0.utf8) + [0] })
  }

  func removexattr(_ request: consuming Request<Op.Removexattr>) {
    let name = request.operation.name
    guard with({ $0.values.removeValue(forKey: name) }) != nil else { return request.reply(error: .noData) }
    request.replyDone()
  }
}
