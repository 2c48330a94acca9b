import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// tdx-module.md 6.4, leaf by leaf, and what the migration leaves check before and after.
@Suite("Answers by OP_STATE", .timeLimit(.minutes(5)))
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

  @Test(
    "By attribute: only a MIGRATABLE TD can be exported, with two streams, a key, and no rests of an earlier export")
  func exportConditions() throws {
    var plain = try Bench.running()
    #expect(plain.exportState(72).rax == 0xC000_0E09_0000_0000)
    var bench = try Bench.migrating(pages: 1, streams: 1, keys: false)
    #expect(bench.exportState(72).rax == 0xC000_0E14_0000_0000)
    bench.module.tds[Bench.tdr]?.migration.exportedPages = 1
    #expect(bench.exportState(72).rax == 0xC000_0E0A_0000_0000)
    bench.module.tds[Bench.tdr]?.migration.exportedPages = 0
    #expect(bench.call(96, rcx: 0x180_0000, rdx: Bench.tdr).rax == 0)
    #expect(bench.call(24, rcx: 0x180_0000).rcx == 5)
    #expect(bench.exportState(72).rax == 0xC000_0E08_0000_0000)
    bench.exchangeKeys()
    bench.module.tds[Bench.tdr]?.migration.exportCount = MigrationState.maxExportCount
    #expect(bench.exportState(72).rax == 0xC000_0E0E_0000_0000)
    bench.module.tds[Bench.tdr]?.migration.exportCount = 0
    bench.exchangeKeys()
    bench.machine.entropy.failures = 1
    #expect(bench.exportState(72).rax == 0x8000_0203_0000_0000)
    #expect(bench.exportState(72).rax == 0)
  }

  @Test("512 streams and no more")
  func streams() throws {
    var bench = try Bench.migrating(pages: 1, streams: 2, keys: false)
    for index: UInt64 in 2..<512 {
      #expect(bench.call(96, rcx: 0xC00_0000 + index * 4096, rdx: Bench.tdr).rax == 0)
    }
    #expect(bench.call(96, rcx: 0xD00_0000, rdx: Bench.tdr).rax == 0xC000_0E06_0000_0000)
    #expect(bench.call(24, rcx: 0xD00_0000).rcx == 0)
    bench.module.locks.migrations[Bench.tdr] = .shared
    #expect(bench.call(96, rcx: 0xD00_0000, rdx: Bench.tdr).rax == 0x8000_0200_0000_00AD)
  }

  /// What, leaf, OP_STATE to put the TD into, change of the operands, answer.
  struct Wrong: Sendable {
    let what: String
    let leaf: UInt64
    let state: OpState
    let answer: UInt64
    let change: @Sendable (inout Registers) -> Void

    init(
      _ what: String, _ leaf: UInt64, _ state: OpState, _ answer: UInt64,
      _ change: @escaping @Sendable (inout Registers) -> Void
    ) {
      (self.what, self.leaf, self.state, self.answer, self.change) = (what, leaf, state, answer, change)
    }
  }

  static let wrong: [Wrong] = [
    Wrong("MBMD of 47 bytes", 72, .runnable, 0xC000_0100_0000_0008) { $0.r8 = 47 << 52 | Bench.Host.mbmd },
    Wrong("MBMD at a multiple of 64", 72, .runnable, 0xC000_0100_0000_0008) { $0.r8 |= 64 },
    Wrong("MBMD with a private KeyID", 72, .runnable, 0xC000_0100_0000_0008) { $0.r8 |= 64 << 41 },
    Wrong("stream 1", 72, .runnable, 0xC000_0100_0000_000A) { $0.r10 = 1 },
    Wrong("bit 16 of R10", 72, .runnable, 0xC000_0100_0000_000A) { $0.r10 = 1 << 16 },
    Wrong("bit 62 of R10", 72, .runnable, 0xC000_0100_0000_000A) { $0.r10 = 1 << 62 },
    Wrong("a list of two pages", 72, .runnable, 0xC000_0100_0000_0009) { $0.r9 = Bench.Host.pageList | 1 << 55 },
    Wrong("bit 52 of R9", 72, .runnable, 0xC000_0100_0000_0009) { $0.r9 |= 1 << 52 },
    Wrong("bit 0 of R9", 72, .runnable, 0xC000_0100_0000_0009) { $0.r9 |= 1 },
    Wrong("a list of one page", 73, .pausedExport, 0xC000_0100_0000_0009) { $0.r9 = Bench.Host.pageList },
    Wrong("MBMD of 47 bytes", 73, .pausedExport, 0xC000_0100_0000_0008) { $0.r8 = 47 << 52 | Bench.Host.mbmd },
    Wrong("a list of four pages", 74, .pausedExport, 0xC000_0100_0000_0009) { $0.r9 = Bench.Host.pageList | 3 << 55 },
    Wrong("stream 1 of one", 74, .pausedExport, 0xC000_0100_0000_000A) { $0.r10 = 1 },
    Wrong("a GPA list of format 1", 68, .liveExport, 0xC000_0100_0000_0001) { $0.rcx |= 1 },
    Wrong("a GPA list that ends before it begins", 68, .liveExport, 0xC000_0100_0000_0001) { $0.rcx |= 2 << 3 },
    Wrong("a new GPA list that does not begin", 68, .liveExport, 0xC000_0100_0000_0001) {
      $0.rcx |= 1 << 3 | 1 << 55
    },
    Wrong("bit 52 of RCX", 68, .liveExport, 0xC000_0100_0000_0001) { $0.rcx |= 1 << 52 },
    Wrong("no buffers", 68, .liveExport, 0xC000_0100_0000_0009) { $0.r9 = 1 },
    Wrong("no MACs", 68, .liveExport, 0xC000_0100_0000_000B) { $0.r11 = 1 },
    Wrong("no MACs from 256 on", 68, .liveExport, 0xC000_0100_0000_000C) {
      $0.rcx |= 256 << 55; $0.r12 = 1
    },
    Wrong("no MBMD", 68, .liveExport, 0xC000_0100_0000_0008) { $0.r8 = 1 },
    Wrong("no new pages", 83, .memoryImport, 0xC000_0100_0000_000D) { $0.r13 = 1 },
    Wrong("a list of another format", 65, .liveExport, 0xC000_0100_0000_0001) { $0.rcx |= 1 },
    Wrong("stream 1", 71, .liveExport, 0xC000_0100_0000_000A) { $0.r10 = 1 },
    Wrong("no MBMD", 71, .liveExport, 0xC000_0100_0000_0008) { $0.r8 = 0 },
    Wrong("the start token of a TD that runs", 71, .liveExport, incorrect) { $0.r10 = 1 << 63 },
    Wrong("stream 1", 84, .memoryImport, 0xC000_0100_0000_000A) { $0.r10 = 1 },
    Wrong("no MBMD", 84, .memoryImport, 0xC000_0100_0000_0008) { $0.r8 = 0 },
    Wrong("no MBMD", 85, .uninitialized, 0xE000_0100_0000_0008) { $0.r8 = 0 },
    Wrong("an MBMD of zeros", 85, .uninitialized, 0xE000_0E00_0000_0000) { _ in },
    Wrong("an MBMD of zeros", 86, .memoryImport, 0xE000_0E00_0000_0000) { _ in },
    Wrong("no MBMD", 86, .memoryImport, 0xE000_0100_0000_0008) { $0.r8 = 0 },
    Wrong("an MBMD of zeros", 83, .memoryImport, 0xC000_0E00_0000_0000) { _ in },
    Wrong("an MBMD of zeros", 84, .memoryImport, 0xE000_0E00_0000_0000) { _ in },
    Wrong("stream 1", 80, .memoryImport, 0xC000_0100_0000_000A) { $0.r10 = 1 },
    Wrong("no MBMD", 80, .memoryImport, 0xC000_0100_0000_0008) { $0.r8 = 0 },
    Wrong("level 1", 75, .liveExport, 0xC000_0100_0000_0001) { $0.rcx = 1 },
    Wrong("a page that is not blocked", 75, .liveExport, 0xC000_0B0D_0000_0001) { $0.rcx = 0 },
    Wrong("a page without tables", 75, .liveExport, 0xC000_0B00_0000_0001) { $0.rcx = 1 << 30 },
  ]

  @Test("Operands of the migration leaves", arguments: wrong.indices)
  func operands(index: Int) throws {
    let wrong = Self.wrong[index]
    var bench = try Bench.migrating(pages: 1)
    bench.module.tds[Bench.tdr]?.migration.streams[1].isInitialized = true
    bench.module.tds[Bench.tdr]?.opState = wrong.state
    bench.writeList([GPAListEntry(gpa: 0)])
    let isMemory = [65, 66, 68, 83, 75].contains(wrong.leaf)
    let answer = bench.call(migration: wrong.leaf) {
      $0.rcx = isMemory ? GPAListInfo(address: Bench.Host.gpaList, count: 1).rawValue : Bench.tdr
      $0.rdx = isMemory ? Bench.tdr : 0
      if wrong.leaf == 74 { $0.rcx = Bench.tdvpr }
      $0.r8 = MBMDOperand(address: Bench.Host.mbmd).rawValue
      $0.r9 = isMemory ? Bench.Host.bufferList : PageListInfo(address: Bench.Host.pageList, count: 8).rawValue
      $0.r11 = Bench.Host.macs
      $0.r12 = Bench.Host.macs + 4096
      $0.r13 = Bench.Host.newPageList
      wrong.change(&$0)
    }
    #expect(answer.rax == wrong.answer, "leaf \(wrong.leaf): \(wrong.what)")
    let isOver = wrong.answer >> 61 & 1 != 0
    #expect(bench.opState() == (isOver ? .failedImport : wrong.state))
  }

  @Test("Locks of the migration leaves")
  func locks() throws {
    var bench = try Bench.migrating(pages: 1)
    bench.module.locks.migrations[Bench.tdr] = .shared
    #expect(bench.exportState(72).rax == 0x8000_0200_0000_00AD)
    bench.module.locks.migrations = [:]
    let stream = try #require(bench.module.tds[Bench.tdr]?.migration.streams[1].page)
    bench.module.locks.migrationStreams = [stream]
    #expect(bench.exportState(72).rax == 0x8000_0200_0000_00AB)
    bench.module.locks.migrationStreams = []
    bench.module.locks.opStates[Bench.tdr] = .shared
    #expect(bench.exportState(72).rax == 0x8000_0200_0000_00AC)
    bench.module.locks.opStates = [:]
    #expect(bench.exportState(72).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0)])
    bench.module.locks.migrations[Bench.tdr] = .exclusive
    #expect(bench.moveMemory(68, Bench.tdr, count: 1).rax == 0x8000_0200_0000_00AD)
    bench.module.locks.migrations = [:]
    bench.module.locks.septTrees[Bench.tdr] = .exclusive
    #expect(bench.moveMemory(68, Bench.tdr, count: 1).rax == 0x8000_0200_0000_0092)
    #expect(bench.changeList(65, [0]).rax == 0x8000_0200_0000_0092)
    bench.module.locks.septTrees = [:]
    bench.module.locks.septEntries[Bench.tdr] = [0]
    #expect(bench.changeList(65, [0]).rax == 1)
    #expect(bench.list(1)[0].status == .septEntryBusyHostPriority)
  }

  /// State of the page, OP_STATE, operation of the list; what becomes of the entry, state after it.
  static let pages: [(SEPTState, OpState, GPAListEntry.Operation, GPAListEntry.Status, SEPTState)] = [
    (.mapped, .liveExport, .migrate, .septEntryStateIncorrect, .mapped),
    (.blockedW, .liveExport, .migrate, .success, .exportedBlockedW),
    (.blockedW, .liveExport, .cancel, .septEntryStateIncorrect, .blockedW),
    (.exportedBlockedW, .liveExport, .migrate, .septEntryStateIncorrect, .exportedBlockedW),
    (.exportedBlockedW, .liveExport, .cancel, .success, .mapped),
    (.exportedDirty, .liveExport, .migrate, .septEntryStateIncorrect, .exportedDirty),
    (.exportedDirtyBlockedW, .liveExport, .migrate, .success, .exportedBlockedW),
    (.exportedDirty, .liveExport, .cancel, .success, .mapped),
    (.pendingBlockedW, .liveExport, .remigrate, .success, .pendingExportedBlockedW),
    (.pendingExportedDirtyBlockedW, .liveExport, .migrate, .success, .pendingExportedBlockedW),
    (.pendingExportedBlockedW, .liveExport, .cancel, .success, .pending),
    (.blocked, .liveExport, .migrate, .septEntryStateIncorrect, .blocked),
    (.mapped, .pausedExport, .migrate, .success, .exportedBlockedW),
    (.pending, .pausedExport, .migrate, .success, .pendingExportedBlockedW),
    (.exportedDirty, .pausedExport, .migrate, .success, .exportedBlockedW),
    (.exportedBlockedW, .pausedExport, .migrate, .septEntryStateIncorrect, .exportedBlockedW),
    (.exportedBlockedW, .postExport, .migrate, .success, .exportedBlockedW),
    (.mapped, .postExport, .remigrate, .success, .exportedBlockedW),
    (.exportedBlockedW, .postExport, .cancel, .opStateIncorrect, .exportedBlockedW),
    (.removed, .postExport, .migrate, .septEntryStateIncorrect, .removed),
    (.mapped, .pausedExport, .none, .skipped, .mapped),
  ]

  @Test("TDH.EXPORT.MEM by the state of the page", arguments: pages.indices)
  func exportedStates(index: Int) throws {
    let (before, opState, operation, status, after) = Self.pages[index]
    var bench = try Bench.migrating(pages: 1)
    #expect(bench.exportState(72).rax == 0)
    bench.module.tds[Bench.tdr]?.opState = opState
    bench.module.tds[Bench.tdr]?.migration.exportedPages = 10
    bench.module.tds[Bench.tdr]?.migration.dirtyCount = 10
    bench.module.setState(before, 0, Bench.tdr)
    #expect(bench.call(38, rcx: Bench.tdr).rax == 0)
    #expect(bench.call(38, rcx: Bench.tdr).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0, operation)])
    let problems: UInt64 = status == .success || status == .skipped ? 0 : 1
    #expect(bench.moveMemory(68, Bench.tdr, count: 1).rax == problems)
    let entry = bench.list(1)[0]
    #expect(entry.status == status)
    #expect(bench.septState(0) == after)
    let dirty: [SEPTState] = [.exportedDirty, .exportedDirtyBlockedW, .pendingExportedDirtyBlockedW]
    let wasExported = before.isExported
    if status == .success {
      let count = operation == .cancel ? 9 : wasExported ? 10 : 11
      #expect(bench.module.tds[Bench.tdr]?.migration.exportedPages == UInt64(count))
      #expect(bench.module.tds[Bench.tdr]?.migration.dirtyCount == (dirty.contains(before) ? 9 : 10))
      if operation != .cancel, opState != .postExport {
        #expect(entry.operation == (dirty.contains(before) ? .remigrate : .migrate))
      }
    } else {
      #expect(entry.operation == .none)
      #expect(bench.module.tds[Bench.tdr]?.migration.exportedPages == 10)
    }
  }

  @Test("A running TD's page is exported after TDH.MEM.TRACK, and only with a buffer")
  func tracking() throws {
    var bench = try Bench.migrating(pages: 2)
    #expect(bench.exportState(72).rax == 0)
    #expect(bench.changeList(65, [0]).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0), GPAListEntry(gpa: 0x100_0000), GPAListEntry(gpa: 1 << 46)])
    #expect(bench.moveMemory(68, Bench.tdr, count: 2).rax == 2)
    #expect(bench.list(2).map(\.status) == [.tlbTrackingNotDone, .septWalkFailed])
    #expect(bench.call(38, rcx: Bench.tdr).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0)])
    bench.machine.memory.write(PageListEntry.invalid.rawValue.littleEndianBytes, at: Bench.Host.bufferList)
    #expect(bench.moveMemory(68, Bench.tdr, count: 1).rax == 1)
    #expect(bench.list(1)[0].status == .migrationBufferNotAvailable)
    bench.writeList([GPAListEntry(rawValue: 1 << 63)])
    let answer = bench.moveMemory(68, Bench.tdr, count: 1)
    #expect(answer.rax == 0xC000_0100_0000_0061)
    #expect(bench.list(1)[0].status == .gpaListEntryInvalid)
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
