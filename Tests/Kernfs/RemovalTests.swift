import Basics
import SystemPackage
import Testing

@testable import Kernfs

/// groundtruth 6, golden unreg.*, fuse-limits rows 10, 25, 53: a device disappears while somebody uses it.
@Suite(.timeLimit(.minutes(20)))
struct RemovalTests {
  private let knob = Knob()
  private let bytes = Bytes(Array("abc".utf8))
  private let snapshot = Snapshot()
  private let tree: Tree
  private let changes = Guarded<[TreeChange]>([])

  init() {
    let (knob, bytes, snapshot, changes) = (knob, bytes, snapshot, changes)
    tree = Tree(clock: Clock().now) {
      directory("class") { symlink("fw1", to: "../devices/fw1") }
      directory("devices") {
        directory("fw1") {
          file("status", knob)
          file("data", bytes)
          file("log", snapshot)
          directory("power") { file("control", Knob()) }
        }
      }
    }
    tree.setObserver { change in changes.withLock { $0.append(change) } }
  }

  @Test("Paths are gone at once; holders of nodes keep stat, chmod and truncate")
  func nodes() throws {
    let device = try tree.walk("devices/fw1")
    let status = try tree.walk("devices/fw1/status")
    #expect(device.links == 3)
    try tree.remove(at: "devices/fw1")
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.walk("devices/fw1") }
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.lookup("status", in: device.id) }
    #expect(try tree.attributes(of: status.id) == status)
    #expect(try tree.change(status.id, InodeChange(permissions: 0o600)).permissions == 0o600)
    #expect(try tree.change(status.id, InodeChange(size: 0)).links == 1)
    #expect(try tree.attributes(of: device.id).links == 2)
    #expect(throws: Errno.staleNFSFileHandle) { try tree.open(status.id, flags: .largeFile, by: root) }
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.remove(device.id) }
  }

  @Test("A dead directory lists itself and its parent")
  func deadDirectory() throws {
    let parent = try tree.walk("devices").id
    let device = try tree.walk("devices/fw1").id
    try tree.remove(device)
    let lines = try tree.readDirectory(device)
    #expect(lines.map(\.name) == [".", ".."])
    #expect(lines.map(\.id) == [device, parent])
  }

  @Test("An open text attribute gives the rest of its text, then ENODEV; seek and poll know it too")
  func textAttribute() throws {
    let status = try tree.open("devices/fw1/status", .both)
    let fresh = try tree.open("devices/fw1/status")
    #expect(try tree.read(status, 2) == "id")
    #expect(try tree.poll(status) == .always)
    try tree.remove(at: "devices/fw1")
    #expect(try tree.read(status, 100, at: 2) == "le\n")
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(status, 100, at: 5) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(status, 100, at: 0) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(fresh, 100) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.cachedRead(fresh, 100) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.write(status, "1") }
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.seek(status, from: 0, to: .data) }
    #expect(try tree.poll(status) == [.always, .changed])
    #expect(try tree.read(status, 0) == "")
    #expect(knob.shows == 1)
  }

  @Test("A half-read text is lost by a pread, as its buffer is")
  func positionedReadAfterRemoval() throws {
    let status = try tree.open("devices/fw1/status")
    #expect(try tree.read(status, 2) == "id")
    try tree.remove(at: "devices/fw1")
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(status, 100, at: 1) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(status, 100, at: 2) }
  }

  @Test("Open data and control files: ENODEV both ways")
  func otherFiles() throws {
    let data = try tree.open("devices/fw1/data", .both)
    let log = try tree.open("devices/fw1/log", .both)
    try tree.remove(at: "devices/fw1")
    for file in [data, log] {
      #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(file, 10) }
      #expect(throws: Errno.operationNotSupportedByDevice) { try tree.write(file, "1") }
      #expect(try tree.poll(file) == [.always, .changed])
    }
  }

  @Test("A new device of the same name is another one: old files stay dead")
  func again() throws {
    let old = try tree.walk("devices/fw1/status").id
    let oldFile = try tree.open("devices/fw1/status")
    try tree.remove(at: "devices/fw1")
    try tree.add(directory("fw1") { file("status", ConstantAttribute("new\n")) }, at: "devices")
    #expect(try tree.walk("devices/fw1/status").id != old)
    #expect(try tree.read(try tree.open("devices/fw1/status"), 10) == "new\n")
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(oldFile, 10) }
    #expect(throws: Errno.fileExists) { try tree.add(directory("fw1"), at: "devices") }
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.add(directory("x"), at: "nowhere") }
    #expect(throws: Errno.notDirectory) { try tree.add(directory("x"), at: "class/fw1") }
  }

  @Test("The observer hears of the subtree's root, and of every open file in it, after the fact")
  func observer() throws {
    let control = try tree.open("devices/fw1/power/control")
    let parent = try tree.walk("devices").id
    let device = try tree.walk("devices/fw1").id
    try tree.remove(device)
    try tree.add(directory("fw2"), to: parent)
    #expect(
      changes.withLock { $0 } == [
        .removed(parent: parent, name: "fw1", node: device, kind: .directory), .pollable(control),
        .added(parent: parent, name: "fw2", kind: .directory),
      ])
  }

  @Test("A dead node is known until it is forgotten and closed, and not longer")
  func forgetting() throws {
    let status = try tree.walk("devices/fw1/status").id
    let file = try tree.open(status, flags: .largeFile, by: root).id
    _ = try tree.walk("devices/fw1/status")
    try tree.remove(at: "devices/fw1")
    tree.forget(status, count: 1)
    #expect(throws: Never.self) { try tree.attributes(of: status) }
    tree.forget(status, count: 1)
    #expect(throws: Never.self) { try tree.attributes(of: status) }
    tree.release(file, by: root)
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.attributes(of: status) }
  }

  @Test("Nodes that live are never forgotten; the root can't be removed")
  func living() throws {
    let status = try tree.walk("devices/fw1/status").id
    tree.forget(status, count: .max)
    #expect(throws: Never.self) { try tree.attributes(of: status) }
    #expect(throws: Errno.resourceBusy) { try tree.remove(.root) }
  }

  @Test("A parent's times follow its children only once it has attributes of its own")
  func parentTimes() throws {
    let before = try tree.walk("devices")
    try tree.add(directory("fw2"), at: "devices")
    #expect(try tree.attributes(of: before.id).modified == before.modified)
    let changed = try tree.change(before.id, InodeChange(permissions: 0o755))
    try tree.remove(at: "devices/fw2")
    #expect(try tree.attributes(of: before.id).modified > changed.modified)
  }
}

