import Basics
import SystemPackage
import Testing

@testable import Kernfs

/// The control directory's needs: children by mkdir and creat, content fixed at open.
@Suite(.timeLimit(.minutes(20)))
struct DynamicDirectoryTests {
  /// `.tdxfs/td`: directories made by mkdir, and for the test also files made by creat.
  final class Guests: DynamicDirectory {
    struct Guest {
      var identity: UInt64
      var kind: FileKind
    }
    let guests = Guarded<[String: Guest]>([:])
    let made = Guarded<UInt64>(0)
    let entries = Guarded(0)

    func lookup(_ name: String) throws(Errno) -> DynamicChild {
      guard let guest = guests.withLock({ $0[name] }) else { throw .noSuchFileOrDirectory }
      let entries = entries
      return DynamicChild(
        identity: guest.identity,
        entry: {
          entries.withLock { $0 += 1 }
          return guest.kind == .directory
            ? directory(name) { file("status", ConstantAttribute("running \(guest.identity)\n")) }
            : file(name, ConstantAttribute("plan \(guest.identity)\n", mode: 0o644))
        }())
    }

    func list() throws(Errno) -> [DynamicListing] {
      guests.withLock { $0.map { DynamicListing(name: $0.key, kind: $0.value.kind) } }
    }

    func make(_ name: String, _ kind: FileKind) {
      let identity = made.withLock { made in
        made += 1
        return made
      }
      guests.withLock { $0[name] = Guest(identity: identity, kind: kind) }
    }

    func makeDirectory(_ name: String, by caller: Caller) throws(Errno) {
      guard name != "bad" else { throw .invalidArgument }
      make(name, .directory)
    }

    func removeDirectory(_ name: String, by caller: Caller) throws(Errno) {
      guard guests.withLock({ $0.removeValue(forKey: name) }) != nil else { throw .noSuchFileOrDirectory }
    }

    func create(_ name: String, by caller: Caller) throws(Errno) { make(name, .regular) }
    func unlink(_ name: String, by caller: Caller) throws(Errno) { try removeDirectory(name, by: caller) }
  }

  private let guests = Guests()
  private let tree: Tree
  private let changes = Guarded<[TreeChange]>([])
  private let td: NodeID

  init() throws {
    let (guests, changes) = (guests, changes)
    tree = Tree(clock: Clock().now) { directory("td", guests) }
    td = try tree.walk("td").id
    tree.setObserver { change in changes.withLock { $0.append(change) } }
  }

