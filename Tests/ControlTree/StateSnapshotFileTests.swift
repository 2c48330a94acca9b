import ControlTree
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

/// `.tdxfs/snapshot`, written and read as a client does, without a mount in between.
@Suite("The file snapshot", .timeLimit(.minutes(20)))
struct StateSnapshotFileTests {
  let machine: EmulatedMachine
  let files: MachineFiles
  let root = Caller(uid: 0, gid: 0, pid: 1)

  init() throws {
    let inMemory = try MachineInMemory("seed=42,clock=virtual")
    machine = inMemory.machine
    files = inMemory.files
  }

  func open(_ path: String, _ flags: OpenFlags) throws(Errno) -> OpenFileID {
    guard let node = files.tree.node(at: path) else { throw .noSuchFileOrDirectory }
    return try files.tree.open(node, flags: flags.union(.largeFile), by: root).id
  }

  func read(_ path: String) throws(Errno) -> [UInt8] {
    let file = try open(path, [])
    defer { files.tree.release(file, by: root) }
    var content: [UInt8] = []
    while true {
      let part = try files.tree.bytes(file, at: Int64(content.count), count: 1 << 17, by: root)
      guard !part.isEmpty else { return content }
      content += part
    }
  }

  /// Writes `bytes` in pieces of `size`.
  func write(_ bytes: [UInt8], by size: Int) throws(Errno) {
    let file = try open(".tdxfs/snapshot", .writeOnly)
    defer { files.tree.release(file, by: root) }
    var offset = 0
    while offset < bytes.count {
      let piece = Array(bytes[offset...].prefix(size))
      _ = try files.tree.write(file, at: Int64(offset), piece, by: root)
      offset += piece.count
    }
  }

  var lastError: String { machine.lastControlError() }

  @Test(
    "has mode 0600, reads as the machine, and brings it back in pieces of any size", arguments: [512, 4096, 131_072])
  func andBack(size: Int) throws {
    let node = try #require(files.tree.node(at: ".tdxfs/snapshot"))
    #expect(try files.tree.attributes(of: node).permissions == 0o600)
    try machine.createTD("a")
    let saved = try read(".tdxfs/snapshot")
    #expect(saved.count > 10_000)
    let td = try #require(machine.td(named: "a"))
    try machine.destroyTD("a")
    try write(saved, by: size)
    #expect(machine.tdNames() == ["a"])
    #expect(machine.kernelLog().hasSuffix("tdxfs: restored from a snapshot\n"))
    #expect(lastError.isEmpty)
    // A TD of the machine that was here before is another.
    #expect(throws: ControlError.self) { try machine.tdState(td) }
  }

  @Test("open files of the devices that were there before are dead, as after a reboot")
  func deadFiles() throws {
    let saved = try read(".tdxfs/snapshot")
    let version = try open("version", [])
    try write(saved, by: 4096)
    #expect(throws: Errno.operationNotSupportedByDevice) {
      try files.tree.bytes(version, at: 0, count: 64, by: root)
    }
    #expect(try read("version") == Array("1.5.24\n".utf8))
  }

  @Test("a wrong one is EINVAL, at the write that shows it, and last_error has the reason")
  func wrong() throws {
    let saved = try read(".tdxfs/snapshot")
    var damaged = saved
    damaged[saved.count / 2] ^= 0x10
    #expect(throws: Errno.invalidArgument) { try write(damaged, by: 4096) }
    #expect(lastError == "snapshot: the snapshot is damaged: its checksum is not that of its bytes\n")
    #expect(throws: Errno.invalidArgument) { try write(Array("junk that is no snapshot".utf8), by: 4096) }
    #expect(lastError.hasPrefix("snapshot: this is no snapshot of tdxfs"))
    // Who goes on behind a refused part hears the same.
    let file = try open(".tdxfs/snapshot", .writeOnly)
    _ = try files.tree.write(file, at: 0, Array(damaged.dropLast(9)), by: root)
    for _ in 0..<2 {
      #expect(throws: Errno.invalidArgument) {
        try files.tree.write(file, at: Int64(damaged.count - 9), damaged.suffix(9), by: root)
      }
      #expect(lastError.contains("checksum"))
    }
    files.tree.release(file, by: root)
    #expect(throws: Errno.fileTooLarge) {
      try write(Array(saved.prefix(16)) + [0, 0, 0, 0, 0, 1, 0, 0] + saved.dropFirst(24), by: 4096)
    }
    #expect(!machine.kernelLog().contains("restored"))
  }

  @Test("a cut one restores nothing; the reason is there when the file is closed")
  func cut() throws {
    let saved = try read(".tdxfs/snapshot")
    let log = machine.kernelLog()
    try write(Array(saved.dropLast(100)), by: 4096)
    #expect(lastError.hasPrefix("snapshot: only \(saved.count - 100) bytes of a snapshot came"))
    #expect(machine.kernelLog() == log)
  }

  @Test("bytes have to come in order, and from one writer")
  func disorder() throws {
    let saved = try read(".tdxfs/snapshot")
    let first = try open(".tdxfs/snapshot", .writeOnly)
    let second = try open(".tdxfs/snapshot", .writeOnly)
    defer {
      files.tree.release(first, by: root)
      files.tree.release(second, by: root)
    }
    _ = try files.tree.write(first, at: 0, Array(saved.prefix(4096)), by: root)
    #expect(throws: Errno.invalidArgument) {
      try files.tree.write(first, at: 8192, Array(saved.prefix(4096)), by: root)
    }
    _ = try files.tree.write(first, at: 0, Array(saved.prefix(4096)), by: root)
    #expect(throws: Errno.invalidArgument) {
      try files.tree.write(second, at: 4096, Array(saved.prefix(4096)), by: root)
    }
    #expect(lastError.hasPrefix("snapshot: the bytes of a snapshot have to come in order"))
  }

  @Test("the writes are one line of the trace, without their bytes")
  func trace() throws {
    let saved = try read(".tdxfs/snapshot")
    try write(Array(saved.dropLast(100)), by: 4096)
    let lines = String(decoding: machine.traceLines(), as: UTF8.self).split(separator: "\n")
    #expect(lines.count { $0.contains(".tdxfs/snapshot") } == 1)
    #expect(lines.allSatisfy { $0.utf8.count < 1000 })
  }
}
