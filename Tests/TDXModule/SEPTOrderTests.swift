import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Which of several errors a leaf tells: everything that can be wrong is wrong, and is put right one by one, in the order of
/// tdx-module.md 1.0 and 6.6.
@Suite("Order of checks of TDH.MEM and TDH.MR leaves", .timeLimit(.minutes(20)))
struct SEPTOrderTests {
  /// What is put right, and the answer while it is wrong. `$operand` stands for the register that names the TDR.
  private struct Step {
    let answer: UInt64
    let repair: (inout Ladder) -> Void

    init(_ answer: UInt64, _ repair: @escaping (inout Ladder) -> Void) {
      self.answer = answer
      self.repair = repair
    }
  }

  /// A bench and the call that is made on it over and over.
  private struct Ladder {
    var bench: Bench
    let leaf: UInt64
    var version: UInt64 = 0
    var rcx: UInt64 = 0
    var rdx: UInt64 = 0
    var r8: UInt64 = 0
    var r9: UInt64 = .max
    let tdr = Bench.tdr

    mutating func call() -> Registers {
      bench.seamcall(
        Registers(rax: leaf | version << 16, rcx: rcx, rdx: rdx, r8: r8, r9: r9, r10: .max, r11: .max))
    }

    mutating func lock(_ page: UInt64, _ isLocked: Bool) {
      if isLocked { bench.module.locks.pages.insert(page / 4096) } else { bench.module.locks.pages.remove(page / 4096) }
    }
  }

  private static let gpa: UInt64 = 0x20_0000
  private static let page = Bench.free
  private static let invalid: UInt64 = 0xC000_0100_0000_0000
  private static let busy: UInt64 = 0x8000_0200_0000_0000

  /// The TDR named wrongly in every way, and the TD in every state that is wrong; `isTDRFirst` says that RCX names it.
  private func tdSteps(_ setTDR: @escaping (inout Ladder, UInt64) -> Void, _ operand: UInt64) -> [Step] {
    [
      Step(Self.invalid + operand) { setTDR(&$0, 15 << 30) },
      Step(0xC000_0101_0000_0000 + operand) {
        $0.lock($0.tdr, true)
        setTDR(&$0, $0.tdr)
      },
      Step(Self.busy + operand) {
        $0.lock($0.tdr, false)
        setTDR(&$0, $0.tdr + 4096)
      },
      Step(0xC000_0300_0000_0000 + operand) {
        $0.bench.module.tds[$0.tdr]?.isFatal = true
        setTDR(&$0, $0.tdr)
      },
      Step(0xE000_0604_0000_0000) {
        $0.bench.module.tds[$0.tdr]?.isFatal = false
        $0.bench.module.tds[$0.tdr]?.lifecycle = .hkidAssigned
      },
      Step(0x8000_0810_0000_0000) {
        $0.bench.module.tds[$0.tdr]?.lifecycle = .keysConfigured
        $0.bench.module.tds[$0.tdr]?.tdcxPages.removeLast()
      },
      Step(0xC000_0606_0000_0000) {
        $0.bench.module.tds[$0.tdr]?.tdcxPages.append($0.tdr + 9 * 4096)
        $0.bench.module.locks.opStates[$0.tdr] = .exclusive
      },
      Step(Self.busy + 172) {
        $0.bench.module.locks.opStates = [:]
        $0.bench.module.tds[$0.tdr]?.opState = .uninitialized
      },
      Step(0xC000_0608_0000_0000) { $0.bench.module.tds[$0.tdr]?.opState = .initialized },
    ]
  }

  /// RCX wrong in every way, for a leaf of `levels`; the last is right, of level `level`.
  private func placeSteps(level: UInt64, tooLow: UInt64?, tooHigh: UInt64) -> [Step] {
    let shift = 12 + 9 * level
    var values: [UInt64] = [Self.gpa | 8, 1 << 52 | Self.gpa, 7, tooHigh, 1 << 47 | level, 1 << 51 | level]
    if let tooLow { values.append(tooLow) }
    if level > 0 { values.append(1 << (shift - 1) | level) }
    return values.map { value in Step(Self.invalid + 1) { $0.rcx = value } } + [
      Step(Self.invalid + 1) {
        $0.rcx = Self.gpa | level
        $0.bench.module.locks.septTrees[$0.tdr] = .exclusive
      }
    ]
  }

