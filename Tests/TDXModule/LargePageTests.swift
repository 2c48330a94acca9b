import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Pages of 2 MiB and 1 GiB: their metadata, DEMOTE and PROMOTE, and tables of L2 VMs (tdx-module.md 1.1, 6.1).
@Suite("Large pages", .timeLimit(.minutes(20)))
struct LargePageTests {
  private static let gpa: UInt64 = 0x20_0000
  private static let page = Bench.free
  private let tdr = Bench.tdr

  /// A TD with a PENDING page of 2 MiB at ``gpa``.
  private func bench(_ parameters: [UInt8] = Bench.parameters()) throws -> Bench {
    var bench = try Bench.withTD(tables: false, parameters)
    bench.addTables(gpa: 0, down: 2)
    #expect(bench.call(6, rcx: Self.gpa | 1, rdx: tdr, r8: Self.page).rax == 0)
    return bench
  }

  @Test("A large page counts 512, and every small page in it is taken")
  func metadata() throws {
    var bench = try bench()
    #expect(bench.module.tds[tdr]?.childCount == 9 + 2 + 512)
    for offset: UInt64 in [0, 0x1000, 0x1F_F000] {
      let metadata = bench.call(24, rcx: Self.page + offset)
      #expect(metadata.rcx == 3 && metadata.rdx == tdr && metadata.r8 == 1 && metadata.r9 == 0)
      // As a new page, as a TDR, as something to write back.
      #expect(bench.call(9, rcx: Self.page + offset, rdx: 66).rax == 0xC000_0300_0000_0001)
      #expect(bench.call(3, rcx: 0x4000_0002, rdx: tdr, r8: Self.page + offset).rax == 0xC000_0300_0000_0008)
      #expect(bench.call(6, rcx: 0x40_0001, rdx: tdr, r8: Self.page).rax == 0xC000_0300_0000_0008)
      #expect(bench.call(41, rcx: Self.page + offset).rax == 0xC000_0300_0000_0001)
      #expect(bench.call(19, rcx: Self.page + offset).rax == 0xC000_0300_0000_0001)
    }
    #expect(bench.call(24, rcx: Self.page + 0x20_0000).rcx == 0)
    // The entry below it does not exist: the walk ends at the page.
    let walk = bench.call(25, rcx: Self.gpa + 0x1000, rdx: tdr)
    #expect(walk.rax == 0xC000_0B00_0000_0001 && walk.rdx == 1 | 2 << 8 && walk.rcx == 1 << 63 | Self.page | 0xF0)
  }

  @Test("One small page that is taken keeps 2 MiB from being one page, until it is given back")
  func oneSmallPage() throws {
    var bench = try Bench.withTD(tables: false)
    bench.addTables(gpa: 0, down: 1)
    let last = Self.page + 0x1F_F000
    #expect(bench.call(6, rcx: 0x5000, rdx: tdr, r8: last).rax == 0)
    #expect(bench.call(6, rcx: Self.gpa | 1, rdx: tdr, r8: Self.page).rax == 0xC000_0300_0000_0008)
    #expect(bench.call(29, rcx: 0x5000, rdx: tdr).rcx == last)
    #expect(bench.call(6, rcx: Self.gpa | 1, rdx: tdr, r8: Self.page).rax == 0)
    #expect(bench.call(29, rcx: Self.gpa | 1, rdx: tdr).rcx == Self.page)
    #expect(bench.module.tds[tdr]?.childCount == 9 + 3)
    #expect(bench.call(6, rcx: 0x5000, rdx: tdr, r8: last).rax == 0)
  }

