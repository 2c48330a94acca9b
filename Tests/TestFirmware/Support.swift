import Basics
import FirmwareUpload
import Kernfs
import SystemPackage

@testable import TestFirmware

let root = Caller(uid: 0, gid: 0, pid: 1)

/// The test driver in a tree of its own. Workers run when the test says so, and time is what the test makes of it.
final class Bench: Sendable {
  let lines = Guarded<[String]>([])
  let work = Guarded<[@Sendable () -> Void]>([])
  let events = Guarded<[String]>([])
  /// How many looks for a cancel there were.
  let looks = Guarded(0)
  /// Runs at each look, with its number from 1.
  let onLook = Guarded<(@Sendable (Int) -> Void)?>(nil)
  let tree: Tree
  let module: TestFirmware

  init() {
    let timeout = FirmwareTimeout()
    let tree = Tree(clock: { Timestamp(seconds: 1) }) {
      directory("devices") { directory("virtual") { directory("misc") } }
      directory("class") { directory("firmware") { file("timeout", TimeoutAttribute(timeout)) } }
    }
    self.tree = tree
    let (lines, work, events, looks, onLook) = (lines, work, events, looks, onLook)
    module = TestFirmware(
      timeout: timeout,
      environment: TestFirmwareEnvironment(
        log: { _, line in lines.withLock { $0.append(line) } },
        mayWriteRawIO: { $0.uid == 0 },
        sleep: { milliseconds in
          guard milliseconds == 100 else { return }
          let number = looks.withLock { looks in
            looks += 1
            return looks
          }
          onLook.withLock { $0 }?(number)
        },
        makeScheduler: { { item in work.withLock { $0.append(item) } } },
        appear: { device throws(Errno) in
          let node = try tree.add(TestFirmware.directory(of: device), at: TestFirmware.path)
          do throws(Errno) {
            try tree.add(TestFirmware.link(to: device), at: TestFirmware.classPath)
          } catch {
            try tree.remove(node)
            throw error
          }
        },
        disappear: { device in
          try? tree.remove(at: "\(TestFirmware.classPath)/\(device.name)")
          try? tree.remove(at: "\(TestFirmware.path)/\(device.name)")
        },
        observe: { device, event in
          if case .transferred(let left) = event { events.withLock { $0.append("\(device.name) \(left)") } }
        }))
    _ = try? tree.add(module.directory, at: "devices/virtual/misc")
  }

  func runWorkers() {
    let items = work.withLock { items in
      defer { items = [] }
      return items
    }
    for item in items { item() }
  }

  func node(_ path: String) throws(Errno) -> NodeID {
    var id = NodeID.root
    for name in path.split(separator: "/") { id = try tree.lookup(String(name), in: id).id }
    return id
  }

  func open(_ name: String, _ flags: OpenFlags) throws(Errno) -> OpenFileID {
    try tree.open(try node("\(TestFirmware.path)/\(name)"), flags: flags, by: root).id
  }

  /// The content of a file of the device's directory.
  func get(_ name: String) throws(Errno) -> [UInt8] {
    let file = try open(name, .largeFile)
    defer { tree.release(file, by: root) }
    var text: [UInt8] = []
    while true {
      let part = try tree.bytes(file, at: Int64(text.count), count: 4096, by: root)
      if part.isEmpty { return text }
      text += part
    }
  }

  func text(_ name: String) throws(Errno) -> String { String(decoding: try get(name), as: UTF8.self) }

  /// Writes in one call to a file of the device's directory; nil when the caller has to wait.
  @discardableResult
  func put(_ name: String, _ bytes: [UInt8]) throws(Errno) -> Int? {
    let file = try open(name, [.writeOnly, .largeFile])
    defer { tree.release(file, by: root) }
    switch try tree.write(file, at: 0, bytes, by: root) {
    case .consumed(let count): return count
    case .wait: return nil
    }
  }

  @discardableResult
  func put(_ name: String, _ text: String) throws(Errno) -> Int? { try put(name, Array(text.utf8)) }

  /// A write that ends by itself, however long it has to wait: its result when there is one.
  func start(_ name: String, _ text: String) throws(Errno) -> Guarded<Result<Int, Errno>?> {
    let file = try open(name, [.writeOnly, .largeFile])
    let result = Guarded<Result<Int, Errno>?>(nil)
    tree.write(file, at: 0, Array(text.utf8), by: root) { outcome in result.withLock { $0 = outcome } }
    return result
  }

  /// What the write that `body` makes ends with: its errno, or nil.
  func errno(_ body: () throws(Errno) -> Void) -> Errno? {
    do throws(Errno) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  func stage(_ image: [UInt8], on name: String = "fw1") throws(Errno) {
    try put("\(name)/loading", "1")
    try put("\(name)/data", image)
    try put("\(name)/loading", "0")
  }

  /// A whole upload; gives `error` and `remaining_size`, without newlines.
  @discardableResult
  func upload(_ image: [UInt8], on name: String = "fw1") throws(Errno) -> String {
    try stage(image, on: name)
    runWorkers()
    let parts = try [text("\(name)/error"), text("\(name)/remaining_size")].map { $0.filter { $0 != "\n" } }
    return parts.joined(separator: " ")
  }

  @discardableResult
  func upload(_ image: String, on name: String = "fw1") throws(Errno) -> String {
    try upload(Array(image.utf8), on: name)
  }

  func names(in path: String) throws(Errno) -> [String] {
    try tree.readDirectory(try node(path)).map(\.name).filter { $0 != "." && $0 != ".." }.sorted()
  }
}
