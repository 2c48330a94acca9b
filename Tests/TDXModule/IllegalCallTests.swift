import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Every host leaf in every SYS state, life cycle state and OP_STATE: the status is that of the tables of tdx-module.md 3.3, 6.1
/// and 6.4, which are told here once more.
@Suite("Illegal calls", .timeLimit(.minutes(20)))
struct IllegalCallTests {
  /// How a leaf finds its TD.
  enum Operand: Sendable {
    case tdrInRCX, tdrInRDX, tdvprInRCX, tdvprInRDX
  }

  /// One leaf on a TD: its number, its TD, the OP_STATEs in which it works.
  struct Row: Sendable {
    let leaf: UInt64
    let operand: Operand
    let opStates: Set<UInt8>

    init(_ leaf: UInt64, _ operand: Operand, _ opStates: [UInt8]) {
      self.leaf = leaf
      self.operand = operand
      self.opStates = Set(opStates)
    }
  }

  /// tdx-module.md 6.4.
  static let rows: [Row] = [
    Row(21, .tdrInRCX, [0]), Row(85, .tdrInRCX, [0]), Row(49, .tdrInRCX, [0, 1]),
    Row(96, .tdrInRDX, [0, 1, 2]), Row(48, .tdrInRCX, [0, 1, 2, 3, 8, 9]),
    Row(2, .tdrInRDX, [1]), Row(16, .tdrInRDX, [1]), Row(17, .tdrInRCX, [1]), Row(22, .tdvprInRCX, [1]),
    Row(10, .tdrInRDX, [1, 7]), Row(4, .tdvprInRDX, [1, 7]),
    Row(3, .tdrInRDX, [1, 2, 3, 6, 7, 8, 9]), Row(6, .tdrInRDX, [1, 2, 3, 9]),
    Row(0, .tdvprInRCX, [2, 3, 9]), Row(38, .tdrInRCX, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    Row(7, .tdrInRDX, [1, 2, 3, 4, 5, 8, 9]), Row(39, .tdrInRDX, [1, 2, 3, 4, 5, 8, 9]),
    Row(5, .tdrInRDX, [1, 2, 3, 4, 5, 8, 9]), Row(15, .tdrInRDX, [1, 2, 3, 4, 5, 8, 9]),
    Row(23, .tdrInRDX, [1, 2, 3, 4, 5, 8, 9]), Row(29, .tdrInRDX, [1, 2, 3, 4, 5, 8, 9, 10]),
    Row(30, .tdrInRDX, Array(1...10)), Row(25, .tdrInRDX, Array(1...10)), Row(11, .tdrInRCX, Array(1...10)),
    Row(26, .tdvprInRCX, Array(1...10)), Row(12, .tdrInRDX, Array(1...10)),
    Row(13, .tdrInRCX, [1, 2, 3, 6, 7, 8, 9, 10]), Row(43, .tdvprInRCX, [1, 2, 3, 6, 7, 8, 9, 10]),
    Row(14, .tdrInRDX, [1, 2, 3, 6, 7, 8, 9, 10]),
    Row(72, .tdrInRCX, [2, 9]), Row(65, .tdrInRDX, [3]), Row(75, .tdrInRDX, [2, 3, 4, 5]), Row(66, .tdrInRDX, [2]),
    Row(68, .tdrInRDX, [3, 4, 5]), Row(70, .tdrInRCX, [3]), Row(71, .tdrInRCX, [3, 4]),
    Row(73, .tdrInRCX, [4]), Row(74, .tdvprInRCX, [4]), Row(64, .tdrInRCX, [3, 4, 5]),
    Row(86, .tdrInRCX, [6]), Row(87, .tdvprInRCX, [7]), Row(83, .tdrInRDX, [6, 7, 8, 9]), Row(84, .tdrInRCX, [6, 7]),
    Row(82, .tdrInRCX, [8]), Row(81, .tdrInRCX, [8, 9]), Row(80, .tdrInRCX, [6, 7, 8, 10]),
  ]

  private static let fatal: UInt64 = 0xE000_0604_0000_0000
  private static let noKeys: UInt64 = 0x8000_0810_0000_0000
  private static let noTDCS: UInt64 = 0xC000_0606_0000_0000
  private static let wrongOpState: UInt64 = 0xC000_0608_0000_0000
  private static let wrongLifecycle: UInt64 = 0xC000_0607_0000_0000

  /// A TD with a vCPU, a page, and all tables, whose states are set by hand afterwards.
  private static func bench(_ version: ModuleVersion = .init(1, 5, 34), lps: Int = 4) throws -> Bench {
    var bench = try Bench.withTD(
      version, lps: lps,
      Bench.parameters { $0.store(UInt64(1 << 29), at: 0) })
    bench.createVCPU()
    #expect(bench.call(22, rcx: Bench.tdvpr).rax == 0)
    #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
    return bench
  }

  /// The call of `row`, with operands that get past the checks before that of the TD.
  private static func call(_ row: Row, _ bench: inout Bench) -> UInt64 {
    let other = Bench.free + 0x10_0000
    switch row.operand {
    case .tdrInRCX: return bench.call(row.leaf, rcx: Bench.tdr, rdx: Bench.shared, r8: 0).rax
    case .tdrInRDX:
      let rcx: UInt64 =
        switch row.leaf {
        case 10, 96: other
        case 3, 23, 15, 30: 0x20_0001
        case 12, 14, 16: 0x1000
        default: 0x1000
        }
      return bench.call(row.leaf, rcx: rcx, rdx: Bench.tdr, r8: other, r9: Bench.shared).rax
    case .tdvprInRCX: return bench.call(row.leaf, rcx: Bench.tdvpr, rdx: 0x9010_0002_0000_0004).rax
    case .tdvprInRDX: return bench.call(row.leaf, rcx: other, rdx: Bench.tdvpr).rax
    }
  }

  @Test(
    "Every leaf on a TD in every life cycle state and OP_STATE, dead or alive", arguments: rows.indices,
    [ModuleVersion(1, 5, 1), .init(1, 5, 34), .init(2, 0, 18)])
  func everyLeaf(index: Int, version: ModuleVersion) throws {
    let row = Self.rows[index]
    let start = try Self.bench(version)
    var wrong: [String] = []
    for lifecycle in LifecycleState.allCases {
      for opState in OpState.allCases {
        for isFatal in [false, true] {
          for hasTDCS in [true, false] {
            var bench = start
            bench.module.tds[Bench.tdr]?.lifecycle = lifecycle
            bench.module.tds[Bench.tdr]?.opState = opState
            bench.module.tds[Bench.tdr]?.isFatal = isFatal
            if !hasTDCS { bench.module.tds[Bench.tdr]?.tdcxPages.removeLast() }
            let answer = Self.call(row, &bench)
            let expected: UInt64? =
              if isFatal {
                Self.fatal
              } else if lifecycle != .keysConfigured {
                Self.noKeys
              } else if !hasTDCS {
                Self.noTDCS
              } else if !row.opStates.contains(opState.rawValue) {
                Self.wrongOpState
              } else {
                nil
              }
            let what = "leaf \(row.leaf), \(lifecycle), \(opState), fatal \(isFatal), TDCS \(hasTDCS)"
            let isRight =
              expected.map { answer == $0 && bench.module.tds[Bench.tdr]?.opState == opState }
              ?? ![Self.fatal, Self.noKeys, Self.noTDCS, Self.wrongOpState].contains(answer)
            if !isRight || bench.module.isDead {
              wrong.append("\(what): \(CompletionStatus(rawValue: answer))")
            }
          }
        }
      }
    }
    #expect(wrong.isEmpty, "\(wrong.count) of 176 wrong, the first: \(wrong.first ?? "")")
  }

  /// Leaves that look at the life cycle only (6.1, 6.4, 6.8).
  @Test(
    "KEY.CONFIG, VPFLUSHDONE, KEY.FREEID, PAGE.RECLAIM, VP.FLUSH and ADDCX by life cycle", arguments: [false, true])
  func byLifecycle(isFatal: Bool) throws {
    let start = try Self.bench()
    for lifecycle in LifecycleState.allCases {
      for opState in OpState.allCases {
        func answer(_ leaf: UInt64, rcx: UInt64 = Bench.tdr, rdx: UInt64 = 0) -> UInt64 {
          var bench = start
          bench.module.tds[Bench.tdr]?.lifecycle = lifecycle
          bench.module.tds[Bench.tdr]?.opState = opState
          bench.module.tds[Bench.tdr]?.isFatal = isFatal
          bench.module.tds[Bench.tdr]?.associatedVCPUs = 0
          return bench.call(leaf, rcx: rcx, rdx: rdx).rax
        }
        let what = "\(lifecycle), \(opState)"
        let key = answer(8)
        if isFatal {
          #expect(key == Self.fatal, "\(what)")
        } else {
          #expect((key == Self.wrongLifecycle) == (lifecycle != .hkidAssigned), "\(what)")
        }
        let isAlive = lifecycle == .hkidAssigned || lifecycle == .keysConfigured
        #expect(answer(19) == (isAlive ? 0 : Self.wrongLifecycle), "\(what)")
        #expect(answer(20) == (lifecycle == .blocked ? 0 : Self.wrongLifecycle), "\(what)")
        #expect(answer(28, rcx: Bench.free) == (lifecycle == .teardown ? 0 : Self.wrongLifecycle), "\(what)")
        #expect(
          answer(28) == (lifecycle == .teardown ? 0xC000_0400_0000_0000 : Self.wrongLifecycle), "\(what)")
        #expect(answer(18, rcx: Bench.tdvpr) == (lifecycle == .keysConfigured ? 0 : Self.noKeys), "\(what)")
        #expect(answer(24, rcx: Bench.tdr) == 0, "\(what)")
        let addcx = answer(1, rcx: Bench.free + 0x10_0000, rdx: Bench.tdr)
        let expected: UInt64 =
          if isFatal {
            Self.fatal
          } else if lifecycle != .keysConfigured {
            Self.noKeys
          } else {
            opState == .uninitialized ? 0 : Self.wrongOpState
          }
        #expect(addcx == expected, "\(what)")
      }
    }
  }

