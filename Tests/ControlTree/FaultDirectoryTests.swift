import Basics
import ControlTree
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

/// `.tdxfs/fault/` as a client uses it, without a mount in between.
@Suite("The directory of fault plans", .timeLimit(.minutes(20)))
struct FaultDirectoryTests {
  let machine: EmulatedMachine
  let tree: Tree
  let root = Caller(uid: 0, gid: 0, pid: 1)

  init() throws {
    let inMemory = try MachineInMemory()
    machine = inMemory.machine
    tree = inMemory.files.tree
  }

  private func directory() throws(Errno) -> NodeID {
    try tree.lookup("fault", in: tree.lookup(".tdxfs", in: .root).id).id
  }

  private func cat(_ name: String) throws(Errno) -> String {
    let file = try tree.open(tree.lookup(name, in: directory()).id, flags: .largeFile, by: root).id
    defer { tree.release(file, by: root) }
    return String(decoding: try tree.bytes(file, at: 0, count: 4096, by: root), as: UTF8.self)
  }

  /// `echo LINE > NAME`
  private func echo(_ line: String, to name: String) throws(Errno) { try echo(Array("\(line)\n".utf8), to: name) }

  private func echo(_ bytes: [UInt8], to name: String) throws(Errno) {
    let flags = OpenFlags([.writeOnly, .largeFile])
    let file: OpenFileID
    do throws(Errno) {
      file = try tree.open(tree.lookup(name, in: directory()).id, flags: flags, by: root).id
    } catch .noSuchFileOrDirectory {
      file = try tree.create(name, flags: flags, in: directory(), by: root).file.id
    }
    defer { tree.release(file, by: root) }
    _ = try tree.write(file, at: 0, bytes, by: root)
  }

  private func names() throws(Errno) -> [String] {
    try tree.readDirectory(directory()).map(\.name).filter { !$0.hasPrefix(".") }
  }

  @Test("makes a plan of a line, tells it back with how often it has acted, and takes it away")
  func plan() throws {
    try echo("leaf=SEAMLDR.INFO   vmfailinvalid", to: "f1")
    #expect(try cat("f1") == "leaf=SEAMLDR.INFO vmfailinvalid acted=0\n")
    #expect(throws: Errno.operationNotSupportedByDevice) { try machine.numRemainingUpdates() }
    #expect(try cat("f1") == "leaf=SEAMLDR.INFO vmfailinvalid acted=1\n")
    #expect(try machine.numRemainingUpdates() == 15)
    try echo("busy", to: "f1")
    #expect(try cat("f1") == "busy acted=0\n")
    try echo("stage=transfer enomem", to: "f2")
    #expect(try Set(names()) == ["f1", "f2"])
    try tree.unlink("f1", in: directory(), by: root)
    #expect(try names() == ["f2"])
    #expect(throws: Errno.noSuchFileOrDirectory) { try cat("f1") }
    #expect(throws: Errno.noSuchFileOrDirectory) { try tree.unlink("f1", in: directory(), by: root) }
  }

  @Test("refuses nonsense with EINVAL and its reason, and leaves no file of it behind")
  func nonsense() throws {
    #expect(throws: Errno.invalidArgument) { try echo("stage=instal busy", to: "f1") }
    #expect(machine.lastControlError().hasPrefix("fault/f1: stage=instal: did you mean install?"))
    #expect(try names() == [])
    #expect(throws: Errno.invalidArgument) { try echo([0xFF, 0xFE], to: "f1") }
    #expect(try names() == [])
    #expect(throws: Errno.invalidArgument) { try echo("busy", to: "a name") }
    #expect(machine.lastControlError().hasPrefix("fault: a plan's name has"))
    try echo("busy", to: "f1")
    #expect(machine.lastControlError() == "")
    #expect(throws: Errno.invalidArgument) { try echo("lp=9 busy", to: "f1") }
    #expect(try cat("f1") == "busy acted=0\n")
  }
}
