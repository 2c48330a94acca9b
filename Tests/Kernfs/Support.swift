import Basics
import SystemPackage

@testable import Kernfs

let root = Caller(uid: 0, gid: 0, pid: 1)

/// A text attribute that a test turns as it likes, and that counts its calls.
final class Knob: TextAttribute {
  struct State {
    var value = "idle\n"
    var failure: Errno?
    var shows = 0
    var stores: [[UInt8]] = []
    var outcome: StoreOutcome?
  }

  let mode: UInt16
  let state = Guarded(State())

  init(mode: UInt16 = 0o644, _ value: String = "idle\n") {
    self.mode = mode
    state.withLock { $0.value = value }
  }

  var value: String {
    get { state.withLock { $0.value } }
    set { state.withLock { $0.value = newValue } }
  }

  var shows: Int { state.withLock { $0.shows } }
  var stores: [[UInt8]] { state.withLock { $0.stores } }

  func fail(_ errno: Errno?) { state.withLock { $0.failure = errno } }

  func show(_ text: inout AttributeText) throws(Errno) {
    let (value, failure) = state.withLock { state in
      state.shows += 1
      return (state.value, state.failure)
    }
    text.append(value)
    if let failure { throw failure }
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    let (outcome, failure) = state.withLock { state in
      state.stores.append(bytes)
      return (state.outcome, state.failure)
    }
    if let failure { throw failure }
    return outcome ?? .consumed(bytes.count)
  }
}

/// A binary attribute over an array.
final class Bytes: BinaryAttribute {
  let mode: UInt16 = 0o644
  let content: Guarded<[UInt8]>
  let calls = Guarded<[Int]>([])

  init(_ content: [UInt8] = []) { self.content = Guarded(content) }

  func read(at offset: Int64, count: Int, by caller: Caller) throws(Errno) -> [UInt8] {
    calls.withLock { $0.append(count) }
    return content.withLock { Array($0.dropFirst(Int(clamping: offset)).prefix(count)) }
  }

  func write(_ bytes: [UInt8], at offset: Int64, by caller: Caller) throws(Errno) -> Int {
    calls.withLock { $0.append(bytes.count) }
    content.withLock { content in
      let start = Int(clamping: offset)
      while content.count < start + bytes.count { content.append(0) }
      content.replaceSubrange(start..<(start + bytes.count), with: bytes)
    }
    return bytes.count
  }

  var readableLength: Int64 { Int64(content.withLock { $0.count }) }
}

/// A control file.
final class Snapshot: SnapshotFile {
  let mode: UInt16 = 0o600
  let text = Guarded<[UInt8]>([])
  let stores = Guarded<[(Int64, [UInt8])]>([])
  let releases = Guarded<[UInt64]>([])

  func content() throws(Errno) -> [UInt8] { text.withLock { $0 } }

  func store(_ bytes: [UInt8], at offset: Int64, by caller: Caller) throws(Errno) -> StoreOutcome {
    stores.withLock { $0.append((offset, bytes)) }
    return .consumed(bytes.count)
  }

  func released(by caller: Caller) { releases.withLock { $0.append(caller.openFile) } }
}

/// A clock that moves one second each time somebody looks at it.
final class Clock: Sendable {
  private let seconds = Guarded<Int64>(1000)

  @Sendable func now() -> Timestamp {
    Timestamp(
      seconds: seconds.withLock { seconds in
        seconds += 1
        return seconds
      })
  }
}

extension Tree {
  /// The only way of most tests into a file: walks the path as the VFS does, and opens what is there.
  func open(_ path: String, _ flags: OpenFlags = .largeFile) throws(Errno) -> OpenFileID {
    try open(try walk(path).id, flags: flags, by: root).id
  }

  func walk(_ path: String) throws(Errno) -> InodeAttributes {
    var attributes = try attributes(of: .root)
    for name in path.split(separator: "/") { attributes = try lookup(String(name), in: attributes.id) }
    return attributes
  }

  func read(_ file: OpenFileID, _ count: Int, at offset: Int64 = 0) throws(Errno) -> String {
    String(decoding: try read(file, at: offset, count: count, by: root), as: UTF8.self)
  }

  func cachedRead(_ file: OpenFileID, _ count: Int, at offset: Int64 = 0) throws(Errno) -> String {
    String(decoding: try read(file, at: offset, count: count, fromPageCache: true, by: root), as: UTF8.self)
  }

  func write(_ file: OpenFileID, _ text: String, at offset: Int64 = 0) throws(Errno) -> Int? {
    switch try write(file, at: offset, Array(text.utf8), by: root) {
    case .consumed(let count): count
    case .wait: nil
    }
  }
}

extension OpenFlags {
  static let writing: OpenFlags = [.writeOnly, .largeFile]
  static let both: OpenFlags = [.readWrite, .largeFile]
}
