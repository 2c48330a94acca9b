import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// What the migration leaves want of the TD, of their operands, and of the pages in their lists (module source 1.5.01).
@Suite("Operands of migration", .timeLimit(.minutes(20)))
struct MigrationOperandTests {
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
    Wrong("the start token of a TD that runs", 71, .liveExport, 0xC000_0608_0000_0000) { $0.r10 = 1 << 63 },
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
}