  @Test("A large page is reclaimed as one, by its first address")
  func reclaim() throws {
    var bench = try bench()
    #expect(bench.call(19, rcx: tdr).rax == 0)
    #expect(bench.call(40).rax == 0)
    let early = bench.call(28, rcx: Self.page)
    #expect(early.rax == 0xC000_0607_0000_0000 && early.rcx == 3 && early.rdx == tdr && early.r8 == 1)
    #expect(bench.call(20, rcx: tdr).rax == 0)
    let inside = bench.call(28, rcx: Self.page + 4096)
    #expect(inside.rax == 0xC000_0100_0000_0001 && inside.rcx == 3 && inside.rdx == tdr && inside.r8 == 1)
    bench.module.locks.pages = [tdr / 4096]
    #expect(bench.call(28, rcx: Self.page).rax == 0x8000_0200_0000_0080)
    bench.module.locks.pages = []
    bench.module.locks.sharedPages = [Self.page / 4096]
    let locked = bench.call(28, rcx: Self.page)
    #expect(locked.rax == 0x8000_0200_0000_0001 && locked.rcx == 0)
    bench.module.locks.sharedPages = []
    let answer = bench.call(28, rcx: Self.page)
    #expect(answer.rax == 0 && answer.rcx == 3 && answer.rdx == tdr && answer.r8 == 1 && answer.r9 == 0)
    #expect(bench.module.tds[tdr]?.childCount == 11)
    let again = bench.call(28, rcx: Self.page)
    #expect(again.rax == 0xC000_0300_0000_0001 && again.rcx == 0)
  }

  @Test("DEMOTE makes 512 pages, PROMOTE one again", arguments: [0, 1])
  func resize(version: UInt64) throws {
    var bench = try bench()
    let table = Self.page + 0x20_0000
    #expect(bench.finalize().rax == 0)
    #expect(bench.call(15, rcx: Self.gpa | 1, rdx: tdr, r8: table).rax == 0xC000_0B06_0000_0001)
    #expect(bench.call(7, rcx: Self.gpa | 1, rdx: tdr).rax == 0)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    let demoted = bench.call(15, rcx: Self.gpa | 1, rdx: tdr, r8: table, r9: .max, r10: .max)
    #expect(demoted.rax == 0 && demoted.rcx == 0 && demoted.rdx == 0)
    #expect(bench.septState(Self.gpa | 1) == .nonLeafMapped)
    #expect(bench.call(24, rcx: table).rcx == 8)
    for index: UInt64 in [0, 1, 511] {
      let small = bench.call(25, rcx: Self.gpa + index << 12, rdx: tdr)
      #expect(small.rcx == 1 << 63 | (Self.page + index << 12) | 0xF0 && small.rdx == 2 << 8)
      let metadata = bench.call(24, rcx: Self.page + index << 12)
      #expect(metadata.rcx == 3 && metadata.rdx == tdr && metadata.r8 == 0 && metadata.r9 == 0)
    }
    #expect(bench.module.tds[tdr]?.childCount == 11 + 512 + 1)

    // Not while one of them is not like the others.
    func promote() -> Registers { bench.call(23, version: version, rcx: Self.gpa | 1, rdx: tdr) }
    #expect(promote().rax == 0xC000_0B06_0000_0001)
    #expect(bench.call(7, rcx: Self.gpa | 1, rdx: tdr).rax == 0)
    #expect(promote().rax == 0xC000_0B08_0000_0001)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    bench.module.tds[tdr]?.sept[Self.gpa + 0x5000, 0]?.state = .mapped
    let mixed = promote()
    #expect(mixed.rax == 0xC000_0B09_0000_0001 && mixed.rdx == 1 | 129 << 8)
    bench.module.tds[tdr]?.sept[Self.gpa + 0x5000, 0]?.state = .pending
    bench.module.locks.septEntries[tdr] = [Self.gpa + 0x5000]
    #expect(promote().rax == 0x8000_0200_0000_0001)
    bench.module.locks.septEntries = [:]
    let promoted = promote()
    #expect(promoted.rax == 0 && promoted.rcx == table && promoted.rdx == 0)
    #expect(promoted.r9 == (version == 1 ? .max : 0))
    #expect(bench.septState(Self.gpa | 1) == .pending)
    #expect(bench.call(24, rcx: table).rcx == 0)
    #expect(bench.call(24, rcx: Self.page + 0x1000).r8 == 1)
    #expect(bench.module.tds[tdr]?.childCount == 11 + 512)
    #expect(bench.module.tds[tdr]?.sept.entries.count == 3)
  }

