import Kernfs
import SystemPackage
import Testing

@testable import TestFirmware

@Suite("The knobs of the test driver", .timeLimit(.minutes(20)))
struct KnobTests {
  /// Names and modes: golden/plain.test_firmware.jsonl, and lib/test_firmware.c's list.
  static let modes: [(String, UInt16)] = [
    ("config", 0o444), ("config_buf_size", 0o644), ("config_file_offset", 0o644), ("config_into_buf", 0o644),
    ("config_name", 0o644), ("config_num_requests", 0o644), ("config_partial", 0o644), ("config_read_fw_idx", 0o644),
    ("config_send_uevent", 0o644), ("config_sync_direct", 0o644), ("config_upload_name", 0o644), ("dev", 0o444),
    ("power", 0o755), ("read_firmware", 0o444), ("release_all_firmware", 0o200), ("reset", 0o200),
    ("subsystem", 0o777), ("test_result", 0o444), ("trigger_async_request", 0o200),
    ("trigger_batched_requests", 0o200), ("trigger_batched_requests_async", 0o200),
    ("trigger_custom_fallback", 0o200), ("trigger_request", 0o200), ("uevent", 0o644), ("upload_read", 0o444),
    ("upload_register", 0o200), ("upload_unregister", 0o200),
  ]

  @Test("have the kernel's names and modes")
  func listing() throws {
    let bench = Bench()
    #expect(try bench.names(in: TestFirmware.path) == Self.modes.map(\.0))
    let directory = try bench.node(TestFirmware.path)
    for (name, mode) in Self.modes {
      #expect(try bench.tree.lookup(name, in: directory).mode & 0o7777 == UInt32(mode), "\(name)")
    }
  }

  @Test(
    "show what the kernel's do after boot",
    arguments: [
      ("config_name", "test-firmware.bin\n"), ("config_num_requests", "4\n"), ("config_into_buf", "0\n"),
      ("config_buf_size", "1024\n"), ("config_file_offset", "0\n"), ("config_partial", "0\n"),
      ("config_sync_direct", "0\n"), ("config_send_uevent", "1\n"), ("config_read_fw_idx", "0\n"),
      ("config_upload_name", "(null)\n"), ("test_result", "0\n"), ("dev", "10:257\n"),
      ("uevent", "MAJOR=10\nMINOR=257\nDEVNAME=test_firmware\n"),
    ])
  func defaults(name: String, text: String) throws {
    #expect(try Bench().text(name) == text)
  }

  @Test(
    "read their text as the kernel does: what is shown afterwards, or the errno",
    arguments: [
      ("config_num_requests", "255\n", "255\n"), ("config_num_requests", "256", "ERANGE"),
      ("config_num_requests", "+7", "7\n"), ("config_num_requests", "-1", "EINVAL"),
      ("config_num_requests", "7x", "EINVAL"), ("config_num_requests", " 7", "EINVAL"),
      ("config_num_requests", "\n", "EINVAL"), ("config_num_requests", "99999999999999999999999", "ERANGE"),
      ("config_buf_size", "4096", "4096\n"), ("config_buf_size", "-1", "18446744073709551615\n"),
      ("config_buf_size", "-9223372036854775808", "9223372036854775808\n"),
      ("config_buf_size", "9223372036854775808", "ERANGE"), ("config_file_offset", "0x10", "EINVAL"),
      ("config_into_buf", "y", "1\n"), ("config_into_buf", "on", "1\n"), ("config_into_buf", "enable", "EINVAL"),
      ("config_send_uevent", "0", "0\n"), ("config_partial", "2", "EINVAL"),
      ("config_name", "abc", "abc\n"), ("config_name", "abc\n", "abc\n\n"), ("config_name", "ab\0c", "ab\n"),
      ("config_upload_name", "nobody", "EINVAL"),
    ])
  func parsing(name: String, text: String, outcome: String) throws {
    let bench = Bench()
    switch bench.errno({ () throws(Errno) in try bench.put(name, text) }) {
    case nil: #expect(try bench.text(name) == outcome)
    case .invalidArgument?: #expect(outcome == "EINVAL")
    case .outOfRange?: #expect(outcome == "ERANGE")
    case let errno?: Issue.record("\(errno)")
    }
  }

