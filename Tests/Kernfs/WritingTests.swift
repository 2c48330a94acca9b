import Basics
import SystemPackage
import Testing

@testable import Kernfs

/// kernel-abi 1.5 and 1.7, fuse-limits rows 14, 26, 29, 31: what one write call does.
@Suite(.timeLimit(.minutes(20)))
struct WritingTests {
  private let knob = Knob()
  private let bytes = Bytes()
  private let tree: Tree

  init() {
    let (knob, bytes) = (knob, bytes)
    tree = Tree(clock: Clock().now) {
      file("loading", knob)
      file("data", bytes)
    }
  }

  @Test("One write is one store of at most a page", arguments: [1, 2, 4095, 4096, 4097, 5000, 65536, 1 << 20])
  func oneStore(count: Int) throws {
    let file = try tree.open("loading", .writing)
    #expect(try tree.write(file, String(repeating: "1", count: count)) == min(count, 4096))
    #expect(knob.stores.map(\.count) == [min(count, 4096)])
    let data = try tree.open("data", .writing)
    #expect(try tree.write(data, String(repeating: "1", count: count)) == min(count, 4096))
    #expect(bytes.readableLength == Int64(min(count, 4096)))
  }

  @Test("An empty write gives 0 and reaches nobody")
  func emptyWrite() throws {
    knob.fail(.invalidArgument)
    #expect(try tree.write(try tree.open("loading", .writing), "") == 0)
    #expect(try tree.write(try tree.open("data", .writing), "", at: 50) == 0)
    #expect(knob.stores.isEmpty)
    #expect(bytes.readableLength == 0)
  }

  @Test("Text attributes do not look at the offset, but it must not be negative")
  func offsets() throws {
    let file = try tree.open("loading", .writing)
    for offset in [Int64(0), 1, 4096, 1 << 20, Int64.max - 15] {
      #expect(try tree.write(file, "-1", at: offset) == 2)
    }
    #expect(throws: Errno.invalidArgument) { try tree.write(file, "1", at: -1) }
    #expect(knob.stores == Array(repeating: Array("-1".utf8), count: 5))
  }

  @Test("write(2) gives what the store method took, its error, and never more than was offered")
  func outcome() throws {
    let file = try tree.open("loading", .writing)
    for (taken, expected) in [(3, 3), (0, 0), (99, 5), (-1, 0)] {
      knob.state.withLock { $0.outcome = .consumed(taken) }
      #expect(try tree.write(file, "hello") == expected)
    }
    knob.fail(.invalidArgument)
    #expect(throws: Errno.invalidArgument) { try tree.write(file, "hello") }
  }

  @Test("The binary attribute honours offsets both ways; a read is cut at a page")
  func binary() throws {
    let file = try tree.open("data", .both)
    #expect(try tree.write(file, String(repeating: "a", count: 4096)) == 4096)
    #expect(try tree.write(file, String(repeating: "b", count: 5904), at: 4096) == 4096)
    #expect(try tree.write(file, "cc", at: 4095) == 2)
    #expect(try tree.read(file, 1 << 20).count == 4096)
    #expect(try tree.read(file, 4, at: 4094) == "accb")
    #expect(try tree.read(file, 100, at: 8190) == "bb")
    #expect(try tree.read(file, 100, at: 8192) == "")
    #expect(try tree.read(file, 0) == "")
    #expect(try tree.read(file, 100, at: Int64.max) == "")
  }

  @Test("Page-cache reads of a binary attribute go on to its end (P1)")
  func binaryPageCache() throws {
    bytes.content.withLock { $0 = Array(repeating: UInt8(ascii: "x"), count: 10_000) }
    let opened = try tree.open(try tree.walk("data").id, flags: .largeFile, by: root)
    #expect(opened.readableLength == 10_000)
    #expect(try tree.cachedRead(opened.id, 131_072).count == 10_000)
    #expect(try tree.cachedRead(opened.id, 131_072, at: 9_000).count == 1_000)
    #expect(try tree.poll(opened.id) == [.always, .changed])
  }

