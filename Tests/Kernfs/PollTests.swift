import Basics
import SystemPackage
import Testing

@testable import Kernfs

/// fuse-limits rows 21 and 22, groundtruth 6, golden poll.*: what poll(2) says.
@Suite(.timeLimit(.minutes(20)))
struct PollTests {
  private let knob = Knob()
  private let tree: Tree
  private let changes = Guarded<[TreeChange]>([])

  init() {
    let (knob, changes) = (knob, changes)
    tree = Tree(clock: Clock().now) {
      file("status", knob)
      file("data", Bytes())
      file("log", Snapshot())
    }
    tree.setObserver { change in changes.withLock { $0.append(change) } }
  }

  @Test("The bits: 0x14f for a file that was not read, 0x145 for one that was")
  func bits() {
    #expect(PollEvents([.always, .changed]).rawValue == 0x14F)
    #expect(PollEvents.always.rawValue == 0x145)
  }

  @Test("PRI and ERR until the first read, which need not be at the start", arguments: ["status", "data"])
  func firstRead(name: String) throws {
    let file = try tree.open(name)
    #expect(try tree.poll(file) == [.always, .changed])
    _ = try tree.read(file, 100, at: 0)
    #expect(try tree.poll(file) == .always)
    _ = try tree.read(file, 100, at: 5)
    #expect(try tree.poll(file) == .always)
  }

  @Test("A read that shows nothing new does not count: zero bytes of text, writing")
  func noRead() throws {
    let file = try tree.open("status", .both)
    _ = try tree.read(file, 0)
    _ = try tree.write(file, "1")
    #expect(try tree.poll(file) == [.always, .changed])
  }

  @Test("A failing show counts as a look at the value")
  func failingShow() throws {
    let file = try tree.open("status")
    knob.fail(.resourceBusy)
    _ = try? tree.read(file, 10)
    #expect(try tree.poll(file) == .always)
  }

  @Test("A notification stays until the value is read again from offset 0; a read at the end does not do")
  func notification() throws {
    let file = try tree.open("status")
    let other = try tree.open("status")
    _ = try tree.read(file, 100)
    changes.withLock { $0 = [] }
    tree.notify(try tree.walk("status").id)
    #expect(Set(changes.withLock { $0 }) == [.pollable(file), .pollable(other)])
    #expect(try tree.poll(file) == [.always, .changed])
    _ = try tree.read(file, 100, at: 5)
    #expect(try tree.poll(file) == [.always, .changed])
    _ = try tree.read(file, 100, at: 0)
    #expect(try tree.poll(file) == .always)
    #expect(try tree.poll(other) == [.always, .changed])
  }

  @Test("A changed value wakes nobody by itself")
  func noNotification() throws {
    let file = try tree.open("status")
    _ = try tree.read(file, 100)
    knob.value = "transferring\n"
    #expect(try tree.poll(file) == .always)
    #expect(changes.withLock { $0.isEmpty })
  }

  @Test("Control files are always ready, and have nothing to notify")
  func controlFile() throws {
    #expect(try tree.poll(try tree.open("log")) == .always)
    #expect(throws: Errno.badFileDescriptor) { try tree.poll(OpenFileID(rawValue: 99)) }
  }
}
