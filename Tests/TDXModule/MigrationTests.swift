import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// A TD is exported and imported (tdx-module.md 1.1, 6.1, 6.6).
@Suite("Migration", .timeLimit(.minutes(20)))
struct MigrationTests {
  private let source = Bench.tdr
  private let destination = Bench.destination

  @Test(
    "A TD moves: memory, measurement, registers and what its guest has still to do",
    arguments: [ModuleVersion(1, 5, 5), ModuleVersion(1, 5, 34), ModuleVersion(2, 0, 18)])
  func whole(version: ModuleVersion) throws {
    var bench = try Bench.migrating(version, pages: 4)
    bench.enter([.write(gpa: 0x1000, bytes: [1, 2, 3]), .tdcall(Registers(rax: 1))])
    // Live: two pages of the running TD, blocked and tracked.
    bench.startMigration()
    #expect(bench.opState() == .liveExport)
    #expect(bench.opState(destination) == .memoryImport)
    #expect(bench.changeList(65, [0, 0x1000]).rax == 0)
    #expect(bench.call(38, rcx: source).rax == 0)
    bench.movePages([0, 0x1000])
    // The guest writes to one of them: the host lets it, and must export the page again.
    let violation = bench.enter([.write(gpa: 0x1000, bytes: [4, 5, 6, 7])])
    #expect(violation.rax == 48)
    #expect(bench.call(75, rcx: 0x1000, rdx: source).rax == 0)
    #expect(bench.enter().rax == 1)
    #expect(bench.module.tds[source]?.migration.dirtyCount == 1)
    #expect(bench.trackMigration(71, source).rax == 0)
    #expect(bench.trackMigration(84, destination).rax == 0)
    // Paused: nothing must be blocked any more.
    bench.enter([.tdcall(Registers(rax: 1)), .halt, .write(gpa: 0x2000, bytes: [9])])
    let pausedEpoch = bench.module.tds[source]?.epoch ?? 0
    bench.moveState()
    #expect(bench.module.tds[source]?.epoch == pausedEpoch + 1)
    #expect(bench.opState(destination) == .stateImport)
    #expect(bench.trackMigration(71, source, start: true).rax == 0xC000_0E07_0000_0000)
    bench.movePages([0x1000, 0x2000])
    bench.startToken()
    #expect(bench.opState() == .postExport)
    #expect(bench.opState(destination) == .postImport)
    // Out of order: the last page, while the destination may run already.
    #expect(bench.call(82, rcx: destination).rax == 0)
    #expect(bench.opState(destination) == .liveImport)
    bench.movePages([0x3000])
    #expect(bench.call(81, rcx: destination).rax == 0)
    #expect(bench.opState(destination) == .runnable)

    let old = try #require(bench.module.tds[source])
    let new = try #require(bench.module.tds[destination])
    #expect(new.measurement.mrtd == old.measurement.mrtd)
    #expect(new.measurement.rtmrs == old.measurement.rtmrs)
    #expect(new.measurement.servtdHash == old.measurement.servtdHash)
    #expect(new.parameters == old.parameters)
    #expect(new.uuid == old.uuid)
    #expect(new.infoHash() == old.infoHash())
    #expect(new.vcpuCount == 1)
    // The guest goes on where it was: it comes back from HLT and writes.
    bench.machine.guests[Bench.importedVCPU]?.steps += (0..<4).map { .read(gpa: $0 * 4096, count: 4) }
    #expect(bench.enter([], Bench.importedVCPU).rax == 1)
    var expected = (0..<4).map { Array(Bench.content($0).prefix(4)) }
    expected[1] = [4, 5, 6, 7]
    expected[2][0] = 9
    #expect(bench.outcomes(Bench.importedVCPU) == [.resumed, .written] + expected.map { .bytes($0) })
    for gpa: UInt64 in stride(from: 0, to: 0x4000, by: 4096) {
      #expect(
        bench.machine.memory.read(Bench.sourcePages + gpa, count: 4096)
          == bench.machine.memory.read(Bench.Host.newPages + gpa, count: 4096) || gpa == 0x2000)
    }
    // The host sees ciphertext, and nothing of the TD's.
    let ciphertext = bench.machine.memory.read(Bench.Host.buffers, count: 4096)
    #expect(ciphertext != Bench.content(3))
    #expect(bench.machine.memory.hostRead(Bench.Host.newPages, count: 16) == [UInt8](repeating: 0, count: 16))
  }

  @Test("A page imported in place lies in its migration buffer")
  func inPlace() throws {
    var bench = try Bench.migrating(pages: 1)
    bench.startMigration()
    #expect(bench.call(70, rcx: source).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0)])
    bench.machine.memory.write(Bench.Host.newPages.littleEndianBytes, at: Bench.Host.bufferList)
    #expect(bench.moveMemory(68, source, count: 1).rdx == 3)
    bench.addTables(destination, gpa: 0)
    #expect(bench.moveMemory(83, destination, count: 1) { $0.r13 = .max }.rax == 0)
    #expect(bench.module.tds[destination]?.sept[0, 0]?.hpa == Bench.Host.newPages)
    #expect(bench.machine.memory.read(Bench.Host.newPages, count: 4096) == Bench.content(0))
  }

  @Test("A PENDING page moves without content")
  func pending() throws {
    var bench = try Bench.migrating(pages: 1)
    #expect(bench.call(6, rcx: 0x5000, rdx: source, r8: 0x120_5000).rax == 0)
    bench.startMigration()
    #expect(bench.call(70, rcx: source).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0x5000)])
    // The GPA list and one page of MACs were processed, no page.
    #expect(bench.moveMemory(68, source, count: 1).rdx == 2)
    #expect(bench.list(1)[0].isPending)
    #expect(bench.septState(0x5000) == .pendingExportedBlockedW)
    bench.addTables(destination, gpa: 0x5000)
    #expect(bench.moveMemory(83, destination, count: 1).rax == 0)
    #expect(bench.septState(0x5000, of: destination) == .pending)
  }

  @Test("An import can be cancelled page by page, and not over a page that was cancelled in the same epoch")
  func cancel() throws {
    var bench = try Bench.migrating(pages: 2)
    bench.startMigration()
    #expect(bench.changeList(65, [0, 0x1000]).rax == 0)
    #expect(bench.call(38, rcx: source).rax == 0)
    bench.movePages([0, 0x1000])
    let children = bench.module.tds[destination]?.childCount ?? 0
    // In the epoch in which it was imported, a page cannot be cancelled.
    bench.writeList([GPAListEntry(gpa: 0, .cancel)])
    var early = bench
    #expect(early.moveMemory(68, source, count: 1).rax == 0)
    #expect(early.moveMemory(83, destination, count: 1).rax == 0xE000_0E10_0000_0061)
    #expect(early.opState(destination) == .failedImport)
    #expect(bench.trackMigration(71, source).rax == 0)
    #expect(bench.trackMigration(84, destination).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0, .cancel)])
    #expect(bench.moveMemory(68, source, count: 1).rax == 0)
    #expect(bench.septState(0) == .mapped)
    #expect(bench.module.tds[source]?.migration.exportedPages == 1)
    #expect(bench.moveMemory(83, destination, count: 1).rax == 0)
    #expect(bench.septState(0, of: destination) == .removed)
    #expect(bench.module.tds[destination]?.childCount == children - 1)
    #expect(bench.module.pamt[Bench.Host.newPages] == nil)
    #expect(bench.changeList(65, [0]).rax == 0)
    #expect(bench.call(38, rcx: source).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0)])
    #expect(bench.moveMemory(68, source, count: 1).rax == 0)
    #expect(bench.moveMemory(83, destination, count: 1).rax == 0xE000_0E11_0000_0061)
  }

  @Test("An aborted export leaves the TD runnable, its pages restored, and a next export possible")
  func abort() throws {
    var bench = try Bench.migrating(pages: 2)
    #expect(bench.exportState(72).rax == 0)
    #expect(bench.changeList(65, [0, 0x1000]).rax == 0)
    #expect(bench.call(38, rcx: source).rax == 0)
    bench.writeList([GPAListEntry(gpa: 0), GPAListEntry(gpa: 0x1000)])
    #expect(bench.moveMemory(68, source, count: 2).rax == 0)
    #expect(bench.call(64, rcx: source, r8: 1).rax == 0xC000_0100_0000_0008)
    #expect(bench.call(64, rcx: source, r10: 1).rax == 0xC000_0100_0000_000A)
    #expect(bench.call(64, rcx: source).rax == 0)
    #expect(bench.opState() == .runnable)
    bench.exchangeKeys()
    #expect(bench.exportState(72).rax == 0xC000_0E0A_0000_0000)
    #expect(bench.enter([.write(gpa: 0, bytes: [1])]).rax == 48)
    // One page that was not exported among those that are restored.
    #expect(bench.changeList(66, [0, 0x1000, 0x2000]).rax == 1)
    #expect(bench.list(3)[2].status == .septEntryStateIncorrect)
    #expect(bench.enter().rax == 1)
    #expect(bench.exportState(72).rax == 0)
    #expect(bench.module.tds[source]?.migration.exportCount == 2)
  }

  @Test("After the start token only the destination's abort token gives the TD back")
  func abortToken() throws {
    var bench = try Bench.migrating(pages: 1)
    bench.startMigration()
    bench.moveState()
    bench.movePages([0])
    bench.startToken()
    let token = MBMDOperand(address: Bench.Host.abortToken).rawValue
    #expect(bench.call(64, rcx: source).rax == 0xC000_0100_0000_0008)
    #expect(bench.call(64, rcx: source, r8: token).rax == 0xC000_0E00_0000_0000)
    #expect(bench.call(80, rcx: destination, r8: token).rax == 0x2000_0000_0000_0000)
    #expect(bench.opState(destination) == .failedImport)
    var forged = bench
    forged.machine.memory.write([0xFF], at: Bench.Host.abortToken + UInt64(MBMDLayout.mac))
    #expect(forged.call(64, rcx: source, r8: token).rax == 0xC000_0E01_0000_0000)
    #expect(forged.opState() == .postExport)
    #expect(bench.call(64, rcx: source, r8: token).rax == 0)
    #expect(bench.opState() == .runnable)
    // What failed can only be torn down.
    #expect(bench.call(0, rcx: Bench.importedVCPU).rax == 0xC000_0608_0000_0000)
    #expect(bench.call(18, rcx: Bench.importedVCPU).rax == 0)
    #expect(bench.call(19, rcx: destination).rax == 0)
  }

  @Test("A migration of 600 pages in lists of 512 and 88, over two streams")
  func lists() throws {
    var bench = try Bench.migrating(pages: 600, streams: 3)
    bench.startMigration()
    #expect(bench.call(70, rcx: source).rax == 0)
    for (range, stream) in [(0..<512, 0), (512..<600, 1)] as [(Range<Int>, UInt16)] {
      let gpas = range.map { UInt64($0) * 4096 }
      bench.writeList(gpas.map { GPAListEntry(gpa: $0) })
      #expect(bench.moveMemory(68, source, count: gpas.count, stream: stream).rax == 0)
      bench.addTables(destination, gpa: gpas.first ?? 0)
      bench.addTables(destination, gpa: gpas.last ?? 0)
      #expect(bench.moveMemory(83, destination, count: gpas.count, stream: stream).rax == 0)
    }
    for index in [0, 255, 256, 511, 512, 599] {
      let page = Bench.Host.newPages + UInt64(index) * 4096
      #expect(bench.machine.memory.read(page, count: 4096) == Bench.content(index), "page \(index)")
    }
  }

  @Test("What was changed on the way is found, and ends the import")
  func tampered() throws {
    var immutable = try Bench.migrating(pages: 1)
    let exported = immutable.exportState(72)
    immutable.machine.memory.write([0xAA], at: Bench.Host.state + 5000)
    #expect(immutable.importState(85, pages: exported.rdx).rax == 0xE000_0E01_0000_0000)
    #expect(immutable.opState(destination) == .failedImport)

    var page = try Bench.migrating(pages: 1)
    page.startMigration()
    #expect(page.call(70, rcx: source).rax == 0)
    page.writeList([GPAListEntry(gpa: 0)])
    #expect(page.moveMemory(68, source, count: 1).rax == 0)
    page.addTables(destination, gpa: 0)
    var mbmd = page
    mbmd.machine.memory.write([0xAA], at: Bench.Host.mbmd + UInt64(MBMDLayout.mac))
    #expect(mbmd.moveMemory(83, destination, count: 1).rax == 0xC000_0E01_0000_0000)
    #expect(mbmd.opState(destination) == .memoryImport)
    page.machine.memory.write([0xAA], at: Bench.Host.buffers + 17)
    #expect(page.moveMemory(83, destination, count: 1).rax == 0xE000_0E0F_0000_0061)
    #expect(page.list(1)[0].status == .invalidPageMAC)
    #expect(page.opState(destination) == .failedImport)
  }

  @Test("A bundle cannot be played twice, left out, or taken for another")
  func replay() throws {
    var bench = try Bench.migrating(pages: 2)
    bench.startMigration()
    #expect(bench.call(70, rcx: source).rax == 0)
    bench.movePages([0])
    #expect(bench.moveMemory(83, destination, count: 1).rax == 0xC000_0E00_0000_0000)
    bench.writeList([GPAListEntry(gpa: 0x1000)])
    #expect(bench.moveMemory(68, source, count: 1).rax == 0)
    var lost = bench
    #expect(lost.trackMigration(71, source).rax == 0)
    #expect(lost.trackMigration(84, destination).rax == 0xE000_0E00_0000_0000)
    let td = bench.exportState(73)
    #expect(bench.importState(86, pages: td.rdx).rax == 0xE000_0E00_0000_0000)
  }

  @Test("The start token waits for every vCPU, and no vCPU moves twice")
  func vcpus() throws {
    var bench = try Bench.migrating(pages: 1)
    bench.startMigration()
    #expect(bench.call(70, rcx: source).rax == 0)
    let td = bench.exportState(73)
    #expect(bench.importState(86, pages: td.rdx).rax == 0)
    var early = bench
    #expect(early.trackMigration(71, source, start: true).rax == 0)
    #expect(early.trackMigration(84, destination).rax == 0xE000_0E12_0000_0000)
    #expect(bench.exportState(74, Bench.tdvpr, on: 1).rax == 0x8000_0701_0000_0000)
    #expect(bench.exportState(74, Bench.tdvpr).rdx == 5)
    #expect(bench.exportState(74, Bench.tdvpr).rax == 0xC000_0E15_0000_0000)
    bench.createVCPU(Bench.importedVCPU, tdr: destination)
    #expect(bench.importState(87, Bench.importedVCPU, pages: 5, on: 2).rax == 0)
    #expect(bench.module.vcpus[Bench.importedVCPU]?.associatedLP == 2)
    #expect(bench.importState(87, Bench.importedVCPU, pages: 5, on: 2).rax == 0xE000_0700_0000_0000)
  }

  @Test("A guest with more to do than five pages hold needs a longer list")
  func longProgram() throws {
    var bench = try Bench.migrating(pages: 1)
    let steps: [GuestStep] = (0..<30).map { .write(gpa: 0, bytes: Bench.content($0)) }
    bench.machine.guests[Bench.tdvpr] = GuestProgram(steps: steps)
    bench.startMigration()
    #expect(bench.call(70, rcx: source).rax == 0)
    let td = bench.exportState(73)
    #expect(bench.importState(86, pages: td.rdx).rax == 0)
    #expect(bench.exportState(74, Bench.tdvpr).rax == 0xC000_0100_0000_0009)
    let vcpu = bench.exportState(74, Bench.tdvpr, pages: 60)
    #expect(vcpu.rax == 0)
    #expect(vcpu.rdx == 31)
    bench.createVCPU(Bench.importedVCPU, tdr: destination)
    #expect(bench.importState(87, Bench.importedVCPU, pages: vcpu.rdx).rax == 0)
    #expect(bench.machine.guests[Bench.importedVCPU]?.steps == steps)
  }
}