  @Test("Every leaf on a TD in every SYS state", arguments: SysState.allCases)
  func everySysState(state: SysState) throws {
    let start = try Self.bench()
    for number: UInt64 in 0...255 {
      var bench = start
      bench.module.state?.sysState = state
      let answer = bench.call(number, rcx: Bench.tdr, rdx: Bench.tdr).rax
      let early: Set<UInt64> = [31, 32, 33, 34, 35, 37, 44, 45, 53]
      if number == 44 {
        #expect(answer == 0)
      } else if state == .shutdown {
        #expect(answer == 0xC000_0506_0000_0000, "leaf \(number)")
      } else if state != .ready, !early.contains(number) {
        #expect(answer == 0xC000_0505_0000_0000, "leaf \(number)")
      } else {
        #expect(answer != 0xC000_0505_0000_0000 && answer != 0xC000_0506_0000_0000, "leaf \(number)")
      }
      if state != .ready { #expect(bench.module.inspectedTDs == start.module.inspectedTDs) }
    }
  }

  @Test(
    "Random registers over all leaves, on a machine with TDs: nothing traps, nothing contradicts itself",
    arguments: 0..<6)
  func randomRegisters(seed: Int) throws {
    var calls = RandomCalls(seed: 0x1117 + UInt64(seed))
    let version = try #require(releases.randomElement(using: &calls.generator))
    var bench = try Self.bench(version, lps: 2)
    // One that runs, beside the one that is being built.
    let running = RandomCalls.running
    bench.createTD(running, hkid: 66)
    bench.initTD(running)
    bench.createVCPU(running + 0x1_0000, tdr: running)
    #expect(bench.call(22, rcx: running + 0x1_0000).rax == 0)
    #expect(bench.call(17, rcx: running).rax == 0)
    let start = bench
    var successes = 0
    for call in 0..<6000 {
      // TDs die soon of such a life.
      if call % 300 == 0 {
        #expect(bench.module.inconsistencies == [], "after \(call) calls")
        bench = start
      }
      var registers = calls.registers()
      if registers.rax == 21 { bench.machine.memory.write(Bench.parameters(), at: Bench.shared) }
      if registers.rax == 0 {
        let steps = (0..<4).map { _ in calls.step() }
        bench.machine.guests[registers.rcx & ~0xFFF, default: .init()].steps = steps
      }
      let given = registers
      bench.module.seamcall(
        &registers, on: Int.random(in: 0..<4, using: &calls.generator) / 3, machine: &bench.machine)
      #expect(registers.rax != .max)
      #expect(!bench.module.isDead, "\(given)")
      if !registers.status.isError { successes += 1 }
      if bench.module.sysState != .ready {
        try bench.load(version, keepingHandoff: true)
        bench.initializeLPs()
        #expect(bench.call(53).rax == 0)
      }
    }
    #expect(bench.module.inconsistencies == [])
    #expect(successes > 200)
  }
}

/// SEAMCALLs and guest steps that follow from a seed, some of which get past all checks.
private struct RandomCalls {
  var generator: SeededGenerator

