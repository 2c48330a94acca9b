import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

@Suite("Random SEAMCALLs", .timeLimit(.minutes(20)))
struct RandomTests {
  /// The arrows of tdx-module.md 3.3 within one image.
  private static let arrows: Set<[SysState]> = [
    [.initPending, .initDone], [.initDone, .configDone], [.initDone, .ready], [.configDone, .ready],
    [.ready, .shutdown],
  ]

  /// Values that get past checks now and then.
  private static let likely: [UInt64] = [
    0, 1, 2, 0x1_0000, 0x1_0001, 0x1_0002, 64, 70, 1024, 32, 4096, Bench.array, 0x20_0000, 0x30_0000, 1 << 30, .max,
    1 << 47, 0x0A00_0003_0000_0008, 0x8900_0001_0000_0000, 0x9900_0003_0000_0500,
  ]

  private static let leaves: [UInt64] = [31, 32, 33, 34, 35, 36, 37, 44, 45, 52, 53]

  @Test("Never trap, and move only along the arrows", arguments: 0..<8)
  func sequences(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    var changes = 0
    for _ in 0..<12 {
      let version = try #require(releases.randomElement(using: &generator))
      var bench = try Bench(version, lps: 2)
      bench.writeTDMRs([Bench.tdmr()])
      for _ in 0..<400 {
        let before = bench.module.sysState
        let leaf =
          Int.random(in: 0..<4, using: &generator) > 0
          ? try #require(Self.leaves.randomElement(using: &generator)) : UInt64.random(in: 0...170, using: &generator)
        func operand() throws -> UInt64 {
          Int.random(in: 0..<5, using: &generator) == 0
            ? generator.next() : try #require(Self.likely.randomElement(using: &generator))
        }
        var registers = Registers(
          rax: leaf, rcx: try operand(), rdx: try operand(), r8: try operand(), r9: try operand(), r10: try operand(),
          r11: try operand())
        if Int.random(in: 0..<8, using: &generator) == 0 {
          registers.rax |= UInt64.random(in: 0...3, using: &generator) << 16
        }
        if Int.random(in: 0..<40, using: &generator) == 0 { registers.rax = generator.next() >> 1 }
        let plain = Int.random(in: 0..<3, using: &generator) == 0
        if plain {
          registers = Registers(rax: leaf, rcx: leaf == 45 ? Bench.array : 0, rdx: leaf == 45 ? 1 : 0, r8: 64)
        }
        let lp = Int.random(in: 0..<2, using: &generator)
        bench.module.seamcall(&registers, on: lp, machine: &bench.machine)
        #expect(registers.rax != .max)
        let after = bench.module.sysState
        if before != after {
          changes += 1
          #expect(Self.arrows.contains([before, after]), "\(before) to \(after) by leaf \(leaf)")
          #expect(!registers.status.isError)
        }
        #expect(!bench.module.isDead)
        if after == .shutdown, Int.random(in: 0..<20, using: &generator) == 0 {
          try bench.load(version, keepingHandoff: Bool.random(using: &generator))
          bench.call(33)
        }
      }
    }
    #expect(changes > 20)
  }

  private static let memoryLeaves: [UInt64] = [
    1, 2, 2, 3, 3, 5, 6, 6, 7, 7, 12, 14, 15, 16, 17, 19, 20, 23, 24, 25, 28, 29, 30, 38, 39, 40, 41,
  ]

