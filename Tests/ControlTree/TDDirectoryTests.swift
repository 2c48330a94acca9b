import Basics
import ControlTree
import Kernfs
import SystemPackage
import Testing

@testable import Platform

/// `.tdxfs/td/` as a client uses it: mkdir, echo, cat and rmdir, without a mount in between.
@Suite("The directory of TDs", .timeLimit(.minutes(20)))
struct TDDirectoryTests {
  let machine: EmulatedMachine
  let files: MachineFiles
  let root = Caller(uid: 0, gid: 0, pid: 1)

  init() throws {
    let inMemory = try MachineInMemory()
    machine = inMemory.machine
    files = inMemory.files
  }

  /// The node of `td/`, or of `td/NAME`, or of a file in it.
  func node(_ path: String...) throws(Errno) -> NodeID {
    var id = NodeID.root
    for name in [".tdxfs", "td"] + path { id = try files.tree.lookup(name, in: id).id }
    return id
  }

  func mkdir(_ name: String) throws(Errno) {
    _ = try files.tree.makeDirectory(name, in: try node(), by: root)
  }

  func rmdir(_ name: String) throws(Errno) { try files.tree.removeDirectory(name, in: try node(), by: root) }

  func bytes(_ td: String, _ name: String) throws(Errno) -> [UInt8] {
    let file = try files.tree.open(try node(td, name), flags: .largeFile, by: root).id
    defer { files.tree.release(file, by: root) }
    return try files.tree.bytes(file, at: 0, count: 1 << 20, by: root)
  }

  func cat(_ td: String, _ name: String) throws(Errno) -> String {
    String(decoding: try bytes(td, name), as: UTF8.self)
  }

  func write(_ bytes: [UInt8], at offset: Int64 = 0, to td: String, _ name: String) throws(Errno) {
    let file = try files.tree.open(try node(td, name), flags: [.largeFile, .writeOnly], by: root).id
    defer { files.tree.release(file, by: root) }
    _ = try files.tree.write(file, at: offset, bytes, by: root)
  }

  func step(_ td: String, _ words: String) throws(Errno) { try write(Array("\(words)\n".utf8), to: td, "step") }

  var lastError: String { machine.lastControlError() }

  static let fileNames = [
    "alive", "attributes", "image", "last_exit", "mrtd", "report", "reportdata", "rtmr0", "rtmr1", "rtmr2", "rtmr3",
    "state", "step", "tee_tcb_svn", "tee_tcb_svn2", "xfam",
  ]

  @Test("mkdir makes an open build with all its files, rmdir ends it")
  func lifeOfADirectory() throws {
    try mkdir("a")
    try mkdir("b")
    let names = try files.tree.readDirectory(try node()).map(\.name).filter { !$0.hasPrefix(".") }
    #expect(Set(names) == ["a", "b"])
    let listed = try files.tree.readDirectory(try node("a")).map(\.name).filter { !$0.hasPrefix(".") }
    #expect(listed.sorted() == Self.fileNames)
    #expect(try files.tree.attributes(of: try node("a")).permissions == 0o700)
    #expect(machine.status().values["open_builds"] == "2")
    try rmdir("a")
    #expect(throws: Errno.noSuchFileOrDirectory) { try node("a") }
    #expect(throws: Errno.noSuchFileOrDirectory) { try rmdir("a") }
    #expect(machine.status().values["tds"] == "1")
  }