  @Test("O_APPEND starts at 0 and goes on from where it wrote, whatever offset the kernel believes in")
  func append() throws {
    let first = try tree.open("data", [.writeOnly, .append, .largeFile])
    #expect(try tree.write(first, "first-", at: 0) == 6)
    #expect(try tree.write(first, "second-", at: 4711) == 7)
    let second = try tree.open("data", [.writeOnly, .append, .largeFile])
    #expect(try tree.write(second, "THIRD", at: 13) == 5)
    #expect(try tree.read(try tree.open("data"), 100) == "THIRD-second-")
  }

  @Test("The attribute learns which open file a caller writes to")
  func callerKnowsFile() throws {
    final class Witness: TextAttribute {
      let mode: UInt16 = 0o644
      let seen = Guarded<[Caller]>([])
      func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
        seen.withLock { $0.append(caller) }
        return .consumed(bytes.count)
      }
    }
    let witness = Witness()
    let tree = Tree(clock: Clock().now) { file("w", witness) }
    let opened = try tree.open("w", .writing)
    _ = try tree.write(opened, "1")
    #expect(witness.seen.withLock { $0 } == [Caller(uid: 0, gid: 0, pid: 1, openFile: opened.rawValue)])
  }
}

/// fuse-limits rows 55 and 56: stores that have to wait.
@Suite(.timeLimit(.minutes(20)))
struct WaitingTests {
  /// Waits while `isBusy`.
  final class Gate: TextAttribute {
    let mode: UInt16 = 0o644
    let isBusy = Guarded(true)
    let stores = Guarded(0)
    let queue = WaitQueue()
    /// Runs between the decision to wait and its being known to anybody.
    let afterDecision = Guarded<(@Sendable () -> Void)?>(nil)

    func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
      stores.withLock { $0 += 1 }
      let wait = isBusy.withLock { $0 }
      afterDecision.withLock { hook in
        defer { hook = nil }
        return hook
      }?()
      return wait ? .wait(queue) : .consumed(bytes.count)
    }

    func open() {
      isBusy.withLock { $0 = false }
      queue.wake()
    }
  }

  private let gate = Gate()
  private let tree: Tree
  private let results = Guarded<[Result<Int, Errno>]>([])

  init() {
    let gate = gate
    tree = Tree(clock: Clock().now) { file("power", gate) }
  }

  private func write() throws -> PendingWrite? {
    let results = results
    return tree.write(try tree.open("power", .writing), at: 0, Array("reboot".utf8), by: root) { result in
      results.withLock { $0.append(result) }
    }
  }

  private var counts: [Int] { results.withLock { $0.compactMap { try? $0.get() } } }

  @Test("Nothing to wait for: it has completed when the call returns")
  func immediate() throws {
    gate.open()
    #expect(try write() == nil)
    #expect(counts == [6])
  }

  @Test("A waiting write is tried again when the queue is woken, and again if it is too early")
  func woken() throws {
    #expect(try write() != nil)
    gate.queue.wake()
    #expect(counts.isEmpty)
    gate.open()
    #expect(counts == [6])
    gate.queue.wake()
    #expect(counts == [6])
    #expect(gate.stores.withLock { $0 } == 3)
  }

  @Test("What ends between the decision to wait and the parking is not missed")
  func lostWakeUp() throws {
    let gate = gate
    gate.afterDecision.withLock { $0 = { gate.open() } }
    #expect(try write() == nil)
    #expect(counts == [6])
  }

  @Test("A signal ends a waiting write with EINTR, once")
  func interrupted() throws {
    let pending = try #require(try write())
    #expect(pending.interrupt())
    #expect(!pending.interrupt())
    gate.open()
    let all = results.withLock { $0 }
    #expect(all.count == 1)
    #expect(throws: Errno.interrupted) { try all[0].get() }
    #expect(gate.stores.withLock { $0 } == 1)
  }

  @Test("A device that goes away while a write waits: ENODEV")
  func removed() throws {
    #expect(try write() != nil)
    try tree.remove(at: "power")
    gate.open()
    let all = results.withLock { $0 }
    #expect(throws: Errno.operationNotSupportedByDevice) { try all.first?.get() }
  }

  @Test("Retries run in the order in which they were parked")
  func order() {
    let queue = WaitQueue()
    let seen = Guarded<[Int]>([])
    for number in 0..<5 { queue.park { seen.withLock { $0.append(number) } } }
    queue.wake()
    #expect(seen.withLock { $0 } == [0, 1, 2, 3, 4])
  }
}
