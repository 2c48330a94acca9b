import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// tdx-module.md 6.4, leaf by leaf.
@Suite("Answers by OP_STATE", .timeLimit(.minutes(20)))
struct OpStateTableTests {
  private static let incorrect: UInt64 = 0xC000_0608_0000_0000

  /// Which operand names the TD.
  enum Operand {
    /// RCX or RDX is the TDR.
    case rcx
    case rdx
    /// RCX or RDX is the TDVPR.
    case vcpuRCX
    case vcpuRDX
  }

  /// The table: leaf, its operand, the OP_STATEs in which it works.
  static let table: [(leaf: UInt64, Operand, Set<UInt8>)] = {
    let mapped: Set<UInt8> = [1, 2, 3, 4, 5, 8, 9]
    let all = Set<UInt8>(0...10)
    let initialized = Set<UInt8>(1...10)
    let writable: Set<UInt8> = [1, 2, 3, 6, 7, 8, 9, 10]
    return [
      (0, .vcpuRCX, [2, 3, 9]), (2, .rdx, [1]), (3, .rdx, [1, 2, 3, 6, 7, 8, 9]), (4, .vcpuRDX, [1, 7]),
      (5, .rdx, mapped), (6, .rdx, [1, 2, 3, 9]), (7, .rdx, mapped), (10, .rdx, [1, 7]), (11, .rcx, initialized),
      (12, .rdx, initialized), (13, .rcx, writable), (14, .rdx, writable), (15, .rdx, mapped), (16, .rdx, [1]),
      (17, .rcx, [1]), (18, .vcpuRCX, all), (21, .rcx, [0]), (22, .vcpuRCX, [1]), (23, .rdx, mapped),
      (25, .rdx, initialized), (26, .vcpuRCX, initialized), (29, .rdx, mapped.union([10])), (30, .rdx, initialized),
      (38, .rcx, Set(1...9)), (39, .rdx, mapped), (43, .vcpuRCX, writable),
      (48, .rcx, [0, 1, 2, 3, 8, 9]), (49, .rcx, [0, 1]), (64, .rcx, [3, 4, 5]), (65, .rdx, [3]), (66, .rdx, [2]),
      (68, .rdx, [3, 4, 5]), (70, .rcx, [3]), (71, .rcx, [3, 4]), (72, .rcx, [2, 9]), (73, .rcx, [4]),
      (74, .vcpuRCX, [4]), (75, .rdx, [2, 3, 4, 5]), (80, .rcx, [6, 7, 8, 10]), (81, .rcx, [8, 9]), (82, .rcx, [8]),
      (83, .rdx, [6, 7, 8, 9]), (84, .rcx, [6, 7]), (85, .rcx, [0]), (86, .rcx, [6]), (87, .vcpuRCX, [7]),
      (96, .rdx, [0, 1, 2]),
    ]
  }()

  @Test("Every leaf in every OP_STATE", arguments: table.indices)
  func everyState(index: Int) throws {
    let (leaf, operand, states) = Self.table[index]
    let start = try Bench.migrating(pages: 1)
    for state in OpState.allCases {
      var bench = start
      bench.module.tds[Bench.tdr]?.opState = state
      // Nothing else is right, so a leaf that gets past its OP_STATE is refused for another reason.
      let wrong: UInt64 = 0x7FFF_FFFF_FFFF_FFFF
      let answer = bench.call(migration: leaf) {
        switch operand {
        case .rcx: ($0.rcx, $0.rdx) = (Bench.tdr, wrong)
        case .rdx: ($0.rcx, $0.rdx) = (wrong, Bench.tdr)
        case .vcpuRCX: ($0.rcx, $0.rdx) = (Bench.tdvpr, wrong)
        case .vcpuRDX: ($0.rcx, $0.rdx) = (wrong, Bench.tdvpr)
        }
        ($0.r8, $0.r9, $0.r10) = (wrong, wrong, wrong)
      }
      #expect((answer.rax != Self.incorrect) == states.contains(state.rawValue), "leaf \(leaf) in \(state.name)")
      #expect(!bench.module.isDead)
    }
  }

  /// Leaves of migration with the operand that names the TD.
  private static let migration = table.filter { $0.leaf >= 48 }