  @Test("everything in it reads as text, hashes in lower-case hex")
  func contents() throws {
    try mkdir("a")
    #expect(try cat("a", "mrtd") == "")
    #expect(try cat("a", "tee_tcb_svn") == "")
    #expect(try cat("a", "step").contains("add-page [gpa=] [count=] [pattern=] [source=] [measure]: TDH.MEM.SEPT.ADD"))
    #expect(try cat("a", "last_exit").hasPrefix("exit=-\n"))
    for words in ["vcpu", "add-page", "extend", "finalize", "enter"] { try step("a", words) }
    #expect(
      try cat("a", "last_exit") == """
        exit=external-interrupt
        reason=1
        status=TDX_SUCCESS 0x0000000000000001
        vcpu=0
        lp=0
        entries=1
        detail=-

        """)
    #expect(
      try cat("a", "mrtd")
        == "15a8464628b6214951c4a1b57775507dd950263654e8790e257995b45013c84aba1d87a3bcbc1929b5f7db6d3e92cad6\n")
    for index in 0..<4 { #expect(try cat("a", "rtmr\(index)") == String(repeating: "0", count: 96) + "\n") }
    #expect(try cat("a", "tee_tcb_svn") == "0d01" + String(repeating: "0", count: 28) + "\n")
    #expect(try cat("a", "tee_tcb_svn2") == cat("a", "tee_tcb_svn"))
    #expect(try cat("a", "attributes") == "0x0000000010000000\n")
    #expect(try cat("a", "xfam") == "0x0000000000000003\n")
    #expect(try cat("a", "alive") == "1\n")
    let state = try cat("a", "state").split(separator: "\n").map { $0.split(separator: "=")[0] }
    #expect(
      state == [
        "name", "state", "alive", "dead", "lifecycle", "op_state", "hkid", "tdr", "vcpus", "max_vcpus", "pages",
        "sept_pages", "host_pages", "image_pages", "module",
      ])
  }

  @Test("reportdata takes 1 to 64 bytes as they are, and report gives 1024 with them")
  func report() throws {
    try mkdir("a")
    for words in ["vcpu", "add", "finalize"] { try step("a", words) }
    #expect(try bytes("a", "reportdata") == [UInt8](repeating: 0, count: 64))
    for data in [[0x20], [0, 0x0A, 0x20], (0..<64).map { UInt8($0) }] as [[UInt8]] {
      try write(data, to: "a", "reportdata")
      let filled = data + [UInt8](repeating: 0, count: 64 - data.count)
      #expect(try bytes("a", "reportdata") == filled)
      let report = try bytes("a", "report")
      #expect(report.count == 1024)
      #expect(Array(report[128..<192]) == filled)
    }
    #expect(throws: Errno.invalidArgument) { try write([UInt8](repeating: 1, count: 65), to: "a", "reportdata") }
    #expect(lastError == "td/a/reportdata: 65 bytes, and REPORTDATA has 1 to 64\n")
  }

  @Test("what is refused is in last_error, and a read that succeeds leaves it there")
  func reasons() throws {
    try mkdir("a")
    #expect(throws: Errno.invalidArgument) { try step("a", "finalize") }
    #expect(lastError.hasPrefix("td/a/step: TDH.MR.FINALIZE on LP 0: TDX_NO_VCPUS 0xc000060900000000"))
    #expect(try cat("a", "alive") == "1\n")
    #expect(lastError.contains("NO_VCPUS"))
    #expect(throws: Errno.ioError) { try bytes("a", "report") }
    #expect(lastError == "td/a/report: a TD makes reports once it is finalized, and alive\n")
    #expect(throws: Errno.invalidArgument) { try mkdir("a\u{1}") }
    #expect(lastError == "td/a?: a name is made of printable characters\n")
    try step("a", "vcpu")
    #expect(lastError == "")
  }

  @Test("the files of a TD that is gone are dead, also when another has its name")
  func dead() throws {
    try mkdir("a")
    let old = try files.tree.open(try node("a", "step"), flags: [.largeFile, .writeOnly], by: root).id
    try rmdir("a")
    try mkdir("a")
    #expect(throws: Errno.operationNotSupportedByDevice) {
      try files.tree.write(old, at: 0, Array("vcpu".utf8), by: root)
    }
    files.tree.release(old, by: root)
    try step("a", "vcpu")
    _ = try machine.power(.reboot)
    #expect(throws: Errno.noSuchFileOrDirectory) { try node("a") }
    let names = try files.tree.readDirectory(try node()).map(\.name)
    #expect(names.allSatisfy { $0.hasPrefix(".") })
  }

  @Test("during an update a write waits, and so do opens and mkdir; then they go on")
  func waits() throws {
    try mkdir("a")
    let file = try files.tree.open(try node("a", "step"), flags: [.largeFile, .writeOnly], by: root).id
    machine.lock.withLock { machine.isUpdating = true }
    let result = Guarded<Result<Int, Errno>?>(nil)
    let pending = files.tree.write(file, at: 0, Array("vcpu".utf8), by: root) { outcome in
      result.withLock { $0 = outcome }
    }
    #expect(pending != nil)
    #expect(throws: Errno.restartSystemCall) { try bytes("a", "mrtd") }
    #expect(throws: Errno.restartSystemCall) { try mkdir("b") }
    #expect(throws: Errno.restartSystemCall) { try rmdir("a") }
    #expect(files.tree.queue(of: try node()) != nil)
    #expect(files.tree.queue(of: try node("a", "mrtd")) != nil)
    #expect(lastError == "")
    machine.lock.withLock { machine.isUpdating = false }
    machine.idle.wake()
    #expect(result.withLock { $0 } == .success(4))
    try rmdir("a")
  }

  @Test("a firmware image goes in at offsets")
  func image() throws {
    try mkdir("a")
    try write([1, 2], to: "a", "image")
    try write([3], at: 5000, to: "a", "image")
    #expect(throws: Errno.invalidArgument) { try step("a", "image") }
    #expect(lastError.contains("is no TD firmware"))
    #expect(throws: Errno.fileTooLarge) { try write([3], at: 64 << 20, to: "a", "image") }
    try step("a", "add-page source=4096")
    for words in ["vcpu", "finalize", "read gpa=0x1388 count=2"] { try step("a", words) }
    #expect(try cat("a", "step") == "0300\n")
  }
}
