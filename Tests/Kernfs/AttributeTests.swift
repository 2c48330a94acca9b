import Basics
import SystemPackage
import Testing

@testable import Kernfs

/// kernel-abi 1.1 and 1.2: the attributes that every device has.
@Suite(.timeLimit(.minutes(20)))
struct AttributeTests {
  private func shown(_ tree: Tree, _ path: String) throws -> String { try tree.read(try tree.open(path), 4096) }

  @Test("power: five files")
  func power() throws {
    let tree = Tree(clock: Clock().now) { PowerDirectory.directory() }
    let node = try tree.walk("power")
    #expect(node.mode == 0o040755)
    #expect(try tree.readDirectory(node.id).count == 7)
    for (name, mode, value) in [
      ("control", UInt16(0o644), "auto\n"), ("runtime_active_time", 0o444, "0\n"),
      ("runtime_status", 0o444, "unsupported\n"), ("runtime_suspended_time", 0o444, "0\n"),
    ] {
      #expect(try tree.walk("power/\(name)").permissions == mode)
      #expect(try shown(tree, "power/\(name)") == value)
    }
    let delay = try tree.open("power/autosuspend_delay_ms", .both)
    #expect(throws: Errno.ioError) { try tree.read(delay, 10) }
    #expect(throws: Errno.ioError) { try tree.write(delay, "100") }
  }

  @Test("power of the recorded kernel: nine files (golden layout.tree 10…29)")
  func advancedPower() throws {
    let tree = Tree(clock: Clock().now) { PowerDirectory.directory(.advancedDebug) }
    #expect(try tree.readDirectory(try tree.walk("power").id).map(\.name) == ListingTests.power)
    for (name, mode, value) in [
      ("async", UInt16(0o644), "disabled\n"), ("runtime_active_kids", 0o444, "0\n"),
      ("runtime_enabled", 0o444, "disabled\n"), ("runtime_usage", 0o444, "0\n"),
    ] {
      #expect(try tree.walk("power/\(name)").permissions == mode)
      #expect(try shown(tree, "power/\(name)") == value)
    }
  }

  @Test("control and async take their words, with or without a newline, and EINVAL for others")
  func powerWords() throws {
    let tree = Tree(clock: Clock().now) { PowerDirectory.directory(.advancedDebug) }
    let control = try tree.open("power/control", .writing)
    #expect(try tree.write(control, "on\n") == 3)
    #expect(try shown(tree, "power/control") == "on\n")
    #expect(try shown(tree, "power/runtime_usage") == "1\n")
    #expect(try tree.write(control, "auto") == 4)
    #expect(try shown(tree, "power/control") == "auto\n")
    #expect(try shown(tree, "power/runtime_usage") == "0\n")
    for word in ["", "On", "autos", "auto ", " on", "on\n\n", "1"] where !word.isEmpty {
      #expect(throws: Errno.invalidArgument) { try tree.write(control, word) }
    }
    #expect(try tree.write(control, "on\0rest") == 7)
    let asynchronous = try tree.open("power/async", .writing)
    #expect(try tree.write(asynchronous, "enabled\n") == 8)
    #expect(try shown(tree, "power/async") == "enabled\n")
    #expect(throws: Errno.invalidArgument) { try tree.write(asynchronous, "on") }
  }

  @Test(
    "uevent: actions, a UUID, pairs of letters and digits",
    arguments: [
      ("add", true), ("remove", true), ("change\n", true), ("move", true), ("online", true), ("offline", true),
      ("bind", true), ("unbind\n", true), ("add\0", true),
      ("add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed", true),
      ("add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed A=1 B=abc\n", true),
      ("add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed A=1 B=ab:c", false),
      ("add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed A", false),
      ("add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18ee", false),
      ("add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eedX", false),
      ("add ge4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed", false),
      ("add ", false), ("add x", false), ("\n", false), ("Add", false), ("adds", false), ("ad", false), (" add", false),
      ("0", false),
    ])
  func uevent(text: String, isAccepted: Bool) throws {
    let lines = Guarded<[String]>([])
    let attribute = UeventAttribute(logPrefix: "firmware tdx_module") { line in lines.withLock { $0.append(line) } }
    let tree = Tree(clock: Clock().now) { file("uevent", attribute) }
    let opened = try tree.open("uevent", .writing)
    if isAccepted {
      #expect(try tree.write(opened, text) == text.utf8.count)
      #expect(lines.withLock { $0 } == [])
    } else {
      #expect(throws: Errno.invalidArgument) { try tree.write(opened, text) }
      #expect(
        lines.withLock { $0 } == ["firmware tdx_module: uevent: failed to send synthetic uevent: -22"])
    }
    #expect(try tree.write(opened, "") == 0)
  }

  @Test("uevent shows its variables; made 0200 it has none to show")
  func ueventText() throws {
    let tree = Tree(clock: Clock().now) {
      file("device", UeventAttribute(logPrefix: "faux tdx_host", log: { _ in }) { $0.append("DRIVER=faux_driver\n") })
      file("bus", UeventAttribute(mode: 0o200, logPrefix: "bus", log: { _ in }))
    }
    #expect(try shown(tree, "device") == "DRIVER=faux_driver\n")
    _ = try tree.change(try tree.walk("bus").id, InodeChange(permissions: 0o666))
    #expect(throws: Errno.ioError) { try shown(tree, "bus") }
  }

  @Test("Numbers are filled with zeros, and text is cut at 4095 bytes")
  func attributeText() {
    var text = AttributeText()
    text.append(decimal: 0)
    text.append(" ")
    text.append(decimal: 7, width: 2)
    text.append(" ")
    text.append(decimal: 100, width: 2)
    text.append(" ")
    text.append(decimal: .max)
    text.append(bytes: [10])
    #expect(text.bytes == Array("0 07 100 18446744073709551615\n".utf8))
    text.append(String(repeating: "x", count: 5000))
    #expect(text.bytes.count == 4095)
    text.append(decimal: 1, width: .max)
    text.append("more")
    #expect(text.bytes.count == 4095)
    text.clear()
    #expect(text.bytes.isEmpty)
  }
}