  /// The tree locked, the tables missing, the entry locked. The last step leaves a table at level `level` + 1.
  private func walkSteps(level: UInt64) -> [Step] {
    [
      Step(Self.busy + 146) { $0.bench.module.locks.septTrees = [:] },
      Step(0xC000_0B00_0000_0001) {
        $0.bench.addTables(gpa: Self.gpa, down: level + 1)
        $0.bench.module.locks.septEntries[$0.tdr] = [Self.gpa | level]
      },
    ]
  }

  private func climb(_ ladder: Ladder, _ steps: [Step]) {
    var ladder = ladder
    for (index, step) in steps.enumerated() {
      let answer = ladder.call()
      #expect(answer.rax == step.answer, "leaf \(ladder.leaf), step \(index): \(answer.status)")
      step.repair(&ladder)
    }
    let answer = ladder.call()
    #expect(
      !answer.status.isError, "leaf \(ladder.leaf): \(answer.status), \(ladder.bench.module.lastDiagnostic ?? "")")
  }

  private func ladder(_ leaf: UInt64, version: UInt64 = 0) throws -> Ladder {
    var ladder = Ladder(bench: try Bench.withTD(tables: false), leaf: leaf, version: version)
    ladder.rcx = 8
    ladder.rdx = 1 << 11
    ladder.r8 = 1
    return ladder
  }

  private let setRDX: (inout Ladder, UInt64) -> Void = { $0.rdx = $1 }

  /// The page in R8 wrong in every way.
  private func pageSteps() -> [Step] {
    [
      Step(Self.invalid + 8) { $0.r8 = 15 << 30 },
      Step(0xC000_0101_0000_0008) { $0.r8 = $0.tdr },
      Step(Self.busy + 8) {
        $0.bench.module.locks.sharedPages = [Self.page / 4096]
        $0.r8 = Self.page
      },
      Step(Self.busy + 8) {
        $0.bench.module.locks.sharedPages = []
        $0.r8 = $0.tdr + 4096
      },
      Step(0xC000_0300_0000_0008) { $0.r8 = Bench.tdmr()[8] },
      Step(0xC000_0300_0000_0008) { $0.r8 = Self.page },
    ]
  }

  /// The entry locked, then taken by something else.
  private func entrySteps(level: UInt64) -> [Step] {
    [
      Step(Self.busy + 1) {
        $0.bench.module.locks.septEntries = [:]
        $0.bench.module.tds[$0.tdr]?.sept[Self.gpa, UInt8(level)] = SEPTEntry(state: .exportedDirty, hpa: Self.page)
      },
      Step(0xC000_0B0D_0000_0001) { $0.bench.module.tds[$0.tdr]?.sept[Self.gpa, UInt8(level)] = nil },
    ]
  }

  @Test("TDH.MEM.PAGE.ADD")
  func pageAdd() throws {
    var ladder = try ladder(2)
    ladder.r9 = 1
    // The tree is locked with the TDR.
    let place = placeSteps(level: 0, tooLow: nil, tooHigh: 1)
    climb(
      ladder,
      tdSteps(setRDX, 2) + place + [
        Step(0xC000_0B00_0000_0001) {
          $0.bench.module.locks.septTrees = [:]
          $0.bench.addTables(gpa: Self.gpa)
          $0.bench.module.tds[$0.tdr]?.sept[Self.gpa, 0] = SEPTEntry(state: .mapped, hpa: Self.page)
        },
        Step(0xC000_0B0D_0000_0001) { $0.bench.module.tds[$0.tdr]?.sept[Self.gpa, 0] = nil },
        Step(Self.invalid + 9) { $0.r9 = 64 << 41 },
        Step(Self.invalid + 9) { $0.r9 = $0.bench.machine.configuration.seamRangeBase },
        Step(Self.invalid + 9) { $0.r9 = Bench.shared },
      ] + pageSteps())
  }

  @Test("TDH.MEM.PAGE.ADD tells INCOMPATIBLE_MRTD_CONTEXT last")
  func pageAddContext() throws {
    var bench = try Bench.withTD()
    bench.module.state?.updateCompatibility = true
    bench.module.tds[Bench.tdr]?.measurement.contextVersion = 1
    #expect(bench.call(2, rcx: 0, rdx: Bench.tdr, r8: 1, r9: Bench.shared).rax == Self.invalid + 8)
    #expect(bench.call(2, rcx: 0, rdx: Bench.tdr, r8: Self.page, r9: Bench.shared).rax == 0xC000_0622_0000_0000)
    #expect(bench.module.pamt[Self.page] == nil)
    bench.module.tds[Bench.tdr]?.measurement.contextVersion = 2
    #expect(bench.call(2, rcx: 0, rdx: Bench.tdr, r8: Self.page, r9: Bench.shared).rax == 0)
  }

  @Test("TDH.MEM.SEPT.ADD", arguments: [0, 1])
  func septAdd(version: UInt64) throws {
    climb(
      try ladder(3, version: version),
      tdSteps(setRDX, 2) + placeSteps(level: 1, tooLow: 0, tooHigh: 4) + walkSteps(level: 1) + entrySteps(level: 1)
        + pageSteps())
  }

  @Test("TDH.MEM.PAGE.AUG of 4 KiB")
  func pageAug() throws {
    climb(
      try ladder(6),
      tdSteps(setRDX, 2) + placeSteps(level: 0, tooLow: nil, tooHigh: 2) + walkSteps(level: 0) + entrySteps(level: 0)
        + pageSteps())
  }

  @Test("TDH.MEM.PAGE.AUG of 2 MiB")
  func largePageAug() throws {
    climb(
      try ladder(6),
      tdSteps(setRDX, 2) + placeSteps(level: 1, tooLow: nil, tooHigh: 2) + walkSteps(level: 1) + entrySteps(level: 1)
        + [
          Step(Self.invalid + 8) { $0.r8 = Self.page + 4096 },
          Step(Self.invalid + 8) { $0.r8 = 15 << 30 },
          // The 2 MiB of the TDR, whose lock the leaf holds.
          Step(0xC000_0101_0000_0008) { $0.r8 = $0.tdr },
          Step(Self.busy + 8) {
            $0.lock(Self.page + 0x1F_F000, true)
            $0.r8 = Self.page
          },
          Step(Self.busy + 8) {
            $0.lock(Self.page + 0x1F_F000, false)
            // The 2 MiB of the tables.
            $0.r8 = 0x300_0000 & ~0x1F_FFFF
          },
          // The last 2 MiB, with the reserved area.
          Step(0xC000_0300_0000_0008) { $0.r8 = (1 << 30) - (2 << 20) },
          Step(0xC000_0300_0000_0008) { $0.r8 = Self.page },
        ])
  }

  @Test("TDH.MEM.RANGE.BLOCK")
  func rangeBlock() throws {
    climb(
      try ladder(7),
      tdSteps(setRDX, 2) + placeSteps(level: 0, tooLow: nil, tooHigh: 4) + walkSteps(level: 0) + [
        Step(Self.busy + 1) { $0.bench.module.locks.septEntries = [:] },
        Step(0xC000_0B0D_0000_0001) {
          #expect($0.bench.call(6, rcx: Self.gpa, rdx: $0.tdr, r8: Self.page).rax == 0)
          $0.bench.module.locks.septTrees[$0.tdr] = .shared
        },
        Step(Self.busy + 146) { $0.bench.module.locks.septTrees = [:] },
      ])
  }

  /// Checks of a leaf that takes the page at level 0 away, which is PENDING.
  private func takingSteps() -> [Step] {
    [
      Step(Self.busy + 1) { $0.bench.module.locks.septEntries = [:] },
      Step(0xC000_0B0D_0000_0001) {
        #expect($0.bench.call(6, rcx: Self.gpa, rdx: $0.tdr, r8: Self.page + 4096).rax == 0)
        $0.bench.finalize()
        $0.bench.module.locks.sharedPages = [Self.page / 4096 + 1]
      },
      Step(Self.busy + 1) { $0.bench.module.locks.sharedPages = [] },
      Step(0xC000_0B06_0000_0001) { $0.bench.call(7, rcx: Self.gpa, rdx: $0.tdr) },
      Step(0xC000_0B08_0000_0001) { $0.bench.call(38, rcx: $0.tdr) },
    ]
  }

  @Test("TDH.MEM.PAGE.REMOVE")
  func pageRemove() throws {
    climb(
      try ladder(29),
      tdSteps(setRDX, 2) + placeSteps(level: 0, tooLow: nil, tooHigh: 3) + walkSteps(level: 0) + takingSteps())
  }

  @Test("TDH.MEM.PAGE.RELOCATE")
  func pageRelocate() throws {
    var steps = tdSteps(setRDX, 2) + placeSteps(level: 0, tooLow: nil, tooHigh: 1) + walkSteps(level: 0)
    steps += takingSteps().prefix(2)
    // The page itself, before its lock.
    steps += [
      Step(Self.busy + 1) { $0.r8 = Self.page + 4096 },
      Step(Self.invalid + 8) { $0.r8 = 1 },
    ]
    steps += takingSteps().dropFirst(2)
    climb(try ladder(5), steps + pageSteps())
  }

  @Test("TDH.MEM.SEPT.REMOVE", arguments: [0, 1])
  func septRemove(version: UInt64) throws {
    climb(
      try ladder(30, version: version),
      tdSteps(setRDX, 2) + placeSteps(level: 1, tooLow: 0, tooHigh: 4) + walkSteps(level: 1) + [
        Step(Self.busy + 1) { $0.bench.module.locks.septEntries = [:] },
        Step(0xC000_0B0D_0000_0001) {
          #expect($0.bench.call(3, rcx: Self.gpa | 1, rdx: $0.tdr, r8: Self.page).rax == 0)
          #expect($0.bench.call(6, rcx: Self.gpa, rdx: $0.tdr, r8: Self.page + 4096).rax == 0)
          $0.bench.finalize()
          $0.bench.module.locks.sharedPages = [Self.page / 4096]
        },
        Step(Self.busy + 1) { $0.bench.module.locks.sharedPages = [] },
        Step(0xC000_0B06_0000_0001) { $0.bench.call(7, rcx: Self.gpa | 1, rdx: $0.tdr) },
        Step(0xC000_0B08_0000_0001) { $0.bench.call(38, rcx: $0.tdr) },
        Step(0xC000_0B0E_0000_0001) {
          $0.bench.call(39, rcx: Self.gpa | 1, rdx: $0.tdr)
          $0.bench.call(7, rcx: Self.gpa, rdx: $0.tdr)
          $0.bench.call(7, rcx: Self.gpa | 1, rdx: $0.tdr)
          $0.bench.call(38, rcx: $0.tdr)
          // The table is blocked, so the page below cannot be reached.
          #expect($0.bench.call(29, rcx: Self.gpa, rdx: $0.tdr).rax == 0xC000_0B00_0000_0001)
          $0.bench.call(39, rcx: Self.gpa | 1, rdx: $0.tdr)
          #expect($0.bench.call(29, rcx: Self.gpa, rdx: $0.tdr).rax == 0)
          $0.bench.call(7, rcx: Self.gpa | 1, rdx: $0.tdr)
          $0.bench.call(38, rcx: $0.tdr)
        },
      ])
  }

  @Test("TDH.MEM.SEPT.RD and TDH.MEM.RANGE.UNBLOCK")
  func simple() throws {
    climb(
      try ladder(25),
      tdSteps(setRDX, 2) + placeSteps(level: 0, tooLow: nil, tooHigh: 4) + walkSteps(level: 0) + [
        Step(Self.busy + 1) { $0.bench.module.locks.septEntries = [:] }
      ])
    climb(
      try ladder(39),
      tdSteps(setRDX, 2) + placeSteps(level: 0, tooLow: nil, tooHigh: 4) + walkSteps(level: 0) + [
        Step(Self.busy + 1) { $0.bench.module.locks.septEntries = [:] },
        Step(0xC000_0B0D_0000_0001) {
          #expect($0.bench.call(6, rcx: Self.gpa, rdx: $0.tdr, r8: Self.page).rax == 0)
          $0.bench.finalize()
          $0.bench.call(7, rcx: Self.gpa, rdx: $0.tdr)
        },
        Step(0xC000_0B08_0000_0092) { $0.bench.call(38, rcx: $0.tdr) },
      ])
  }

  @Test("TDH.MEM.TRACK")
  func track() throws {
    var ladder = try ladder(38)
    ladder.rcx = 1
    climb(
      ladder,
      tdSteps({ $0.rcx = $1 }, 1).map { step in
        Step(step.answer) {
          step.repair(&$0)
          $0.bench.module.locks.epochs[$0.tdr] = .shared
          $0.bench.module.tds[$0.tdr]?.epochReaders = [1, 0]
        }
      } + [
        Step(Self.busy + 169) { $0.bench.module.locks.epochs = [:] },
        Step(0x8000_0201_0000_0000) { $0.bench.module.tds[$0.tdr]?.epochReaders = [0, 1] },
      ])
  }

  @Test("TDH.MR.EXTEND")
  func extend() throws {
    var ladder = try ladder(16)
    ladder.rcx = 255
    climb(
      ladder,
      tdSteps(setRDX, 2) + [
        Step(Self.invalid + 1) { $0.rcx = 1 << 47 },
        Step(Self.invalid + 1) { $0.rcx = Self.gpa + 0x300 },
        Step(0xC000_0B03_0000_0001) {
          $0.bench.addTables(gpa: Self.gpa)
          #expect($0.bench.addPage(gpa: Self.gpa, page: Self.page).rax == 0)
          $0.bench.module.tds[$0.tdr]?.sept[Self.gpa, 0]?.state = .exportedDirty
        },
        Step(0xC000_0B03_0000_0000) {
          $0.bench.module.tds[$0.tdr]?.sept[Self.gpa, 0]?.state = .mapped
          $0.bench.module.state?.updateCompatibility = true
          $0.bench.module.tds[$0.tdr]?.measurement.contextVersion = 1
        },
        Step(0xC000_0622_0000_0000) { $0.bench.module.state?.updateCompatibility = false },
      ])
  }

  @Test("TDH.MR.FINALIZE")
  func finalize() throws {
    var ladder = try ladder(17)
    ladder.rcx = 1
    climb(
      ladder,
      tdSteps({ $0.rcx = $1 }, 1) + [
        Step(0xC000_0609_0000_0000) {
          $0.bench.module.tds[$0.tdr]?.vcpuCount = 1
          $0.bench.module.state?.updateCompatibility = true
          $0.bench.module.tds[$0.tdr]?.measurement.contextVersion = 1
        },
        Step(0xC000_0622_0000_0000) { $0.bench.module.tds[$0.tdr]?.measurement.contextVersion = 2 },
      ])
  }

  @Test("TDH.MEM.RD and TDH.MEM.WR", arguments: [12, 14])
  func debugMemory(leaf: UInt64) throws {
    var ladder = try ladder(leaf)
    ladder.rcx = 4
    climb(
      ladder,
      tdSteps(setRDX, 2) + [
        Step(0xC000_0605_0000_0000) { $0.bench.module.tds[$0.tdr]?.parameters.attributes = [.debug] },
        Step(Self.invalid + 1) {
          $0.rcx = 1 << 47
          $0.bench.module.locks.septTrees[$0.tdr] = .exclusive
        },
        Step(Self.busy + 146) { $0.bench.module.locks.septTrees = [:] },
        Step(Self.invalid + 1) { $0.rcx = Self.gpa + 8 },
        Step(0xC000_0B03_0000_0001) {
          $0.bench.addTables(gpa: Self.gpa)
          #expect($0.bench.addPage(gpa: Self.gpa, page: Self.page).rax == 0)
          $0.bench.module.locks.septEntries[$0.tdr] = [Self.gpa]
        },
        Step(Self.busy + 1) { $0.bench.module.locks.septEntries = [:] },
      ])
  }
}
