import Basics
import ControlTree
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

/// `.tdxfs/` as a client uses it: cat and echo, without a mount in between.
@Suite("The control directory", .timeLimit(.minutes(20)))
struct ControlDirectoryTests {
  let machine: EmulatedMachine
  let files: MachineFiles
  let root = Caller(uid: 0, gid: 0, pid: 1)

  init() throws {
    let inMemory = try MachineInMemory()
    machine = inMemory.machine
    files = inMemory.files
  }

  func open(_ name: String, _ flags: OpenFlags) throws(Errno) -> OpenFileID {
    guard let node = files.tree.node(at: ".tdxfs/\(name)") else { throw .noSuchFileOrDirectory }
    return try files.tree.open(node, flags: flags.union(.largeFile), by: root).id
  }

  func cat(_ name: String) throws(Errno) -> String {
    let file = try open(name, [])
    defer { files.tree.release(file, by: root) }
    return String(decoding: try files.tree.bytes(file, at: 0, count: 1 << 20, by: root), as: UTF8.self)
  }

  func echo(_ text: String, to name: String) throws(Errno) {
    let file = try open(name, .writeOnly)
    defer { files.tree.release(file, by: root) }
    _ = try files.tree.write(file, at: 0, Array("\(text)\n".utf8), by: root)
  }

  @Test("is found by name, has mode 0700 and is never listed nor counted")
  func hidden() throws {
    let attributes = try files.tree.lookup(".tdxfs", in: .root)
    #expect(attributes.permissions == 0o700)
    #expect(try !files.tree.readDirectory(.root).contains { $0.name == ".tdxfs" })
    #expect(try files.tree.attributes(of: .root).links == 3)
  }

  @Test("says what the machine is, always with all keys")
  func status() throws {
    #expect(
      try cat("status") == """
        power=on
        abi=v8
        cpu=spr
        module=1.5.24
        seamldr=1.5.02
        remaining_updates=15
        sys_state=SYS_READY
        seam_ready=1
        lps=4
        online=0-3
        tds=0
        open_builds=0

        """)
  }

  @Test("shows the kernel log from power-on, with the seed that repeats it")
  func log() throws {
    let lines = try cat("log").split(separator: "\n").map(String.init)
    let form = /\[ {0,4}\d+\.\d{6}\] .+/
    #expect(lines.allSatisfy { $0.wholeMatch(of: form) != nil })
    #expect(lines.first?.hasSuffix("tdxfs: seed=42") == true)
    #expect(lines.last?.hasSuffix("virt/tdx: TDX-Module initialized") == true)
  }

  @Test("gives one record of the kernel log a read, as /dev/kmsg does")
  func kmsg() throws {
    let file = try open("kmsg", [])
    defer { files.tree.release(file, by: root) }
    var offset: Int64 = 0
    var records: [String] = []
    while true {
      let record = String(decoding: try files.tree.bytes(file, at: offset, count: 8191, by: root), as: UTF8.self)
      if record.isEmpty { break }
      offset += Int64(record.utf8.count)
      records.append(record)
    }
    #expect(records.count == machine.kernelLog().split(separator: "\n").count)
    #expect(records.allSatisfy { $0.filter { $0 == "\n" }.count == 1 })
    #expect(records.first?.hasPrefix("6,0,") == true)
  }

  @Test("traces as JSON lines, power-on as one summary record")
  func trace() throws {
    let lines = try cat("trace").split(separator: "\n").map(String.init)
    #expect(lines.count == 1)
    #expect(lines.first?.contains(#""event":"power-on","abi":"v8","module":"1.5.24","tdx_host":"present""#) == true)
    _ = try machine.numRemainingUpdates()
    let call = try cat("trace").split(separator: "\n").last.map(String.init) ?? ""
    #expect(call.contains(#""lp":0,"leaf":"SEAMLDR.INFO","in":{"rax":"0x8000000000000000""#))
    #expect(call.contains(#""status":"SUCCESS"}"#))
  }

  @Test(
    "refuses nonsense with EINVAL and keeps the reason",
    arguments: [
      ("power", "off", "power: 'off' is none of reboot, kexec\n"),
      ("power", "", "power: '' is none of reboot, kexec\n"),
      ("cpu/1/online", "2", "cpu/1/online: '2' is neither 0 nor 1\n"),
      ("cpu/1/online", "on", "cpu/1/online: 'on' is neither 0 nor 1\n"),
    ])
  func nonsense(file: String, text: String, reason: String) throws {
    #expect(throws: Errno.invalidArgument) { try echo(text, to: file) }
    #expect(try cat("last_error") == reason)
    try echo("1", to: "cpu/1/online")
    #expect(try cat("last_error") == "")
  }

  @Test("keeps CPU 0 online: EBUSY")
  func cpu0() throws {
    #expect(throws: Errno.resourceBusy) { try echo("0", to: "cpu/0/online") }
    #expect(try cat("last_error") == "cpu/0/online: CPU 0 is always online\n")
    #expect(throws: Errno.noSuchFileOrDirectory) { try echo("0", to: "cpu/4/online") }
  }

  @Test("lets a hotplug write wait for the update that runs, and then does it")
  func waits() throws {
    machine.lock.withLock { machine.isUpdating = true }
    let file = try open("cpu/2/online", .writeOnly)
    let result = Guarded<Result<Int, Errno>?>(nil)
    let pending = files.tree.write(file, at: 0, Array("0".utf8), by: root) { outcome in
      result.withLock { $0 = outcome }
    }
    #expect(pending != nil)
    #expect(machine.isOnline(2))

    machine.lock.withLock { machine.isUpdating = false }
    machine.idle.wake()

    #expect(result.withLock { $0 } == .success(1))
    #expect(!machine.isOnline(2))
  }

  @Test("reboots: the trace and why stay, the log begins anew")
  func reboot() throws {
    try echo("reboot", to: "power")
    #expect(try cat("power") == "on\n")
    // Power-on, what was written, what it meant, power-on.
    #expect(try cat("trace").split(separator: "\n").count == 4)
    #expect(try cat("log").split(separator: "\n").count == 6)
    #expect(try cat("why").hasPrefix("nothing was uploaded\nresult=-\n"))
    try echo("kexec", to: "power")
    #expect(try cat("power") == "kexec\n")
    #expect(files.tree.node(at: "version") == nil)
    #expect(try cat("status").contains("power=kexec\n"))
  }
}
