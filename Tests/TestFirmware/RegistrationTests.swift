import Basics
import Kernfs
import SystemPackage
import Testing

@testable import TestFirmware

@Suite("Registering names with the test driver", .timeLimit(.minutes(20)))
struct RegistrationTests {
  @Test("makes a device with a link in its class")
  func register() throws {
    let bench = Bench()
    #expect(try bench.put("upload_register", "fw1") == 3)
    #expect(try bench.names(in: TestFirmware.classPath) == ["fw1", "timeout"])
    #expect(
      try bench.names(in: "\(TestFirmware.path)/fw1") == [
        "cancel", "data", "device", "error", "loading", "power", "remaining_size", "status", "subsystem", "uevent",
      ])
    func link(_ path: String) throws -> String { try bench.tree.readLink(try bench.node(path)) }
    #expect(try link("class/firmware/fw1") == "../../devices/virtual/misc/test_firmware/fw1")
    #expect(try link("\(TestFirmware.path)/fw1/device") == "../../test_firmware")
    #expect(try link("\(TestFirmware.path)/fw1/subsystem") == "../../../../../class/firmware")
    #expect(try bench.text("fw1/uevent") == "FIRMWARE=fw1\nTIMEOUT=60\nASYNC=0\n")
    #expect(try bench.names(in: "\(TestFirmware.path)/fw1/power").count == 9)
  }

  @Test("refuses names that a registered one begins, and nothing else")
  func prefixes() throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    for name in ["fw1", "fw10", "fw1\n"] {
      #expect(bench.errno { () throws(Errno) in try bench.put("upload_register", name) } == .fileExists, "\(name)")
    }
    #expect(try bench.put("upload_register", "fw") == 2)
    #expect(try bench.put("upload_register", "Fw1") == 3)
    #expect(try bench.names(in: TestFirmware.classPath) == ["Fw1", "fw", "fw1", "timeout"])
  }

  @Test("keeps a newline as a part of the name")
  func newline() throws {
    let bench = Bench()
    #expect(try bench.put("upload_register", "fw1\n") == 4)
    #expect(try bench.names(in: TestFirmware.classPath) == ["fw1\n", "timeout"])
    #expect(try bench.put("upload_register", "fw1") == 3)
    // "fw1" is no beginning of "fw1\n", but the other way round it is.
    #expect(bench.errno { () throws(Errno) in try bench.put("upload_register", "fw1\n2") } == .fileExists)
  }

  @Test("is refused where something else has the name, and nothing stays behind")
  func collisions() throws {
    let bench = Bench()
    #expect(bench.errno { () throws(Errno) in try bench.put("upload_register", "config") } == .fileExists)
    #expect(bench.errno { () throws(Errno) in try bench.put("upload_register", "timeout") } == .fileExists)
    #expect(bench.module.names.isEmpty)
    #expect(try !bench.names(in: TestFirmware.path).contains("timeout"))
    #expect(
      bench.lines.withLock { $0 } == [
        "firmware config: firmware_upload_register: device_register failed",
        "firmware timeout: firmware_upload_register: device_register failed",
      ])
  }

  @Test("is refused for what can be no name")
  func nonsense() throws {
    let bench = Bench()
    for name in [[0], [0, 0x61], [0xFF, 0xFE], Array("..".utf8)] as [[UInt8]] {
      #expect(bench.errno { () throws(Errno) in try bench.put("upload_register", name) } == .invalidArgument)
    }
    let long = [UInt8](repeating: 0x61, count: 256)
    #expect(bench.errno { () throws(Errno) in try bench.put("upload_register", long) } == .fileNameTooLong)
    #expect(try bench.put("upload_register", Array(long.dropLast())) == 255)
  }

  @Test("can be undone by any text that begins with the name")
  func unregister() throws {
    let bench = Bench()
    #expect(bench.errno { () throws(Errno) in try bench.put("upload_unregister", "fw1") } == .invalidArgument)
    try bench.put("upload_register", "fw1")
    #expect(bench.errno { () throws(Errno) in try bench.put("upload_unregister", "fw") } == .invalidArgument)
    let status = try bench.open("fw1/status", .largeFile)
    #expect(try bench.put("upload_unregister", "fw12") == 4)
    #expect(bench.errno { () throws(Errno) in _ = try bench.text("fw1/status") } == .noSuchFileOrDirectory)
    #expect(try bench.names(in: TestFirmware.classPath) == ["timeout"])
    let errno = bench.errno { () throws(Errno) in
      _ = try bench.tree.bytes(status, at: 0, count: 10, by: root).count
    }
    #expect(errno == .operationNotSupportedByDevice)
    #expect(bench.errno { () throws(Errno) in try bench.put("upload_unregister", "fw1") } == .invalidArgument)
    #expect(try bench.put("upload_register", "fw1") == 3)
    #expect(try bench.text("fw1/status") == "idle\n")
  }

  @Test("ends an upload first: unregistering cancels it and waits, the device works meanwhile, other knobs wait too")
  func unregisterDuringUpload() throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    try bench.put("config_upload_name", "fw1")
    try bench.stage(Array("inject:transferring:user-abort".utf8))
    let results = try Results(bench)
    bench.onLook.withLock {
      $0 = { look in
        guard look == 1 else { return }
        results.begin()
      }
    }
    bench.runWorkers()
    #expect(bench.looks.withLock { $0 } == 1)
    #expect(results.status.withLock { $0 } == "transferring\n")
    #expect(results.unregistered.withLock { $0?.withLock { $0 } } == .success(3))
    #expect(results.again.withLock { $0?.withLock { $0 } } == .failure(.invalidArgument))
    #expect(results.registered.withLock { $0?.withLock { $0 } } == .success(4))
    #expect(try bench.names(in: TestFirmware.classPath) == ["fw10", "timeout"])
    #expect(try bench.text("config_upload_name") == "(null)\n")
  }

  /// What happens while the worker holds its phase.
  final class Results: Sendable {
    let bench: Bench
    let status = Guarded<String?>(nil)
    let unregistered = Guarded<Guarded<Result<Int, Errno>?>?>(nil)
    let again = Guarded<Guarded<Result<Int, Errno>?>?>(nil)
    let registered = Guarded<Guarded<Result<Int, Errno>?>?>(nil)

    init(_ bench: Bench) throws { self.bench = bench }

    func begin() {
      let first = try? bench.start("upload_unregister", "fw1")
      let second = try? bench.start("upload_unregister", "fw1")
      let third = try? bench.start("upload_register", "fw10")
      let text = try? bench.text("fw1/status")
      unregistered.withLock { $0 = first }
      again.withLock { $0 = second }
      registered.withLock { $0 = third }
      status.withLock { $0 = text }
      for result in [first, second, third] { #expect(result?.withLock { $0 == nil } == true, "it has to wait") }
    }
  }

  @Test("all at once, as a power cycle does it, leaves no device and nobody waiting")
  func removeAll() throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    try bench.put("upload_register", "fw2")
    try bench.stage(Array("ok".utf8))
    let waiting = try bench.start("upload_unregister", "fw1")
    #expect(waiting.withLock { $0 } == nil)
    bench.module.removeAll()
    #expect(waiting.withLock { $0 } == .failure(.invalidArgument))
    bench.runWorkers()
    #expect(try bench.names(in: TestFirmware.classPath) == ["timeout"])
    #expect(bench.module.names.isEmpty)
  }
}