  @Test("512 pages of 2 MiB become one of 1 GiB and come apart again")
  func gigabyte() throws {
    var bench = try Bench(.init(1, 5, 34))
    bench.initializeLPs()
    bench.configure(gib: 4, initializedGiB: 4)
    bench.createTD()
    #expect(bench.initTD().rax == 0)
    bench.addTables(gpa: 1 << 30, down: 2)
    for index: UInt64 in 0..<512 {
      #expect(bench.call(6, rcx: 1 << 30 + index << 21 | 1, rdx: tdr, r8: 2 << 30 + index << 21).rax == 0)
    }
    let before = bench.module.tds[tdr]?.childCount
    let table = bench.call(23, rcx: 1 << 30 | 2, rdx: tdr)
    #expect(table.rax == 0)
    #expect(bench.module.tds[tdr]?.childCount == before.map { $0 - 1 })
    let metadata = bench.call(24, rcx: 2 << 30 + 0x1234_5000)
    #expect(metadata.rcx == 3 && metadata.r8 == 2)
    #expect(bench.call(9, rcx: 2 << 30 + 0x1234_5000, rdx: 70).rax == 0xC000_0300_0000_0001)
    #expect(bench.call(3, rcx: 0x80_0000_0003, rdx: tdr, r8: 2 << 30).rax == 0xC000_0300_0000_0008)
    #expect(bench.call(15, rcx: 1 << 30 | 2, rdx: tdr, r8: table.rcx).rax == 0)
    #expect(bench.septState(1 << 30 + 511 << 21 | 1) == .pending)
    #expect(bench.call(29, rcx: 1 << 30 + 3 << 21 | 1, rdx: tdr).rcx == 2 << 30 + 3 << 21)
    #expect(bench.call(23, rcx: 1 << 30 | 2, rdx: tdr).rax == 0xC000_0B09_0000_0001)
  }

  @Test("An interrupt sends DEMOTE and PROMOTE back with nothing changed")
  func interrupted() throws {
    var bench = try bench()
    let table = Self.page + 0x20_0000
    bench.module.conditions.checksBeforeInterrupt = 0
    let demote = bench.call(15, rcx: Self.gpa | 1, rdx: tdr, r8: table)
    #expect(demote.rax == 0x8000_0004_0000_0000 && demote.rcx == Self.gpa | 1 && demote.rdx == tdr)
    #expect(bench.septState(Self.gpa | 1) == .pending)
    #expect(bench.call(15, rcx: demote.rcx, rdx: demote.rdx, r8: table).rax == 0)
    bench.module.conditions.checksBeforeInterrupt = 0
    let promote = bench.call(23, rcx: Self.gpa | 1, rdx: tdr)
    #expect(promote.rax == 0x8000_0004_0000_0000 && promote.rcx == Self.gpa | 1 && promote.rdx == tdr)
    #expect(bench.septState(Self.gpa | 1) == .nonLeafMapped)
    #expect(bench.call(23, rcx: promote.rcx, rdx: promote.rdx).rax == 0)
  }

  // MARK: Tables of L2 VMs

  /// TDH.MEM.SEPT.ADD version 1.
  private func septAdd(_ bench: inout Bench, _ place: UInt64, flags: UInt64 = 0, _ pages: [UInt64]) -> Registers {
    bench.seamcall(
      Registers(
        rax: 3 | 1 << 16, rcx: place, rdx: tdr | flags, r8: pages[0], r9: pages[1], r10: pages[2], r11: pages[3]))
  }

