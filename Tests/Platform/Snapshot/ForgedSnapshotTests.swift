import Kernfs
import ModuleImage
import SystemPackage
import TDXHost
import Testing

@testable import Basics
@testable import Platform

#if canImport(Glibc)
  import Glibc
#endif

/// Snapshots whose checksum is right and whose content is not: somebody made them so.
@Suite("Forged snapshots", .timeLimit(.minutes(20)))
struct ForgedSnapshotTests {
  /// Forgeries in each part; as many as `TDXFS_FORGED` says.
  private static let count = getenv("TDXFS_FORGED").flatMap { Int(String(cString: $0)) } ?? 200

  /// A leaf of an archive, by the way to it.
  private typealias Path = [Int]

  private static func children(_ node: ArchiveNode) -> [ArchiveNode] {
    switch node {
    case .list(let nodes): nodes
    case .members(let members): members.map(\.value)
    case .null, .bool, .unsigned, .signed, .double, .string, .bytes: []
    }
  }

  private static func paths(_ node: ArchiveNode, _ path: Path, _ found: inout [Path]) {
    found.append(path)
    // Of long lists a few elements are as good as all.
    for (index, child) in children(node).enumerated() where index < 40 { paths(child, path + [index], &found) }
  }

  private static func changing(
    _ node: ArchiveNode, at path: ArraySlice<Int>, _ change: (ArchiveNode) -> ArchiveNode
  ) -> ArchiveNode {
    guard let index = path.first else { return change(node) }
    switch node {
    case .list(var nodes):
      nodes[index] = changing(nodes[index], at: path.dropFirst(), change)
      return .list(nodes)
    case .members(var members):
      members[index].value = changing(members[index].value, at: path.dropFirst(), change)
      return .members(members)
    case .null, .bool, .unsigned, .signed, .double, .string, .bytes: return node
    }
  }

  private static let numbers: [UInt64] = [
    0, 1, 2, 3, 4, 7, 8, 47, 48, 63, 64, 255, 256, 2047, 2048, 4095, 4096, 65_535, 65_536, 1 << 31, (1 << 32) - 1,
    1 << 32, 1 << 40, 1 << 52, (1 << 63) - 1, 1 << 63, .max - 1, .max,
  ]