  @Test("Leaves on memory with any operands never trap, and leave the module's data consistent", arguments: 0..<6)
  func memory(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed) &+ 50)
    let tdrs: [UInt64] = [0x100_0000, 0x140_0000]
    let pages = (0..<16).map { 0x800_0000 + UInt64($0) << 12 } + [0x820_0000, 0x840_0000, Bench.tdmr()[8]]
    var answers: Set<UInt64> = []
    for round in 0..<4 {
      var bench = try Bench.withMemory(try #require(releases.randomElement(using: &generator)), lps: 2)
      for (index, tdr) in tdrs.enumerated() {
        bench.createTD(tdr, hkid: 65 + UInt64(index))
        bench.initTD(tdr, Bench.parameters { $0[0] = UInt8(round & 1) })
        bench.addTables(tdr, gpa: 0)
        bench.module.tds[tdr]?.vcpuCount = 1
      }
      func operand(_ likely: [UInt64]) throws -> UInt64 {
        switch Int.random(in: 0..<12, using: &generator) {
        case 0: generator.next()
        case 1: 1 << UInt64.random(in: 0..<64, using: &generator)
        case 2: .max - UInt64.random(in: 0..<4096, using: &generator)
        default: try #require(likely.randomElement(using: &generator))
        }
      }
      let gpas: [UInt64] = [
        0, 0x1000, 0x1001, 0x2000, 0x20_0000, 0x20_0001, 1, 2, 3, 0x2100, 0x7FFF_FFFF_F000, 1 << 47,
      ]
      for _ in 0..<1200 {
        if Int.random(in: 0..<40, using: &generator) == 0 {
          bench.module.conditions.checksBeforeInterrupt = Int.random(in: 0..<4, using: &generator)
        }
        let leaf = try #require(Self.memoryLeaves.randomElement(using: &generator))
        // Two leaves end a TD; let it live for a while.
        if leaf == 19 || leaf == 20, Int.random(in: 0..<60, using: &generator) > 0 { continue }
        let first: [UInt64] =
          [17, 19, 20, 38].contains(leaf) ? tdrs : [24, 28, 41].contains(leaf) ? pages + tdrs : gpas
        let version = Int.random(in: 0..<4, using: &generator) == 0 ? UInt64.random(in: 0...2, using: &generator) : 0
        var registers = Registers(
          rax: leaf | version << 16, rcx: leaf == 40 ? try operand([0, 1]) : try operand(leaf == 1 ? pages : first),
          rdx: try operand(tdrs), r8: try operand(pages), r9: try operand([Bench.shared, .max] + pages),
          r10: try operand([.max] + pages), r11: try operand([.max] + pages))
        bench.module.seamcall(&registers, on: 0, machine: &bench.machine)
        answers.insert(registers.rax >> 32)
        #expect(registers.rax != .max && !bench.module.isDead)
      }
      #expect(bench.module.inconsistencies.isEmpty)
    }
    // All kinds of answers were seen.
    #expect(answers.count > 15)
  }

  @Test("Any LP number, any package, any SYS_INFO table")
  func strangePlatforms() throws {
    var generator = SeededGenerator(seed: 99)
    for _ in 0..<50 {
      var bench = try Bench()
      bench.patchSysInfo((0..<700).map { _ in UInt8(truncatingIfNeeded: generator.next()) }, at: 0)
      bench.patchSysInfo([UInt8](repeating: 0, count: 512), at: 128)
      for lp in [-5, 0, 3, 1024, .max] {
        for leaf: UInt64 in [33, 35, 34, 37, 32, 45, 31, 40] {
          bench.call(leaf, rcx: Bench.array, rdx: 0x20_0000, r8: 64, on: lp)
        }
      }
    }
  }

  @Test("1024 LPs and 16 GiB are brought up and updated in little time")
  func performance() throws {
    var bench = try Bench(lps: 1024)
    let clock = ContinuousClock()
    let lpInit = clock.measure { bench.initializeLPs() }
    bench.configure(gib: 16)
    let tdmrInit = clock.measure {
      for _ in 0..<4096 { bench.call(36) }
    }
    #expect(bench.call(36).rax == 0x0000_0A03_0000_0000)
    let update = try clock.measure {
      bench.call(52, rcx: 2)
      try bench.load(.init(1, 5, 34), keepingHandoff: true)
      bench.initializeLPs()
      #expect(bench.call(53).rax == 0)
    }
    print("1024 LP.INIT \(lpInit), 4096 TDMR.INIT \(tdmrInit), update \(update)")
    // A debug build is some twenty times slower than what counts.
    #expect(tdmrInit < .milliseconds(500))
    #expect(lpInit < .milliseconds(500))
    #expect(bench.machine.memory.residentPages < 100)
  }
}