  /// A TD with two L2 VMs, which needs two more TDCX pages.
  private func partitioned() throws -> Bench {
    var bench = try Bench.withMemory()
    bench.createTD()
    for page: UInt64 in [10, 11] { #expect(bench.call(1, rcx: tdr + page * 4096, rdx: tdr).rax == 0) }
    #expect(bench.initTD(tdr, Bench.parameters { $0[18] = 2 }).rax == 0)
    return bench
  }

  private static let none = UInt64.max
  private static let unused: UInt64 = 1 << 63

  @Test("SEPT.ADD version 1 gives the TD's tree and those of its L2 VMs their tables")
  func l2Tables() throws {
    var bench = try partitioned()
    let page = (0..<20).map { Self.page + 4096 * UInt64($0) }
    // The tree of an L2 VM has to be there down to the table.
    let early = septAdd(&bench, 2, [page[0], page[1], Self.none, Self.none])
    #expect(early.rax == 0xC000_0B00_0000_0001)
    #expect(early.r8 == page[0] && early.r9 == page[1] && early.r10 == Self.none)
    let first = septAdd(&bench, 3, [page[0], page[1], Self.none, Self.none])
    #expect(first.rax == 0 && first.rcx == 0 && first.rdx == 0)
    #expect([first.r8, first.r9, first.r10, first.r11] == [Self.none, Self.none, Self.none, Self.none])
    #expect(bench.call(24, rcx: page[1]).rcx == 8)
    #expect(bench.module.tds[tdr]?.childCount == 11 + 2)

    let missing = septAdd(&bench, 2, [page[2], page[3], page[4], Self.none])
    #expect(missing.rax == 0xC000_0B0F_0002_0003)
    #expect(missing.rdx == 3 | 2 << 16 && missing.rcx == 1 << 63)
    #expect(bench.module.pamt[page[2]] == nil && bench.module.pamt[page[3]] == nil)
    #expect(septAdd(&bench, 3, [Self.none, Self.none, page[4], Self.none]).rax == 0)
    #expect(septAdd(&bench, 3, [Self.none, Self.none, Self.none, page[5]]).rax == 0xC000_0100_0000_000B)

    // What is there already.
    let taken = septAdd(&bench, 3, [Self.none, page[5], Self.none, Self.none])
    #expect(taken.rax == 0xC000_0B10_0001_0003)
    #expect(taken.rcx == 0x407 && taken.rdx == 3 | 132 << 8 | 1 << 16)
    #expect(septAdd(&bench, 3, [page[5], Self.none, Self.none, Self.none]).rax == 0xC000_0B0D_0000_0001)
    let allowed = septAdd(&bench, 3, flags: 1, [page[5], page[6], Self.none, Self.none])
    #expect(allowed.rax == 0 && allowed.r8 == page[5] | Self.unused && allowed.r9 == page[6] | Self.unused)
    #expect(bench.module.pamt[page[5]] == nil)
    // Going on with what came back is no mistake.
    #expect(septAdd(&bench, 3, flags: 1, [allowed.r8, allowed.r9, allowed.r10, allowed.r11]).rax == 0)
    // The same page twice.
    #expect(septAdd(&bench, 2, [page[7], page[7], Self.none, Self.none]).rax == 0x8000_0200_0000_0009)
    // Version 0 knows no "none".
    #expect(bench.call(3, rcx: 2, rdx: tdr, r8: Self.none).rax == 0xC000_0100_0000_0008)
    // A host of version 1 without a page needs the table.
    #expect(septAdd(&bench, 2, [Self.none, page[7], Self.none, Self.none]).rax == 0xC000_0B0D_0000_0001)

    // All go together.
    let registers = bench.seamcall(Registers(rax: 30 | 1 << 16, rcx: 3, rdx: tdr))
    #expect(registers.rax == 0 && registers.rcx == page[0])
    #expect(registers.r9 == page[1] && registers.r10 == page[4] && registers.r11 == Self.none)
    #expect(bench.module.tds[tdr]?.childCount == 11)
    #expect(bench.module.tds[tdr]?.sept.l2Tables.isEmpty == true)
  }

  @Test("An interrupted SEPT.ADD says what is done, and goes on from there")
  func interruptedAdd() throws {
    var bench = try partitioned()
    let page = (0..<4).map { Self.page + 4096 * UInt64($0) }
    bench.module.conditions.checksBeforeInterrupt = 0
    bench.module.conditions.checksBetweenInterrupts = 0
    var answer = septAdd(&bench, 3, [page[0], page[1], page[2], Self.none])
    #expect(answer.rax == 0x8000_0003_0000_0000 && answer.rcx == 3 && answer.rdx == tdr)
    #expect([answer.r8, answer.r9, answer.r10] == [Self.none, page[1], page[2]])
    answer = septAdd(&bench, answer.rcx, [answer.r8, answer.r9, answer.r10, answer.r11])
    #expect(answer.rax == 0x8000_0003_0000_0000)
    #expect([answer.r8, answer.r9, answer.r10] == [Self.none, Self.none, page[2]])
    answer = septAdd(&bench, answer.rcx, [answer.r8, answer.r9, answer.r10, answer.r11])
    #expect(answer.rax == 0)
    #expect(bench.module.tds[tdr]?.childCount == 11 + 3)
  }

  @Test("DEMOTE gives L2 VMs tables where they are wanted, PROMOTE gives them back")
  func l2Resize() throws {
    var bench = try partitioned()
    let page = (0..<20).map { Self.page + 0x20_0000 + 4096 * UInt64($0) }
    #expect(septAdd(&bench, 3, [page[0], page[1], Self.none, Self.none]).rax == 0)
    #expect(septAdd(&bench, 2, [page[2], page[3], Self.none, Self.none]).rax == 0)
    #expect(bench.call(6, rcx: Self.gpa | 1, rdx: tdr, r8: Self.page).rax == 0)
    func demote(_ flags: UInt64, _ pages: [UInt64]) -> Registers {
      bench.seamcall(
        Registers(
          rax: 15, rcx: Self.gpa | 1, rdx: tdr | flags, r8: pages[0], r9: pages[1], r10: pages[2], r11: Self.none))
    }
    #expect(demote(0, [page[4], page[4], Self.none]).rax == 0x8000_0200_0000_0009)
    #expect(demote(0, [page[4], page[5], page[6]]).rax == 0xC000_0B0F_0002_0003)
    let done = demote(0, [page[4], page[5], Self.none])
    #expect(done.rax == 0 && done.r9 == page[5] && done.r10 == Self.none)
    let registers = bench.seamcall(Registers(rax: 23 | 1 << 16, rcx: Self.gpa | 1, rdx: tdr))
    #expect(registers.rax == 0 && registers.rcx == page[4] && registers.r9 == page[5] && registers.r10 == Self.none)
    // Sparse: only where the page has an alias, which it never has.
    let sparse = demote(1, [page[4], page[5], Self.none])
    #expect(sparse.rax == 0 && sparse.r9 == page[5] | Self.unused)
    #expect(bench.module.pamt[page[5]] == nil)
  }

  @Test("The attributes of L2 VMs can be read of a DEBUG TD")
  func attributes() throws {
    var bench = try partitioned()
    #expect(septAdd(&bench, 3, [Self.page, Self.none, Self.page + 4096, Self.none]).rax == 0)
    #expect(bench.call(25, rcx: 3, rdx: tdr | 1).rax == 0xC000_0100_0000_0002)
    bench.module.tds[tdr]?.parameters.attributes = [.debug]
    let answer = bench.call(25, rcx: 3, rdx: tdr | 1, r8: 5)
    #expect(answer.rax == 0 && answer.rcx == 7 && answer.rdx == 3 | 132 << 8)
    #expect(answer.r8 == 0x800F << 32)
  }
}
