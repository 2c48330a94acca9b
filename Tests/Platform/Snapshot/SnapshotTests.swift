import Basics
import Kernfs
import ModuleImage
import SystemPackage
import TDXHost
import Testing

@testable import Platform

/// Machines as bytes, and back.
@Suite("Snapshots", .timeLimit(.minutes(20)))
struct SnapshotTests {
  /// The options of all benches here: with a virtual clock, equal machines have equal times.
  static let options = ["clock": "virtual", "order": "seed", "seed": "3"]

  /// A machine in which much has happened: TDs that run and are built, plans, an upload that failed, staged bytes, a CPU that
  /// was offline for a while.
  private func eventful() throws -> Bench {
    let bench = try Bench(Self.options)
    let running = try bench.runningTD("runs")
    try running.step("aug gpa=0x200000 count=2", "accept gpa=0x200000", "write gpa=0x200000 data=c0ffee")
    let open = try BenchTD("open", on: bench.machine)
    try open.step("vcpu", "add-page count=3 pattern=90", "extend")
    let moving = try BenchTD("moves", on: bench.machine)
    try moving.step("init migratable", "vcpu", "add", "finalize", "enter", "export-interrupt lp=1")
    try bench.machine.setFault("plan", to: "leaf=TDH.VP.ENTER lp=1 nth=2 status=SYS_BUSY")
    _ = try bench.machine.setOnline(false, cpu: 3)
    _ = try bench.machine.setOnline(true, cpu: 3)
    #expect(try bench.update(to: Images.forge("1.5.28")) == "transferring:device-busy\n")
    try bench.write("1\n", to: "\(bench.upload)/loading")
    try bench.write([UInt8](repeating: 7, count: 9000), to: "\(bench.upload)/data")
    return bench
  }

  @Test("a machine that was restored is the one that was saved: saved again, it is the same bytes")
  func same() throws {
    let bench = try eventful()
    let bytes = try bench.machine.snapshot()
    let other = try Bench(Self.options)
    try other.machine.restore(bytes)
    #expect(try other.machine.snapshot() == bytes)
    #expect(other.machine.status() == bench.machine.status())
    #expect(other.machine.kernelLog() == bench.machine.kernelLog())
    #expect(other.machine.traceLines() == bench.machine.traceLines())
    #expect(other.machine.why() == bench.machine.why())
    #expect(other.machine.faultTable == bench.machine.faultTable)
    #expect(try other.read("\(other.upload)/error") == "transferring:device-busy\n")
    #expect(try other.read("\(other.upload)/loading") == "1\n")
    #expect(try other.read("\(other.upload)/data") == String(repeating: "\u{7}", count: 4096))
  }

  @Test("and does the same from there on: TDs go on, the build is measured alike, the upload is taken up")
  func goesOn() throws {
    let bench = try eventful()
    let other = try Bench(Self.options)
    try other.machine.restore(try bench.machine.snapshot())
    func story(_ bench: Bench) throws -> [String] {
      let machine = bench.machine
      let running = try BenchTD(existing: "runs", on: machine)
      let open = try BenchTD(existing: "open", on: machine)
      let moving = try BenchTD(existing: "moves", on: machine)
      var told = [try running.step("read gpa=0x200000 count=3"), try open.step("add", "finalize", "enter")]
      told.append(try moving.step("export-resume", "export-pause", "export-state"))
      told.append(try #require(try open.measurement(.mrtd)))
      told.append(try running.report("x").bytes.hexadecimal)
      try bench.write("1\n", to: "\(bench.upload)/loading")
      told.append(try bench.update(to: Images.forge("1.5.28")))
      told.append(try bench.read("version"))
      _ = try machine.power(.reboot)
      told.append(machine.kernelLog())
      told.append(String(decoding: machine.traceLines(), as: UTF8.self))
      return told
    }
    let expected = try story(bench)
    #expect(expected[0] == "c0ffee")
    #expect(expected[6] == "1.5.28\n")
    #expect(try story(other) == expected)
    #expect(try other.machine.snapshot() == bench.machine.snapshot())
  }

  /// The TD of a story beside one that runs.
  enum Other: String {
    case none, building, interrupted
  }

  /// What is wrong in an update, under which kernel, and on which machine.
  static let stories: [(plan: String?, abi: String, other: Other)] = [
    (nil, "v8", .none), (nil, "v8", .building), (nil, "merged", .building), (nil, "v8", .interrupted),
    (nil, "merged", .interrupted),
    ("stage=install nth=4 corrupt-handoff", "v8", .none), ("stage=cpu-init lp=2 status=SYS_BUSY", "v8", .none),
    ("stage=shutdown delay=5ms", "v8", .none), ("stage=transfer enomem", "v8", .none),
  ]

  @Test(
    "taken at every step of an update, restored and gone on with: the same end as without, to the byte",
    arguments: stories)
  func everyStep(story: (plan: String?, abi: String, other: Other)) throws {
    let options = Self.options.merging(["abi": story.abi]) { $1 }
    let bench = try Bench(options)
    _ = try bench.runningTD()
    switch story.other {
    case .none: break
    case .building: try BenchTD("b", on: bench.machine).step("vcpu", "add")
    case .interrupted:
      try BenchTD("m", on: bench.machine).step(
        "init migratable", "vcpu", "add", "finalize", "enter", "export-interrupt")
    }
    if let plan = story.plan { try bench.machine.setFault("f", to: plan) }
    let taken = Guarded<[[UInt8]]>([])
    let machine = bench.machine
    machine.onStep = { [unowned machine] in
      let bytes = (try? machine.snapshot()) ?? []
      taken.withLock { $0.append(bytes) }
    }
    machine.onSettled = machine.onStep
    try bench.update(to: Images.forge("1.5.28", format: story.abi == "merged" ? .image : .blob))
    let end = try machine.snapshot()
    let moments = taken.withLock { $0 }
    let isShort = story.plan == "stage=transfer enomem" || story.other != .none && story.abi == "v8"
    #expect(moments.count >= (isShort ? 2 : 6))
    for (index, moment) in moments.enumerated() {
      let other = try Bench(options)
      try other.machine.restore(moment)
      other.machine.worker.drain()
      #expect(try other.machine.snapshot() == end, "moment \(index)")
    }
  }

  @Test("during an update, readers of the restored machine see what could be seen just before it")
  func frozen() throws {
    let bench = try Bench(Self.options)
    let machine = bench.machine
    let middle = Guarded<[UInt8]>([])
    machine.onStep = { [unowned machine] in
      guard machine.lock.withLock({ machine.installation?.update.state == .cpuInit }) else { return }
      let bytes = (try? machine.snapshot()) ?? []
      middle.withLock { $0 = bytes }
    }
    try bench.update(to: Images.forge("1.5.28"))
    // Without files nobody goes on with the update.
    var options = machine.options
    options.seed = nil
    let other = try EmulatedMachine(options: options)
    try other.restore(middle.withLock { $0 })
    #expect(try other.version() == ModuleVersion(1, 5, 24))
    #expect(try other.numRemainingUpdates() == 15)
    #expect(try other.snapshot() == middle.withLock { $0 })
  }

  @Test("a restored machine drops what was here before: its update, and open files of its devices")
  func replaced() throws {
    let bench = try Bench(Self.options)
    let before = try bench.machine.snapshot()
    let file = try bench.open("\(bench.upload)/data", .writeOnly)
    let isDone = Guarded(false)
    bench.machine.onStep = { [unowned machine = bench.machine] in
      guard
        isDone.withLock({ done in
          defer { done = true }
          return !done
        })
      else { return }
      try? machine.restore(before, log: "restored from a snapshot")
    }
    try bench.write("1\n", to: "\(bench.upload)/loading")
    try bench.write(try Images.forge("1.5.28"), to: "\(bench.upload)/data")
    try bench.write("0\n", to: "\(bench.upload)/loading")
    bench.machine.worker.drain()
    #expect(throws: Errno.operationNotSupportedByDevice) {
      try bench.tree.write(file, at: 0, [1], by: Bench.root)
    }
    #expect(try bench.read("version") == "1.5.24\n")
    #expect(try bench.read("\(bench.upload)/status") == "idle\n")
    #expect(bench.status("remaining_updates") == "15")
    #expect(bench.log.last == "tdxfs: restored from a snapshot")
    #expect(try bench.update(to: Images.forge("1.5.28")).isEmpty)
  }

