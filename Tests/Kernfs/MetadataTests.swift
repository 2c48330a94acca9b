import SystemPackage
import Testing

@testable import Kernfs

/// kernel-abi 1.1 and 1.6, fuse-limits rows 16, 34 to 39, 44, 49, 50: what is not content.
@Suite(.timeLimit(.minutes(20)))
struct MetadataTests {
  private let tree = Tree(uid: 7, gid: 8, clock: Clock().now) {
    directory(".tdxfs", mode: 0o700, hidden: true) { file("log", Snapshot()) }
    directory("power") { file("control", Knob()) }
    file("status", Knob(mode: 0o444))
    file("data", Bytes())
    symlink("device", to: "../../../tdx_host")
  }

  @Test(
    "Sizes, modes and link counts",
    arguments: [
      ("", UInt32(0o040755), Int64(0), UInt32(3)), ("power", 0o040755, 0, 2), ("status", 0o100444, 4096, 1),
      ("data", 0o100644, 0, 1), ("device", 0o120777, 0, 1), (".tdxfs", 0o040700, 0, 2), (".tdxfs/log", 0o100600, 0, 1),
    ])
  func stat(path: String, mode: UInt32, size: Int64, links: UInt32) throws {
    let attributes = try tree.walk(path)
    #expect(attributes.mode == mode)
    #expect(attributes.size == size)
    #expect(attributes.links == links)
    #expect(attributes.uid == 7)
    #expect(attributes.gid == 8)
    #expect(attributes.isCacheable == !["data", ".tdxfs/log"].contains(path))
  }

  @Test("Hidden by listing, found by name")
  func hidden() throws {
    #expect(try tree.readDirectory(.root).map(\.name).sorted() == [".", "..", "data", "device", "power", "status"])
    #expect(throws: Never.self) { try tree.walk(".tdxfs/log") }
  }

  @Test("Times are set when the inode is first looked at; reads and writes leave them alone")
  func timesStay() throws {
    let first = try tree.walk("data")
    let file = try tree.open("data", .both)
    _ = try tree.write(file, "abc")
    _ = try tree.read(file, 10)
    #expect(try tree.walk("data") == first)
    #expect(first.accessed == first.modified && first.modified == first.changed)
  }

  @Test("Truncation moves mtime and ctime, and nothing else")
  func truncation() throws {
    let before = try tree.walk("status")
    let after = try tree.change(before.id, InodeChange(size: 100_000))
    #expect(after.size == 4096)
    #expect(after.accessed == before.accessed)
    #expect(after.modified > before.modified)
    #expect(after.changed == after.modified)
  }

  @Test("chmod, chown and utimensat stick; each moves ctime, as a change of nothing does")
  func stick() throws {
    let before = try tree.walk("status")
    let mode = try tree.change(before.id, InodeChange(permissions: 0o7777))
    #expect(mode.mode == 0o107777)
    let owner = try tree.change(before.id, InodeChange(uid: 1, gid: 2))
    #expect((owner.uid, owner.gid) == (1, 2))
    let moment = Timestamp(seconds: 5, nanoseconds: 6)
    let times = try tree.change(before.id, InodeChange(accessed: .at(moment), modified: .now))
    #expect(times.accessed == moment)
    #expect(times.modified == times.changed)
    let nothing = try tree.change(before.id, InodeChange())
    #expect(nothing.changed > times.changed)
    #expect(nothing.modified == times.modified)
    #expect(try tree.walk("status") == nothing)
  }

  @Test(
    "SEEK_DATA and SEEK_HOLE follow the size that stat tells",
    arguments: [
      ("status", Int64(0), Tree.SeekTarget.data, Int64?(0)), ("status", 0, .hole, 4096), ("status", 4095, .data, 4095),
      ("status", 4096, .data, nil), ("status", 5000, .hole, nil), ("data", 0, .data, nil), ("data", 0, .hole, nil),
      ("status", -1, .data, nil),
    ])
  func seek(name: String, offset: Int64, target: Tree.SeekTarget, expected: Int64?) throws {
    let file = try tree.open(name)
    if let expected {
      #expect(try tree.seek(file, from: offset, to: target) == expected)
    } else {
      #expect(throws: Errno.noSuchAddressOrDevice) { try tree.seek(file, from: offset, to: target) }
    }
  }

