import Basics
import ControlTree
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

/// A recorded run is done again on a fresh machine, and nothing differs.
@Suite("Replaying a run", .timeLimit(.minutes(20)))
struct ReplayTests {
  /// A machine whose clients are functions of the test.
  private final class Run {
    let machine: EmulatedMachine
    let files: MachineFiles
    let root = Caller(uid: 0, gid: 0, pid: 1)
    let mayWrite = Guarded(true)

    init(_ text: String) throws {
      let mayWrite = mayWrite
      let inMemory = try MachineInMemory(text) { _ in mayWrite.withLock { $0 } }
      machine = inMemory.machine
      files = inMemory.files
    }

    private func node(_ path: String, isMade: Bool = false) throws(Errno) -> NodeID {
      var id = NodeID.root
      let names = path.split(separator: "/").map(String.init)
      for (index, name) in names.enumerated() {
        do throws(Errno) {
          id = try files.tree.lookup(name, in: id).id
        } catch {
          guard isMade, index == names.count - 1 else { throw error }
          id = try files.tree.makeNode(name, mode: 0o100600, in: id, by: root).id
        }
      }
      return id
    }

    func write(_ bytes: [UInt8], to path: String) throws(Errno) {
      let id = try node(path, isMade: path.contains("/fault/"))
      let file = try files.tree.open(id, flags: [.writeOnly, .largeFile], by: root).id
      defer { files.tree.release(file, by: root) }
      for offset in stride(from: 0, to: bytes.count, by: 4096) {
        _ = try files.tree.write(file, at: Int64(offset), Array(bytes[offset...].prefix(4096)), by: root)
      }
    }

    func write(_ text: String, to path: String) throws(Errno) { try write(Array(text.utf8), to: path) }

    func read(_ path: String) throws(Errno) {
      let file = try files.tree.open(node(path), flags: .largeFile, by: root).id
      defer { files.tree.release(file, by: root) }
      _ = try files.tree.read(file, at: 0, count: 4096, by: root)
    }

    func mkdir(_ name: String) throws(Errno) {
      _ = try files.tree.makeDirectory(name, in: node(".tdxfs/td"), by: root)
    }

    func rmdir(_ name: String) throws(Errno) {
      try files.tree.removeDirectory(name, in: node(".tdxfs/td"), by: root)
    }

    func update(_ image: [UInt8]) throws(Errno) {
      try write("1\n", to: "firmware/tdx_module/loading")
      try write(image, to: "firmware/tdx_module/data")
      try write("0\n", to: "firmware/tdx_module/loading")
      machine.worker.drain()
    }
  }

  private let images: [[UInt8]]
  private static let options = "clock=virtual,order=seed,seed=11,lps=6"

  init() throws {
    images = try ["1.5.28", "1.5.34"].map { version in
      var forge = try ImageForge(version: ModuleVersion(version) ?? ModuleVersion(1, 5, 28))
      forge.pages = 4
      return try forge.file(format: .blob)
    }
  }

  private func image(_ digest: String) -> [UInt8]? { images.first { ImageDigest.sha384($0).hexadecimal == digest } }

  /// A run with all that clients can do: updates, plans, hotplug, power, and what is refused.
  private func record(_ options: String) throws -> [UInt8] {
    let run = try Run(options)
    try run.update(images[0])
    try run.read("num_remaining_updates")
    try run.write("stage=install lp=4 status=EBADCALL p=0.9 seed=3", to: ".tdxfs/fault/f1")
    #expect(throws: Errno.invalidArgument) { try run.write("nonsense", to: ".tdxfs/fault/f2") }
    try run.write("0", to: ".tdxfs/cpu/2/online")
    try run.write("1\n", to: "firmware/tdx_module/loading")
    try run.write("thrown away", to: "firmware/tdx_module/data")
    try run.write("-1\n", to: "firmware/tdx_module/loading")
    run.mayWrite.withLock { $0 = false }
    #expect(throws: Errno.notPermitted) { try run.write("denied", to: "firmware/tdx_module/data") }
    run.mayWrite.withLock { $0 = true }
    try run.update(images[1])
    try run.read("seamldr_version")
    #expect(throws: Errno.invalidArgument) { try run.write([0xFF, 0xFE], to: "firmware/tdx_module/cancel") }
    try run.write("reboot\n", to: ".tdxfs/power")
    try run.update(images[1])
    return run.machine.traceLines()
  }

  /// A run with TDs that live through an update, are looked at, and go.
  private func recordTDs() throws -> [UInt8] {
    let run = try Run(Self.options)
    try run.mkdir("a")
    try run.mkdir("open")
    for words in ["vcpu count=2", "add count=3", "finalize", "enter vcpu=1 lp=5"] {
      try run.write(words, to: ".tdxfs/td/a/step")
    }
    #expect(throws: Errno.invalidArgument) { try run.write("finalize", to: ".tdxfs/td/open/step") }
    try run.update(images[0])
    try run.rmdir("open")
    try run.write([1, 2, 3], to: ".tdxfs/td/a/reportdata")
    for file in ["alive", "state", "mrtd", "report", "last_exit"] { try run.read(".tdxfs/td/a/\(file)") }
    try run.update(images[0])
    try run.read(".tdxfs/td/a/tee_tcb_svn2")
    try run.write("zap gpa=0x1000", to: ".tdxfs/td/a/step")
    try run.rmdir("a")
    return run.machine.traceLines()
  }