/// What a serving thread and a worker do at the same time: for ThreadSanitizer, and for deadlocks.
@Suite(.timeLimit(.minutes(20)))
struct ConcurrencyTests {
  @Test("Readers, writers and pollers while the device comes and goes: old or new text, ENODEV, ESTALE or ENOENT")
  func comingAndGoing() async throws {
    let tree = Tree(clock: Clock().now) { directory("devices") }
    @Sendable func device() -> Entry { directory("fw1") { file("status", Knob()) } }
    try tree.add(device(), at: "devices")
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for _ in 0..<200 {
          #expect(throws: Never.self) { try tree.remove(at: "devices/fw1") }
          #expect(throws: Never.self) { try tree.add(device(), at: "devices") }
        }
      }
      for _ in 0..<2 {
        group.addTask {
          for _ in 0..<200 {
            do throws(Errno) {
              let file = try tree.open("devices/fw1/status", .both)
              defer { tree.release(file, by: root) }
              #expect(try tree.read(file, 2) == "id")
              #expect(try tree.read(file, 100, at: 2) == "le\n")
              _ = try tree.poll(file)
              #expect(try tree.write(file, "x") == 1)
            } catch {
              #expect([.operationNotSupportedByDevice, .staleNFSFileHandle, .noSuchFileOrDirectory].contains(error))
            }
          }
        }
      }
    }
    #expect(try tree.read(try tree.open("devices/fw1/status"), 10) == "idle\n")
  }
}