  @Test("Extended attributes: trusted. and security. are kept, the others refused (golden vfs.status 28…44)")
  func extendedAttributes() throws {
    let node = try tree.walk("status").id
    for name in ["user.x", "system.posix_acl_access", "bogus.x"] {
      #expect(throws: Errno.notSupported) { try tree.setExtendedAttribute(name, to: [1], flags: 0, of: node) }
      #expect(throws: Errno.notSupported) { try tree.removeExtendedAttribute(name, of: node) }
    }
    try tree.setExtendedAttribute("trusted.x", to: [1], flags: 0, of: node)
    try tree.setExtendedAttribute("security.x", to: [2, 3], flags: 1, of: node)
    #expect(try tree.extendedAttribute("trusted.x", of: node) == [1])
    #expect(try tree.extendedAttribute("security.x", of: node) == [2, 3])
    for name in ["user.x", "user.none", "security.selinux", "trusted.none"] {
      #expect(throws: Errno.noData) { try tree.extendedAttribute(name, of: node) }
    }
    #expect(throws: Errno.notSupported) { try tree.extendedAttribute("system.posix_acl_access", of: node) }
    #expect(
      try tree.extendedAttributeNames(of: node, includingTrusted: true).sorted() == ["security.x", "trusted.x"])
    #expect(try tree.extendedAttributeNames(of: node, includingTrusted: false) == ["security.x"])
    #expect(throws: Errno.fileExists) { try tree.setExtendedAttribute("trusted.x", to: [9], flags: 1, of: node) }
    #expect(throws: Errno.noData) { try tree.setExtendedAttribute("trusted.y", to: [9], flags: 2, of: node) }
    try tree.setExtendedAttribute("trusted.x", to: [9], flags: 2, of: node)
    #expect(try tree.extendedAttribute("trusted.x", of: node) == [9])
    try tree.removeExtendedAttribute("trusted.x", of: node)
    #expect(throws: Errno.noData) { try tree.removeExtendedAttribute("trusted.x", of: node) }
  }

  @Test("Changing names: EPERM, but EACCES for regular files")
  func names() throws {
    let node = NodeID.root
    #expect(throws: Errno.notPermitted) { try tree.makeDirectory("new", in: node, by: root) }
    #expect(throws: Errno.notPermitted) { try tree.removeDirectory("power", in: node, by: root) }
    #expect(throws: Errno.notPermitted) { try tree.unlink("status", in: node, by: root) }
    #expect(throws: Errno.notPermitted) { try tree.rename("status", in: node, to: "x", in: node) }
    #expect(throws: Errno.notPermitted) { try tree.makeSymlink("x", to: "y", in: node) }
    #expect(throws: Errno.notPermitted) { try tree.makeLink("x", to: try tree.walk("status").id, in: node) }
    #expect(throws: Errno.permissionDenied) { try tree.create("x", flags: .writing, in: node, by: root) }
    #expect(throws: Errno.permissionDenied) { try tree.makeNode("x", mode: 0o100644, in: node, by: root) }
    for type: UInt32 in [0o010000, 0o020000, 0o060000, 0o140000] {
      #expect(throws: Errno.notPermitted) { try tree.makeNode("x", mode: type | 0o644, in: node, by: root) }
    }
  }

  @Test("Lookups: ENOENT, ENOTDIR, and no limit on the name's length but that it is not there")
  func lookups() throws {
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.lookup("nosuch", in: .root) }
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.lookup(String(repeating: "x", count: 256), in: .root) }
    #expect(throws: Errno.notDirectory) { try tree.lookup("x", in: try tree.walk("status").id) }
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.lookup("x", in: NodeID(rawValue: 4711)) }
    #expect(try tree.readLink(try tree.walk("device").id) == "../../../tdx_host")
    #expect(throws: Errno.invalidArgument) { try tree.readLink(try tree.walk("status").id) }
    #expect(throws: Errno.notDirectory) { try tree.readDirectory(try tree.walk("status").id) }
    #expect(throws: Errno.invalidArgument) { try tree.synchronizeDirectory(.root) }
  }

  @Test("statfs as sysfs")
  func statistics() {
    let statistics = tree.statistics()
    #expect(statistics.type == 0x6265_6572)
    #expect(statistics.blockSize == 4096)
    #expect(statistics.nameLength == 255)
    #expect(statistics.blocks == 0 && statistics.files == 0)
  }
}

/// fuse-limits row 49: the order of listings, as recorded (golden layout.tree 1 and 10, `raw_order`).
@Suite(.timeLimit(.minutes(20)))
struct ListingTests {
  static let device = [
    ".", "..", "uevent", "power", "loading", "error", "device", "cancel", "subsystem", "status", "remaining_size",
    "data",
  ]
  static let power = [
    ".", "..", "runtime_active_time", "runtime_active_kids", "runtime_usage", "runtime_status", "autosuspend_delay_ms",
    "async", "runtime_suspended_time", "runtime_enabled", "control",
  ]

  @Test(arguments: [device, power])
  func recordedOrder(order: [String]) throws {
    let tree = Tree(clock: Clock().now) {
      for name in order.dropFirst(2).sorted() { file(name, ConstantAttribute("")) }
    }
    let lines = try tree.readDirectory(.root)
    #expect(lines.map(\.name) == order)
    // Cut anywhere, it goes on with the next line, and each offset is its own.
    for (index, line) in lines.enumerated() {
      #expect(try tree.readDirectory(.root, from: line.nextOffset).map(\.name) == Array(order[(index + 1)...]))
    }
    #expect(lines.map(\.nextOffset) == lines.map(\.nextOffset).sorted())
  }

  @Test("d_off is the hash and one more")
  func offsets() throws {
    let tree = Tree(clock: Clock().now) { file("status", ConstantAttribute("")) }
    let line = try #require(try tree.readDirectory(.root).last)
    #expect(line.nextOffset == UInt64(kernfsNameHash("status")) + 1)
    #expect(line.id == (try tree.walk("status").id))
    #expect(line.kind == .regular)
  }

  @Test("Names of equal hash are both listed, however the listing is cut")
  func collisions() {
    let children: [(String, NodeID, FileKind)] = [
      ("a", NodeID(rawValue: 2), .regular), ("a", NodeID(rawValue: 3), .regular),
    ]
    let all = listing(itself: .root, parent: .root, children: children, from: 0)
    #expect(all.count == 4)
    #expect(listing(itself: .root, parent: .root, children: children, from: all[2].nextOffset) == [all[3]])
    #expect(listing(itself: .root, parent: .root, children: children, from: .max).isEmpty)
  }
}