  @Test("with TDs is the same to the byte, reports included")
  func tds() throws {
    let trace = try recordTDs()
    #expect(String(decoding: trace, as: UTF8.self).contains(#""event":"read","file":".tdxfs/td/a/mrtd""#))
    let difference = try replay(trace)
    #expect(difference == nil, "\(difference.map { "\($0)" } ?? "")")
  }

  private func replay(_ trace: [UInt8]) throws -> ReplayDifference? {
    let recording = try Recording(text: trace) { image($0) }
    let target = try BenchTarget(options: recording.options) { _ in throw Errno.noSuchFileOrDirectory }
    return try recording.replay(on: target) {}
  }

  @Test("with a virtual clock is the same to the byte")
  func identical() throws {
    let trace = try record(Self.options)
    #expect(try replay(trace) == nil)
  }

  @Test("with a real clock is the same but for times")
  func realTime() throws {
    let trace = try record("seed=3,lps=6")
    #expect(try replay(trace) == nil)
  }

  @Test("says where it first differs: another seed, another register, a record too many or too few")
  func difference() throws {
    let trace = try record(Self.options)
    let text = String(decoding: trace, as: UTF8.self)
    var lines = text.split(separator: "\n").map(String.init)
    func replayed() throws -> ReplayDifference? { try replay(Array((lines.joined(separator: "\n") + "\n").utf8)) }
    let original = lines

    let call = try #require(lines.firstIndex { $0.contains("SEAMLDR.INSTALL") })
    lines[call] = lines[call].replacing("\"status\":\"SUCCESS\"", with: "\"status\":\"EBADSIG\"")
    let difference = try #require(try replayed())
    #expect(difference.record == call + 1)
    #expect(difference.recorded == lines[call])
    #expect(difference.replayed == original[call])

    lines = original
    lines.append("{\"t\":1,\"event\":\"upload\",\"bytes\":1}")
    #expect(try replayed()?.record == lines.count)
    #expect(try replayed()?.replayed == nil)

    lines = original
    lines[0] = lines[0].replacing("seed=11", with: "seed=12")
    #expect(try replayed() != nil)
  }

  @Test(
    "is refused in one line where it cannot be",
    arguments: [
      ("no JSON\n", "line 1 is no record of a trace"),
      ("{\"t\":1,\"event\":\"loading\"}\n", "the trace does not begin with power-on"),
      ("{\"t\":1,\"event\":\"power-on\",\"options\":\"lps=0\"}\n", "the recorded machine cannot be made: lps=0"),
      (
        "{\"t\":1,\"event\":\"power-on\",\"options\":\"device=test_firmware\"}\n", "runs on device=test_firmware cannot"
      ),
      ("", "the trace does not begin with power-on"),
    ])
  func refusals(text: String, reason: String) {
    let error = #expect(throws: RecordingError.self) { try Recording(text: Array(text.utf8)) { _ in nil } }
    #expect(error?.description.hasPrefix(reason) == true, "\(error?.description ?? "")")
  }

  @Test("needs the images that were uploaded, or has them in itself")
  func embedded() throws {
    let trace = try record(Self.options)
    let error = #expect(throws: RecordingError.self) { try Recording(text: trace) { _ in nil } }
    #expect(error?.description.hasPrefix("the image with SHA-384 ") == true)
    let lines = images.map { image in
      "{\"event\":\"image\",\"sha384\":\"\(ImageDigest.sha384(image).hexadecimal)\",\"base64\":\"\(Base64.text(image))\"}\n"
    }
    let recording = try Recording(text: trace + Array(lines.joined().utf8)) { _ in nil }
    let target = try BenchTarget(options: recording.options) { _ in throw Errno.noSuchFileOrDirectory }
    #expect(try recording.replay(on: target) {} == nil)
  }

  @Test("a cancel in the middle of a slow upload is done again in the middle of it")
  func midUpload() throws {
    let run = try Run("abi=v3,clock=real,seed=2")
    try run.write("stage=transfer delay=60s", to: ".tdxfs/fault/slow")
    try run.write("1\n", to: "firmware/seamldr_upload/loading")
    try run.write(images[0], to: "firmware/seamldr_upload/data")
    try run.write("0\n", to: "firmware/seamldr_upload/loading")
    while run.machine.traceCount < 9 {}
    try run.write("1", to: "firmware/seamldr_upload/cancel")
    try run.write("reboot\n", to: ".tdxfs/power")
    run.machine.worker.drain()
    let trace = run.machine.traceLines()
    #expect(String(decoding: trace, as: UTF8.self).contains("\"event\":\"cancel\""))
    #expect(try replay(trace) == nil)
  }
}