  @Test("mkdir makes it, rmdir destroys it, and its files go with it")
  func makeAndRemove() throws {
    let made = try tree.makeDirectory("a", in: td, by: root)
    #expect(made.mode == 0o040755)
    #expect(!made.isCacheable)
    #expect(try tree.attributes(of: td).links == 3)
    #expect(try tree.readDirectory(td).map(\.name) == [".", "..", "a"])
    #expect(try tree.readDirectory(td).last?.id == made.id)
    let status = try tree.open("td/a/status")
    #expect(try tree.read(status, 2) == "ru")
    try tree.removeDirectory("a", in: td, by: root)
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.walk("td/a") }
    #expect(try tree.read(status, 100, at: 2) == "nning 1\n")
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(status, 100, at: 0) }
    #expect(try tree.attributes(of: td).links == 2)
    #expect(changes.withLock { $0 } == [.pollable(status)])
  }

  @Test("The same child is the same node, and its entry is made once")
  func identity() throws {
    let made = try tree.makeDirectory("a", in: td, by: root)
    for _ in 0..<3 { #expect(try tree.lookup("a", in: td).id == made.id) }
    #expect(guests.entries.withLock { $0 } == 1)
  }

  @Test("A child that was replaced behind the tree's back is another node; the old one is dead")
  func replaced() throws {
    let old = try tree.makeDirectory("a", in: td, by: root)
    let status = try tree.open("td/a/status")
    guests.make("a", .directory)
    #expect(try tree.lookup("a", in: td).id != old.id)
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(status, 10) }
    #expect(try tree.read(try tree.open("td/a/status"), 100) == "running 2\n")
  }

  @Test("A child that vanished by itself is ENOENT, and dead")
  func vanished() throws {
    _ = try tree.makeDirectory("a", in: td, by: root)
    let status = try tree.open("td/a/status")
    guests.guests.withLock { $0 = [:] }
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.lookup("a", in: td) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try tree.read(status, 10) }
  }

  @Test("creat opens what it makes; mknod of a regular file makes it as well; unlink takes it away")
  func createAndUnlink() throws {
    let (attributes, opened) = try tree.create("plan", flags: .both, in: td, by: root)
    #expect(attributes.mode == 0o100644)
    #expect(try tree.read(opened.id, 100) == "plan 1\n")
    #expect(try tree.makeNode("other", mode: 0o100644, in: td, by: root).kind == .regular)
    #expect(throws: Errno.notPermitted) { try tree.makeNode("fifo", mode: 0o010644, in: td, by: root) }
    try tree.unlink("plan", in: td, by: root)
    #expect(try tree.readDirectory(td).map(\.name) == [".", "..", "other"])
  }

  @Test("Errors come from the directory; links and renames do not exist there either")
  func errors() throws {
    #expect(throws: Errno.invalidArgument) { try tree.makeDirectory("bad", in: td, by: root) }
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.removeDirectory("none", in: td, by: root) }
    #expect(throws: Errno.notPermitted) { try tree.rename("a", in: td, to: "b", in: td) }
    #expect(throws: Errno.notDirectory) { try tree.add(directory("x"), to: td) }
    struct Bare: DynamicDirectory {
      func lookup(_ name: String) throws(Errno) -> DynamicChild { throw .noSuchFileOrDirectory }
      func list() throws(Errno) -> [DynamicListing] { throw .ioError }
    }
    let bare = Tree(clock: Clock().now) { directory("d", Bare()) }
    let node = try bare.walk("d")
    #expect(node.links == 2)
    #expect(throws: Errno.ioError) { try bare.readDirectory(node.id) }
    #expect(throws: Errno.notPermitted) { try bare.makeDirectory("x", in: node.id, by: root) }
    #expect(throws: Errno.permissionDenied) { try bare.create("x", flags: .both, in: node.id, by: root) }
  }

  @Test("A control file is as it was at open, of any length, read in any pieces")
  func snapshot() throws {
    let log = Snapshot()
    let tree = Tree(clock: Clock().now) { file("log", log) }
    log.text.withLock { $0 = Array(repeating: UInt8(ascii: "x"), count: 100_000) }
    let opened = try tree.open(try tree.walk("log").id, flags: .both, by: root)
    #expect(opened.readableLength == 100_000)
    log.text.withLock { $0 = [] }
    #expect(try tree.read(opened.id, 1 << 20).count == 100_000)
    #expect(try tree.read(opened.id, 65_536, at: 65_536).count == 34_464)
    #expect(try tree.read(opened.id, 10, at: 100_000) == "")
    #expect(try tree.read(opened.id, 10, at: .max) == "")
    #expect(try tree.write(opened.id, String(repeating: "y", count: 70_000), at: 5) == 70_000)
    #expect(log.stores.withLock { $0.map { ($0.0, $0.1.count) } }.first.map { $0 == (5, 70_000) } == true)
    tree.release(opened.id, by: root)
    #expect(log.releases.withLock { $0 } == [opened.id.rawValue])
  }

  @Test("Write-only opens do not make the content")
  func writeOnly() throws {
    struct Refusing: SnapshotFile {
      let mode: UInt16 = 0o600
      func content() throws(Errno) -> [UInt8] { throw .ioError }
    }
    let tree = Tree(clock: Clock().now) { file("f", Refusing()) }
    #expect(throws: Errno.ioError) { try tree.open("f") }
    let opened = try tree.open("f", .writing)
    #expect(throws: Errno.ioError) { try tree.write(opened, "x") }
  }
}