  /// Another value of the same type, mostly.
  private static func forged(_ node: ArchiveNode, _ generator: inout SeededGenerator) -> ArchiveNode {
    let number = numbers.randomElement(using: &generator) ?? 0
    switch node {
    case .null: return Bool.random(using: &generator) ? .unsigned(number) : .bytes([])
    case .bool(let value): return .bool(!value)
    case .unsigned(let value):
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: return .unsigned(value &+ 1)
      case 1: return .signed(Int64(bitPattern: number | 1 << 63))
      case 2: return .null
      default: return .unsigned(number)
      }
    case .signed, .double: return .unsigned(number)
    case .string(let text):
      return .string(
        [text + "/", "", "..", String(text.reversed()), "v1", "a\nb"].randomElement(using: &generator) ?? "")
    case .bytes(var bytes):
      guard !bytes.isEmpty else { return .bytes([UInt8](repeating: 0xFF, count: 3)) }
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: bytes.removeLast(Int.random(in: 1...min(bytes.count, 40), using: &generator))
      case 1: bytes.append(0)
      default:
        for _ in 0..<4 {
          bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        }
      }
      return .bytes(bytes)
    case .list(var nodes):
      switch (nodes.isEmpty, Int.random(in: 0..<3, using: &generator)) {
      case (false, 0): nodes.removeLast()
      case (false, 1): nodes.append(nodes[Int.random(in: nodes.indices, using: &generator)])
      case (_, _): nodes.shuffle(using: &generator)
      }
      return .list(nodes)
    case .members(var members):
      if Bool.random(using: &generator), !members.isEmpty { members.removeLast() }
      return .members(members)
    }
  }

  /// Machines in the middle of this and that.
  private static func samples() throws -> [[UInt8]] {
    let bench = try Bench(SnapshotTests.options)
    let machine = bench.machine
    _ = try bench.runningTD("runs").step("aug gpa=0x200000", "accept gpa=0x200000")
    let taken = Guarded<[[UInt8]]>([])
    machine.onStep = { [unowned machine] in
      let bytes = (try? machine.snapshot()) ?? []
      taken.withLock { $0.append(bytes) }
    }
    try machine.setFault("f", to: "leaf=TDH.VP.ENTER lp=3 status=SYS_BUSY always")
    try bench.update(to: Images.forge("1.5.28", pages: 1))
    try BenchTD("open", on: machine).step("vcpu", "add")
    try BenchTD("moves", on: machine).step("init migratable", "vcpu", "add", "finalize", "enter", "export-interrupt")
    let paused = try BenchTD("stands", on: machine)
    try paused.step("init migratable", "vcpu", "add", "finalize", "export-start", "export-pause", "export-interrupt")
    try bench.write("1\n", to: "\(bench.upload)/loading")
    try bench.write([1, 2, 3], to: "\(bench.upload)/data")
    let moments = taken.withLock { $0 }
    return [try machine.snapshot()] + stride(from: 0, to: moments.count, by: 4).map { moments[$0] }
  }

  /// Uses all of a machine.
  private func exercise(_ bench: Bench, _ image: [UInt8]) {
    let machine = bench.machine
    machine.worker.drain()
    _ = machine.status().text
    _ = machine.kernelLog()
    _ = machine.kernelMessages()
    _ = machine.why().text
    _ = machine.traceLines()
    _ = machine.faultPlans().map(\.text)
    for file in ["version", "num_remaining_updates", "seamldr_version"] { _ = try? bench.read(file) }
    for name in machine.tdNames() {
      guard let td = machine.td(named: name) else { continue }
      _ = try? machine.tdState(td)
      _ = try? machine.tdLastExit(td)
      _ = try? machine.tdReport(td, file: "report")
      for word in [
        "export-resume", "export-start", "export-pause", "export-interrupt", "export-resume", "export-state",
        "export-abort", "enter", "read gpa=0x200000 count=8192", "aug gpa=0x400000", "accept gpa=0x400000", "add",
        "extend", "image", "vcpu",
        "block gpa=0x200000", "track", "remove gpa=0x200000", "zap gpa=0x400000", "info", "halt",
        "rtmr index=1 data=00",
        "vmcall", "flush", "finalize", "rd field=0x9110000300000010",
      ] { _ = try? machine.stepTD(td, word) }
    }
    try? machine.createTD("new")
    _ = try? machine.setOnline(false, cpu: 3)
    _ = try? machine.setOnline(true, cpu: 3)
    for file in ["loading", "status", "error", "remaining_size", "data"] {
      _ = try? bench.read("\(bench.upload)/\(file)")
    }
    _ = try? bench.update(to: image)
    for name in machine.tdNames() { try? machine.destroyTD(name) }
    _ = try? machine.snapshot()
    _ = try? machine.power(.kexec)
    _ = try? machine.power(.reboot)
  }

  @Test("never trap, whatever is in them: each is refused, or is a machine that works in some way", arguments: 0..<4)
  func forged(part: Int) throws {
    let samples = try Self.samples()
    let image = try Images.forge("1.5.34", pages: 1)
    var generator = SeededGenerator(seed: 77 + UInt64(part))
    var parsed: [(options: String, node: ArchiveNode, paths: [Path])] = []
    for sample in samples {
      let format = try SnapshotFormat(sample)
      let node = try ArchiveReader.node(format.body)
      var paths: [Path] = []
      Self.paths(node, [], &paths)
      parsed.append((format.options, node, paths))
    }
    var (taken, refused) = (0, 0)
    for _ in 0..<Self.count {
      guard let sample = parsed.randomElement(using: &generator) else { break }
      var node = sample.node
      for _ in 0..<Int.random(in: 1...2, using: &generator) {
        guard let path = sample.paths.randomElement(using: &generator) else { break }
        // The first change may have taken the place of the second away.
        guard Self.exists(path[...], in: node) else { continue }
        node = Self.changing(node, at: path[...]) { Self.forged($0, &generator) }
      }
      var writer = ArchiveWriter()
      writer.write(node)
      let bench = try Bench(SnapshotTests.options)
      do throws(SnapshotError) {
        try bench.machine.restore(SnapshotFormat.bytes(options: sample.options, body: writer.bytes))
        taken += 1
      } catch {
        refused += 1
        continue
      }
      exercise(bench, image)
    }
    // Both happen, or the test would show nothing.
    #expect(taken > Self.count / 10 && refused > Self.count / 10, "\(taken) taken, \(refused) refused")
  }

  private static func exists(_ path: ArraySlice<Int>, in node: ArchiveNode) -> Bool {
    guard let index = path.first else { return true }
    let children = children(node)
    return children.indices.contains(index) && exists(path.dropFirst(), in: children[index])
  }
}