  @Test("are told all at once in config, and reset sets them back")
  func config() throws {
    let bench = Bench()
    let fresh = try bench.text("config")
    #expect(
      fresh == """
        Custom trigger configuration for: test_firmware
        name:\ttest-firmware.bin
        num_requests:\t4
        send_uevent:\t\tFW_ACTION_UEVENT
        into_buf:\t\tfalse
        buf_size:\t1024
        file_offset:\t0
        partial:\t\tfalse
        sync_direct:\t\tfalse
        read_fw_idx:\t0
        upload_name:\tEMPTY

        """)
    try bench.put("upload_register", "fw1")
    try bench.put("config_upload_name", "fw1 and more")
    try bench.put("config_read_fw_idx", "3")
    try bench.put("config_send_uevent", "0")
    #expect(try bench.text("config_upload_name") == "fw1\n")
    #expect(try bench.text("config").contains("send_uevent:\t\tFW_ACTION_NOUEVENT\n"))
    #expect(try bench.text("config").hasSuffix("read_fw_idx:\t3\nupload_name:\tfw1\n"))
    try bench.put("reset", "1")
    #expect(try bench.text("config") == fresh.replacing("read_fw_idx:\t0", with: "read_fw_idx:\t3"))
    #expect(bench.lines.withLock { $0 } == ["test_firmware: reset"])
    #expect(try bench.text("fw1/status") == "idle\n")
  }

  @Test("upload_read needs to be told of whom")
  func uploadRead() throws {
    let bench = Bench()
    #expect(bench.errno { () throws(Errno) in _ = try bench.get("upload_read") } == .invalidArgument)
    #expect(bench.lines.withLock { $0 } == ["test_firmware: Set config_upload_name before using upload_read"])
  }

  @Test("that ask for files find none")
  func requests() throws {
    let bench = Bench()
    #expect(bench.errno { () throws(Errno) in try bench.put("trigger_request", "x") } == .noSuchFileOrDirectory)
    #expect(bench.errno { () throws(Errno) in try bench.put("trigger_async_request", "x") } == .noMemory)
    #expect(bench.errno { () throws(Errno) in _ = try bench.get("read_firmware") } == .invalidArgument)
    #expect(try bench.put("trigger_batched_requests", "1") == 1)
    #expect(try bench.text("test_result") == "-2\n")
    #expect(bench.errno { () throws(Errno) in try bench.put("trigger_batched_requests", "1") } == .resourceBusy)
    #expect(bench.errno { () throws(Errno) in try bench.put("config_num_requests", "2") } == .invalidArgument)
    #expect(bench.errno { () throws(Errno) in _ = try bench.get("read_firmware") } == .noSuchFileOrDirectory)
    try bench.put("config_read_fw_idx", "4")
    #expect(bench.errno { () throws(Errno) in _ = try bench.get("read_firmware") } == .outOfRange)
    #expect(try bench.put("release_all_firmware", "1") == 1)
    #expect(try bench.put("config_num_requests", "2") == 1)
  }

  @Test("of the loader: its search path keeps what fits in 256 bytes")
  func searchPath() throws {
    let path = FirmwareSearchPathAttribute()
    func shown() throws -> String {
      var text = AttributeText()
      try path.show(&text)
      return String(decoding: text.bytes, as: UTF8.self)
    }
    #expect(try shown() == "\n")
    _ = try path.store(Array("/tmp/x".utf8), by: root)
    #expect(try shown() == "/tmp/x\n")
    #expect(throws: Errno.noSpace) { try path.store([UInt8](repeating: 0x61, count: 256), by: root) }
    _ = try path.store([0], by: root)
    #expect(try shown() == "\n")
  }
}
