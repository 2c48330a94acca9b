import FirmwareUpload
import SystemPackage
import Testing

@testable import TestFirmware

@Suite("An upload to the test driver", .timeLimit(.minutes(20)))
struct UploadTests {
  @Test("goes in steps of 37 bytes, and upload_read gives it back")
  func steps() throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    let image = (0..<100).map { UInt8($0) }
    #expect(try bench.upload(image) == " 0")
    #expect(bench.events.withLock { $0 } == ["fw1 63", "fw1 26", "fw1 0"])
    try bench.put("config_upload_name", "fw1")
    #expect(try bench.get("upload_read") == image)
  }

  @Test(
    "takes 2048 bytes and not one more",
    arguments: [(2048, " 0"), (2049, "preparing:invalid-file-size 2049"), (5000, "preparing:invalid-file-size 5000")])
  func limit(size: Int, outcome: String) throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    let image = [UInt8](repeating: 0x5A, count: size)
    try bench.put("fw1/loading", "1")
    let file = try bench.open("fw1/data", [.writeOnly, .largeFile])
    for start in stride(from: 0, to: size, by: 4096) {
      _ = try bench.tree.write(file, at: Int64(start), Array(image.dropFirst(start).prefix(4096)), by: root)
    }
    try bench.put("fw1/loading", "0")
    bench.runWorkers()
    let left = try bench.text("fw1/remaining_size").dropLast()
    #expect("\(try bench.text("fw1/error").filter { $0 != "\n" }) \(left)" == outcome)
  }

  @Test(
    "fails where and how the image asks for it",
    arguments: ["preparing", "transferring", "programming"],
    [
      "hw-error", "timeout", "device-busy", "invalid-file-size", "read-write-error", "flash-wearout",
      "firmware-invalid",
    ])
  func injection(phase: String, error: String) throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    let image = "inject:\(phase):\(error)"
    // golden/fw1.inject.jsonl: the first block fails, so nothing was taken before programming.
    let left = phase == "programming" ? 0 : image.utf8.count
    #expect(try bench.upload(image) == "\(phase):\(error) \(left)")
    #expect(try bench.upload("an ordinary image") == " 0")
  }

  @Test(
    "compares tokens by their beginning only",
    arguments: [
      ("inject:preparing:hw-error-with-suffix", "preparing:hw-error 37"),
      ("inject:programming:timeout\n", "programming:timeout 0"),
      ("inject:preparing:none", " 0"),
      ("inject:preparing:bogus", " 0"),
      ("inject:receiving:hw-error", " 0"),
      ("inject:idle:hw-error", " 0"),
      ("inject:bogus:hw-error", " 0"),
      (" inject:preparing:hw-error", " 0"),
      ("Inject:preparing:hw-error", " 0"),
      ("inject:preparing", " 0"),
    ])
  func tokens(image: String, outcome: String) throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    #expect(try bench.upload(image) == outcome)
  }

  @Test("reads on behind a short image, into what the one before it left in the page")
  func staleBytes() throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    #expect(try bench.upload("inject:preparing:") == " 0")
    try bench.upload("inject:preparing:hw-error-with-suffix")
    #expect(try bench.upload("inject:preparing:") == "preparing:hw-error 17")
    #expect(try bench.upload("inject:preparing:time") == " 0")
  }

  @Test("leaves in upload_read what it wrote before it failed, and zeros behind it")
  func partialContent() throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    try bench.put("config_upload_name", "fw1")
    #expect(try bench.get("upload_read").isEmpty)
    let image = Array("inject:transferring:timeout and more than the one block of 37 bytes".utf8)
    try bench.upload(image)
    #expect(try bench.get("upload_read") == image.prefix(37) + [UInt8](repeating: 0, count: image.count - 37))
    try bench.upload("inject:preparing:timeout")
    #expect(try bench.get("upload_read") == [UInt8](repeating: 0, count: 24))
    // What is too large changes nothing.
    try bench.upload([UInt8](repeating: 1, count: 2049))
    #expect(try bench.get("upload_read") == [UInt8](repeating: 0, count: 24))
  }

  @Test(
    "asked for user-abort holds its phase until somebody cancels",
    arguments: ["preparing", "transferring", "programming"])
  func hold(phase: String) throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    bench.onLook.withLock {
      $0 = { look in
        guard look == 7 else { return }
        #expect((try? bench.text("fw1/status")) == "\(phase)\n")
        #expect(bench.errno { () throws(Errno) in _ = try bench.get("fw1/error") } == .resourceBusy)
        #expect((try? bench.put("fw1/cancel", "1")) == 1)
      }
    }
    let image = "inject:\(phase):user-abort, held"
    let expected = phase == "programming" ? "0" : "\(image.utf8.count)"
    #expect(try bench.upload(image) == "\(phase):user-abort \(expected)")
    #expect(bench.looks.withLock { $0 } == 7)
  }

  @Test("that nobody cancels goes on after five minutes")
  func patience() throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    #expect(try bench.upload("inject:preparing:user-abort") == " 0")
    #expect(bench.looks.withLock { $0 } == 3000)
  }

  @Test("forgets a cancel that came before it")
  func earlyCancel() throws {
    let bench = Bench()
    try bench.put("upload_register", "fw1")
    #expect(bench.errno { () throws(Errno) in try bench.put("fw1/cancel", "1") } == .operationNotSupportedByDevice)
    #expect(try bench.upload("ok") == " 0")
    try bench.stage(Array("ok".utf8))
    #expect(try bench.put("fw1/cancel", "1") == 1)
    bench.runWorkers()
    #expect(try bench.text("fw1/error").isEmpty)
  }

  @Test("does not disturb the other devices")
  func independence() throws {
    let bench = Bench()
    for name in ["fw1", "fw2", "fw3"] { try bench.put("upload_register", name) }
    try bench.stage(Array("inject:programming:hw-error".utf8), on: "fw1")
    try bench.stage(Array("second".utf8), on: "fw2")
    #expect(try bench.text("fw1/status") == "receiving\n")
    #expect(try bench.text("fw3/status") == "idle\n")
    bench.runWorkers()
    #expect(try bench.text("fw1/error") == "programming:hw-error\n")
    #expect(try bench.text("fw2/error").isEmpty)
    try bench.put("config_upload_name", "fw2")
    #expect(try bench.text("upload_read") == "second")
  }
}
