import Kernfs
import SystemPackage
import Testing

@testable import FirmwareUpload

/// kernel-abi 2.4 and 1.7, groundtruth 5: the staged image.
@Suite(.timeLimit(.minutes(20)))
struct DataTests {
  @Test("Writes overwrite and extend; nothing ever shrinks it but a new beginning")
  func overwrite() throws {
    let bench = Bench()
    try bench.put("loading", "1")
    try bench.put("data", "AAAAAAAAAA")
    try bench.put("data", "BB")
    #expect(try bench.get("data") == "BBAAAAAAAA")
    try bench.put("data", Array("tail".utf8), at: 8)
    #expect(try bench.get("data") == "BBAAAAAAtail")
    _ = try bench.tree.change(bench.node("fw1/data"), InodeChange(size: 0))
    #expect(try bench.get("data") == "BBAAAAAAtail")
    try bench.put("loading", "1")
    #expect(try bench.get("data") == "")
  }

  @Test("A gap reads as zeros, also over what was there before")
  func gap() throws {
    let bench = Bench()
    try bench.put("data", "old old old old")
    try bench.put("loading", "1")
    try bench.put("data", Array("tail".utf8), at: 10)
    #expect(try bench.get("data") == String(repeating: "\0", count: 10) + "tail")
  }

  @Test("CAP_SYS_RAWIO is asked for at each write, before the state; not for an empty one, not for reading")
  func capability() throws {
    let bench = Bench()
    #expect(throws: Errno.notPermitted) { try bench.put("data", "x", by: nobody) }
    #expect(try bench.put("data", "", by: nobody) == 0)
    try bench.put("loading", "1")
    try bench.put("data", "x")
    try bench.put("loading", "0", by: nobody)
    #expect(throws: Errno.notPermitted) { try bench.put("data", "x", by: nobody) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try bench.put("data", "x") }
    #expect(try bench.put("data", "") == 0)
    #expect(throws: Errno.operationNotSupportedByDevice) { try bench.get("data") }
  }

  @Test(
    "Beyond the limit: EFBIG, and everything stays as it was",
    arguments: [
      Int64(1000), 999, 1_000_000, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_F000, 0x1_0000_0000, 1 << 40,
      .max - 1, .max,
    ])
  func limit(offset: Int64) throws {
    let bench = Bench(limit: 1000)
    try bench.put("loading", "1")
    try bench.put("data", "abc")
    #expect(throws: Errno.fileTooLarge) { try bench.put("data", Array("xy".utf8), at: offset) }
    #expect(bench.snap() == "idle\n||0\n|1\n|3")
    #expect(try bench.put("data", Array("xy".utf8), at: 998) == 2)
    #expect(try bench.get("data").utf8.count == 1000)
  }

  @Test("The default limit is 64 MiB")
  func defaultLimit() throws {
    let bench = Bench()
    #expect(throws: Errno.fileTooLarge) { try bench.put("data", [1], at: 64 << 20) }
    #expect(try bench.put("data", [1], at: (1 << 20)) == 1)
  }

  @Test("No page to be had: ENOMEM, and the device accepts nothing more; what has its page is written")
  func pageAllocationFails() throws {
    let bench = Bench()
    try bench.put("loading", "1")
    try bench.put("data", "abc")
    bench.device.faults.pageAllocationFails = true
    #expect(try bench.put("data", Array("d".utf8), at: 4095) == 1)
    #expect(try bench.get("loading") == "1\n")
    #expect(throws: Errno.noMemory) { try bench.put("data", Array("xy".utf8), at: 4095) }
    bench.device.faults.pageAllocationFails = false
    #expect(try bench.get("loading") == "0\n")
    #expect(try bench.get("data").utf8.count == 4096)
    try bench.put("loading", "1")
    #expect(try bench.get("loading") == "0\n")
  }

  @Test("600 000 bytes arrive in 147 writes, and are handed to the driver without a copy")
  func bigImage() throws {
    var machine = UploadStateMachine(stagingLimit: 1 << 20)
    _ = machine.storeLoading(1)
    let image = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var writes = 0
    for offset in stride(from: 0, to: image.count, by: 4096) {
      try machine.write(Array(image[offset..<min(offset + 4096, image.count)]), at: Int64(offset))
      writes += 1
    }
    #expect(writes == 147)
    let staged = machine.staged.bytes.withUnsafeBytes { $0.baseAddress }
    guard case .upload(let bytes) = machine.storeLoading(0) else {
      Issue.record("no upload")
      return
    }
    #expect(bytes.withUnsafeBytes { $0.baseAddress } == staged)
    #expect(bytes == image)
    #expect(machine.staged.bytes.isEmpty)
  }

  @Test("Page-cache reads are told how much is staged")
  func readableLength() throws {
    let bench = Bench()
    try bench.put("data", "12345")
    let opened = try bench.tree.open(bench.node("fw1/data"), flags: .largeFile, by: root)
    #expect(opened.readableLength == 5)
    #expect(try bench.tree.attributes(of: bench.node("fw1/data")).size == 0)
  }

  @Test("Page-cache reads come here during an upload, too, and are refused")
  func readableLengthDuringUpload() throws {
    let bench = Bench()
    try bench.put("loading", "1")
    try bench.put("data", "12345")
    try bench.put("loading", "0")
    let opened = try bench.tree.open(bench.node("fw1/data"), flags: .largeFile, by: root)
    #expect(opened.readableLength > 0)
    #expect(throws: Errno.operationNotSupportedByDevice) {
      try bench.tree.bytes(opened.id, at: 0, count: 4096, fromPageCache: true, by: root).count
    }
  }
}
