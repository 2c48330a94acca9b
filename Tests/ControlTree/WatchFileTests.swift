import ControlTree
@testable import Kernfs
import Platform
import SystemPackage
import Testing

/// `.tdxfs/watch`, without a mount in between.
@Suite("The control file watch", .timeLimit(.minutes(20)))
struct WatchFileTests {
  private let machine: EmulatedMachine
  private let files: MachineFiles
  private let client = Caller(uid: 0, gid: 0, pid: 4711)

  init() throws {
    let inMemory = try MachineInMemory()
    machine = inMemory.machine
    files = inMemory.files
  }

  private func write(_ text: String, to path: String) throws {
    let node = try #require(files.tree.node(at: path))
    let file = try files.tree.open(node, flags: [.writeOnly, .largeFile], by: client).id
    defer { files.tree.release(file, by: client) }
    _ = try files.tree.write(file, at: 0, Array(text.utf8), by: client)
  }

  private func read(_ path: String) throws -> String {
    let node = try #require(files.tree.node(at: path))
    let file = try files.tree.open(node, flags: [.largeFile], by: client).id
    defer { files.tree.release(file, by: client) }
    return String(decoding: try files.tree.read(file, at: 0, count: 1 << 20, by: client), as: UTF8.self)
  }

  @Test("is empty until it is switched on, and has then what clients do, and what becomes of uploads")
  func log() async throws {
    _ = try read("version")
    #expect(try read(".tdxfs/watch") == "")
    try write("on\n", to: ".tdxfs/watch")
    try write("1", to: "firmware/tdx_module/loading")
    try write("xyz", to: "firmware/tdx_module/data")
    _ = try read("firmware/tdx_module/status")
    try write("0", to: "firmware/tdx_module/loading")
    while try read("firmware/tdx_module/status") != "idle\n" { try await Task.sleep(for: .milliseconds(1)) }
    try write("off", to: ".tdxfs/watch")
    _ = try read("version")
    let lines = try read(".tdxfs/watch").split(separator: "\n").map(String.init)
    let writes = lines.filter { $0.contains("op=write") }
    #expect(writes.count == 3 && writes.allSatisfy { $0.contains("pid=4711") }, "\(lines)")
    #expect(
      writes[0].hasSuffix("path=firmware/tdx_module/loading file=\(handle(writes[0])) offset=0 asked=1 result=1 text=1")
    )
    #expect(lines.contains { $0.contains("op=read path=firmware/tdx_module/status") && $0.hasSuffix("text=idle\\x0a") })
    let commit = try #require(lines.firstIndex { $0.hasSuffix("text=0") })
    let upload = try #require(lines.firstIndex { $0.contains("op=upload bytes=3") })
    let end = try #require(
      lines.firstIndex { $0.contains("op=upload-end result=transferring:firmware-invalid lost=none") })
    #expect(commit < upload && upload < end)
    #expect(!lines.contains { $0.contains("path=version") || $0.contains("watch") })
  }

  @Test("what began in the log before is in none, and takes nobody's number")
  func restarted() throws {
    try write("on", to: ".tdxfs/watch")
    let old = (0..<3).map { _ in machine.operations.began() }
    try write("on", to: ".tdxfs/watch")
    _ = try read("version")
    let text = try read(".tdxfs/watch")
    #expect(text.contains(" pid=4711 op=open path=version"), "\(text)")
    for place in old {
      machine.operations.ended(
        FileOperation(
          kind: .read, path: "old", caller: client, file: 1, offset: 0, asked: 1, result: .success(1), head: []), place)
    }
    #expect(try read(".tdxfs/watch") == text)
  }

  private func handle(_ line: String) -> String {
    line.split(separator: " ").first { $0.hasPrefix("file=") }.map { String($0.dropFirst(5)) } ?? ""
  }

  @Test("takes on and off, and refuses everything else with the reason")
  func words() throws {
    #expect(throws: Errno.invalidArgument) { try write("maybe", to: ".tdxfs/watch") }
    #expect(try read(".tdxfs/last_error") == "watch: 'maybe' is neither on nor off\n")
    try write("on", to: ".tdxfs/watch")
    _ = try read("version")
    #expect(try read(".tdxfs/watch").contains("op=read path=version"))
    try write("on", to: ".tdxfs/watch")
    #expect(try read(".tdxfs/watch") == "")
  }
}