  init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
  }

  /// Numbers that get past a check now and then, near the TDs of a bench.
  private static let likely: [UInt64] = [
    0, 1, 2, 3, 0x1000, 0x2000, 0x1001, 0x20_0000, 0x20_0001, 0x4000_0002, 1 << 47, Bench.tdr, Bench.tdr | 1,
    Bench.tdvpr,
    Bench.tdvpr + 4096, Bench.free, Bench.free + 0x1000, Bench.free + 0x20_0000, Bench.shared, 64, 65, 66, .max,
    0x9010_0002_0000_0004, 0x2020_0000_0000_000B, 0x1310_0003_0000_0000, 1 << 52, 1 << 53, 0x300_0000, 7,
  ]

  private mutating func one(in count: Int) -> Bool { Int.random(in: 0..<count, using: &generator) == 0 }

  private mutating func operand() -> UInt64 {
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: generator.next()
    case 1: generator.next() >> UInt64.random(in: 12...40, using: &generator)
    default: Self.likely.randomElement(using: &generator) ?? 0
    }
  }

  /// The TD that runs; its vCPU is 64 KiB above.
  static let running = Bench.free + 0x80_0000

  mutating func registers() -> Registers {
    // Two of three are shaped as a host would shape them.
    if !one(in: 3), let row = IllegalCallTests.rows.randomElement(using: &generator) { return shaped(row) }
    var leaf = UInt64.random(in: 0...100, using: &generator)
    // The leaves that end everything, or a TD, are rare.
    if [52, 19].contains(leaf), !one(in: 20) { leaf = 24 }
    var registers = Registers(
      rax: leaf, rcx: operand(), rdx: operand(), r8: operand(), r9: operand(), r10: operand(), r11: operand())
    registers.r12 = operand()
    registers.r13 = operand()
    if one(in: 10) { registers.rax |= 1 << 16 }
    return registers
  }

  /// A call of `row` with its TD where it belongs, and plausible other operands.
  private mutating func shaped(_ row: IllegalCallTests.Row) -> Registers {
    let isRunning = one(in: 2)
    let page = Bench.free &+ 4096 &* UInt64.random(in: 0..<64, using: &generator)
    let level: UInt64 = one(in: 3) ? 1 : 0
    let gpa = level == 1 ? UInt64.random(in: 0..<4, using: &generator) << 21 | 1 : page &- Bench.free
    var registers = Registers(rax: row.leaf, rcx: gpa, rdx: operand(), r8: page, r9: Bench.shared, r10: operand())
    if one(in: 10) { registers.rax |= 1 << 16 }
    let tdr = isRunning ? Self.running : Bench.tdr
    let tdvpr = isRunning ? Self.running + 0x1_0000 : Bench.tdvpr
    switch row.operand {
    case .tdrInRCX: registers.rcx = tdr
    case .tdrInRDX: registers.rdx = tdr
    case .tdvprInRCX: registers.rcx = tdvpr
    case .tdvprInRDX: registers.rdx = tdvpr
    }
    if row.leaf == 10 { registers.rcx = page }
    return registers
  }

  mutating func step() -> GuestStep {
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: return .read(gpa: operand(), count: Int.random(in: -1...9000, using: &generator))
    case 1:
      return .write(gpa: operand(), bytes: [UInt8](repeating: 1, count: Int.random(in: 0...5000, using: &generator)))
    case 2: return .halt
    default:
      var registers = Registers(rax: operand() & 0x1_003F, rcx: operand(), rdx: operand(), r8: operand())
      registers.r9 = operand()
      return .tdcall(registers)
    }
  }
}