  @Test("Fatal TDs, TDs without key, and TDs without TDCS", arguments: migration.indices)
  func tdChecks(index: Int) throws {
    let (leaf, operand, _) = Self.migration[index]
    let isVCPU = operand == .vcpuRCX
    var bench = try Bench.migrating(pages: 1)
    func answer() -> UInt64 {
      let address = isVCPU ? Bench.tdvpr : Bench.tdr
      return operand == .rdx
        ? bench.call(leaf, rcx: 1, rdx: address).rax : bench.call(leaf, rcx: address, rdx: 1).rax
    }
    bench.module.tds[Bench.tdr]?.tdcxPages = []
    #expect(answer() == 0xC000_0606_0000_0000)
    bench.module.tds[Bench.tdr]?.lifecycle = .blocked
    #expect(answer() == 0x8000_0810_0000_0000)
    bench.module.tds[Bench.tdr]?.isFatal = true
    #expect(answer() == 0xE000_0604_0000_0000)
    bench.module.locks.pages = [(isVCPU ? Bench.tdvpr : Bench.tdr) / 4096]
    let busy: UInt64 = 0x8000_0200_0000_0000 | (operand == .rdx ? 2 : 1)
    #expect(answer() == busy)
  }

  /// Operands with which the leaf works on the TD at `tdr` in one state or another.
  private static func plausible(_ leaf: UInt64, _ tdr: UInt64) -> Registers {
    var registers = Registers(rax: leaf, rcx: tdr)
    switch leaf {
    case 65, 66, 68, 83:
      registers.rcx = GPAListInfo(address: Bench.Host.gpaList, count: 2).rawValue
      registers.rdx = tdr
      registers.r9 = Bench.Host.bufferList
      registers.r11 = Bench.Host.macs
      registers.r12 = Bench.Host.macs + 4096
      registers.r13 = Bench.Host.newPageList
    case 75: (registers.rcx, registers.rdx) = (0x1000, tdr)
    case 96: (registers.rcx, registers.rdx) = (0x190_0000, tdr)
    case 74, 87: registers.rcx = tdr == Bench.tdr ? Bench.tdvpr : Bench.importedVCPU
    case 48: registers.rdx = Bench.migTD
    case 49: registers.rdx = 0x30_0000
    default: break
    }
    if leaf >= 68, leaf != 75, leaf < 92 { registers.r8 = MBMDOperand(address: Bench.Host.mbmd).rawValue }
    if [72, 73, 74, 85, 86, 87].contains(leaf) {
      registers.r9 = PageListInfo(address: Bench.Host.pageList, count: 5).rawValue
    }
    return registers
  }

  @Test("Random operands in random states never trap", arguments: 0..<4)
  func random(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let start = try Bench.migrating(pages: 2)
    var started = start
    started.startMigration()
    let leaves: [UInt64] = [48, 49, 64, 65, 66, 68, 70, 71, 72, 73, 74, 75, 80, 81, 82, 83, 84, 85, 86, 87, 92, 96, 97]
    let likely: [UInt64] = [
      Bench.tdr, Bench.tdvpr, Bench.destination, 0, 1, .max, 1 << 63, Bench.Host.pageList | 7 << 55,
      Bench.Host.pageList | 2 << 55, Bench.Host.gpaList | 1 << 55, Bench.Host.gpaList | 511 << 55,
      Bench.Host.bufferList, Bench.Host.macs, Bench.Host.newPageList, MBMDOperand(address: Bench.Host.mbmd).rawValue,
      0x180_0000,
    ]
    var successes = 0
    started.writeList([GPAListEntry(gpa: 0), GPAListEntry(gpa: 0x1000)])
    for round in 0..<300 {
      var bench = round % 2 == 0 ? start : started
      for _ in 0..<12 {
        let leaf = try #require(leaves.randomElement(using: &generator))
        var registers = Self.plausible(leaf, bench.opState() == .runnable ? Bench.tdr : Bench.destination)
        if Bool.random(using: &generator) {
          let value =
            Int.random(in: 0..<4, using: &generator) == 0
            ? generator.next() : try #require(likely.randomElement(using: &generator))
          let operand = try #require(
            [\Registers.rcx, \.rdx, \.r8, \.r9, \.r10, \.r11, \.r12, \.r13].randomElement(using: &generator))
          registers[keyPath: operand] = value
        }
        if Int.random(in: 0..<4, using: &generator) == 0 {
          bench.module.tds[Bench.tdr]?.opState = try #require(OpState.allCases.randomElement(using: &generator))
        }
        if Int.random(in: 0..<3, using: &generator) == 0 {
          let page = try #require(
            [Bench.Host.mbmd, Bench.Host.gpaList, Bench.Host.state, Bench.Host.pageList].randomElement(
              using: &generator))
          bench.machine.memory.write(
            (0..<64).map { _ in UInt8(truncatingIfNeeded: generator.next()) }, at: page)
        }
        if Int.random(in: 0..<3, using: &generator) == 0 { bench.machine.sendInterrupt(to: 0) }
        bench.module.seamcall(&registers, on: 0, machine: &bench.machine)
        if !registers.status.isError { successes += 1 }
        #expect(!bench.module.isDead)
        let counted = bench.module.tds.values.reduce(0) { $0 + $1.migration.interruptedOperations }
        #expect(bench.module.migInterruptedCount == counted)
      }
    }
    #expect(successes > 100)
  }
}