  // MARK: Refusals

  private func refusal(of bytes: [UInt8], by machine: EmulatedMachine) -> String? {
    do throws(SnapshotError) { try machine.restore(bytes) } catch { return error.description }
    return nil
  }

  @Test("every flipped bit and every cut of a small snapshot is noticed")
  func damaged() throws {
    let bytes = SnapshotFormat.bytes(options: "abi=v8,lps=4", body: Array("a small body".utf8))
    #expect(try SnapshotFormat(bytes).options == "abi=v8,lps=4")
    for bit in 0..<(bytes.count * 8) {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: SnapshotError.self, "bit \(bit)") { try SnapshotFormat(damaged) }
    }
    for count in 0..<bytes.count {
      #expect(throws: SnapshotError.self, "\(count) bytes") { try SnapshotFormat(Array(bytes.prefix(count))) }
    }
    #expect(throws: SnapshotError.self) { try SnapshotFormat(bytes + [0]) }
  }

  @Test("what is refused is refused with the reason, and changes nothing")
  func reasons() throws {
    let bench = try Bench(Self.options)
    let machine = bench.machine
    let bytes = try machine.snapshot()
    #expect(refusal(of: Array("hello".utf8), by: machine)?.contains("no snapshot of tdxfs") == true)
    #expect(refusal(of: bytes.dropLast(9), by: machine)?.contains("is cut") == true)
    var damaged = bytes
    damaged[bytes.count / 2] ^= 1
    #expect(refusal(of: damaged, by: machine)?.contains("checksum") == true)
    var future = bytes
    future[8] = 9
    #expect(refusal(of: future, by: machine)?.contains("another version of tdxfs: its format is 9") == true)
    for (name, value) in ["lps": "8", "abi": "v7", "cpu": "emr", "memory": "8", "updates": "3", "layout": "sys"] {
      let other = try Bench(Self.options.merging([name: value]) { $1 })
      let told = refusal(of: bytes, by: other.machine) ?? ""
      #expect(told.contains("\(name)=") && told.contains("\(name)=\(value)"), "\(told)")
    }
    let seeded = try Bench(Self.options.merging(["seed": "4"]) { $1 })
    #expect(refusal(of: bytes, by: seeded.machine)?.contains("seed=3, and this one has seed=4") == true)
    let tester = try Bench(["device": "test_firmware", "layout": "sys"])
    #expect(throws: SnapshotError.self) { try tester.machine.snapshot() }
    #expect(try machine.snapshot() == bytes)
  }

  @Test("a machine without seed= takes over the snapshot's")
  func seed() throws {
    let bench = try Bench(Self.options)
    var options = bench.machine.options
    options.seed = nil
    let other = try EmulatedMachine(options: options)
    try other.restore(try bench.machine.snapshot())
    #expect(other.seed == 3)
  }
}
