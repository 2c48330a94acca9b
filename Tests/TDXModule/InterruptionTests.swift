import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Migration operations that an interrupt stops, and updates in between (tdx-module.md 9).
@Suite("Interrupted migrations", .timeLimit(.minutes(20)))
struct InterruptionTests {
  private static let resumable: UInt64 = 0x8000_0003_0000_0000
  private static let invalidResumption: UInt64 = 0xC000_0006_0000_0000
  private static let incompatible: UInt64 = 0xC000_0E22_0000_0000
  /// UPDATE_COMPATIBILITY in R9 of TDH.SYS.UPDATE.
  private static let optIn: UInt64 = 1 << 47

  private let source = Bench.tdr
  private let destination = Bench.destination

  /// A TD whose export was interrupted in its first leaf, under `version`.
  private func interrupted(_ version: ModuleVersion) throws -> Bench {
    var bench = try Bench.migrating(version)
    bench.machine.sendInterrupt(to: 1)
    let answer = bench.exportState(72, on: 1)
    #expect(answer.rax == Self.resumable)
    #expect(answer.rdx == 1)
    #expect(bench.opState() == .runnable)
    return bench
  }

  @Test("An interrupt stops the export after one page; the LP has taken it then; the call goes on where it was")
  func resume() throws {
    var bench = try interrupted(.init(1, 5, 34))
    #expect(bench.module.migInterruptedCount == 1)
    #expect(bench.machine.pendingInterrupts.isEmpty)
    #expect(bench.exportState(72, resume: true, on: 1).rdx == 3)
    #expect(bench.module.migInterruptedCount == 0)
    #expect(bench.module.tds[source]?.migration.interruptedOperations == 0)
    #expect(bench.opState() == .liveExport)
    #expect(bench.importState(85, pages: 3).rax == 0)
  }

  @Test("Interrupts at every step of every leaf of state, on both sides, and the TD that comes out is the same")
  func everywhere() throws {
    var plain = try Bench.migrating()
    plain.startMigration()
    plain.moveState()
    plain.movePages([0, 0x1000, 0x2000])
    plain.startToken()
    var bench = try Bench.migrating()
    var interruptions = 0

    func finish(_ bench: inout Bench, _ call: (inout Bench, Bool) -> Registers) -> Registers {
      var resume = false
      while true {
        bench.machine.sendInterrupt(to: 0)
        let result = call(&bench, resume)
        guard result.rax == Self.resumable else { return result }
        #expect(bench.module.migInterruptedCount == 1)
        interruptions += 1
        resume = true
      }
    }

    let immutable = finish(&bench) { $0.exportState(72, resume: $1) }
    #expect(immutable.rdx == 3)
    #expect(finish(&bench) { $0.importState(85, pages: 3, resume: $1) }.rax == 0)
    #expect(bench.opState(destination) == .memoryImport)
    bench.machine.pendingInterrupts = []
    #expect(bench.call(70, rcx: source).rax == 0)
    #expect(finish(&bench) { $0.exportState(73, resume: $1) }.rdx == 2)
    #expect(finish(&bench) { $0.importState(86, pages: 2, resume: $1) }.rax == 0)
    bench.createVCPU(Bench.importedVCPU, tdr: destination)
    #expect(finish(&bench) { $0.exportState(74, Bench.tdvpr, resume: $1) }.rdx == 5)
    #expect(finish(&bench) { $0.importState(87, Bench.importedVCPU, pages: 5, resume: $1) }.rax == 0)
    // 3 + 3 pages, 2 + 2, 5 + 5: all but the last of each.
    #expect(interruptions == 14)
    #expect(bench.module.migInterruptedCount == 0)
    bench.machine.pendingInterrupts = []
    bench.movePages([0, 0x1000, 0x2000])
    bench.startToken()
    #expect(bench.module.tds[destination]?.infoHash() == plain.module.tds[destination]?.infoHash())
    #expect(bench.module.vcpus[Bench.importedVCPU]?.registers == plain.module.vcpus[Bench.importedVCPU]?.registers)
  }

  @Test("Lists of pages are interrupted without counting: each page has its own MAC")
  func memory() throws {
    var bench = try Bench.migrating()
    bench.startMigration()
    bench.machine.sendInterrupt(to: 0)
    let blocked = bench.changeList(65, [0, 0x1000, 0x2000])
    #expect(blocked.rax == Self.resumable)
    #expect(GPAListInfo(rawValue: blocked.rcx).firstEntry == 1)
    #expect(bench.call(65, rcx: blocked.rcx, rdx: source).rax == 0)
    #expect(bench.call(38, rcx: source).rax == 0)
    bench.writeList([0, 0x1000, 0x2000].map { GPAListEntry(gpa: $0) })
    bench.machine.sendInterrupt(to: 0)
    let exported = bench.moveMemory(68, source, count: 3)
    #expect(exported.rax == Self.resumable)
    #expect(bench.module.migInterruptedCount == 0)
    // Nothing else may be begun on the stream in between.
    var other = bench
    #expect(other.moveMemory(68, source, count: 3).rax == Self.invalidResumption)
    // An update in between does no harm.
    #expect(try bench.update(to: .init(1, 5, 34), avoiding: true) == 0)
    let resumed = bench.moveMemory(68, source, count: 3, rcx: exported.rcx, resume: true)
    #expect(resumed.rax == 0)
    #expect(resumed.rdx == 5)
    bench.addTables(destination, gpa: 0)
    bench.machine.sendInterrupt(to: 0)
    let imported = bench.moveMemory(83, destination, count: 3)
    #expect(imported.rax == Self.resumable)
    #expect(bench.moveMemory(83, destination, count: 3, rcx: imported.rcx, resume: true).rax == 0)
    for index in 0..<3 {
      #expect(
        bench.machine.memory.read(Bench.Host.newPages + UInt64(index) * 4096, count: 4096) == Bench.content(index))
    }
  }

  @Test("A resumption with other operands is refused, and the operation is lost")
  func otherOperands() throws {
    let start = try interrupted(.init(1, 5, 34))
    var other = start
    #expect(other.exportState(72, pages: 7, resume: true).rax == Self.invalidResumption)
    #expect(other.module.migInterruptedCount == 0)
    #expect(other.exportState(72, resume: true).rax == Self.invalidResumption)
    // The key is used up.
    #expect(other.exportState(72).rax == 0xC000_0E08_0000_0000)
    var again = start
    #expect(again.exportState(72).rax == Self.invalidResumption)
    #expect(again.module.migInterruptedCount == 1)
    #expect(again.exportState(72, resume: true).rax == 0)

    var never = try Bench.migrating()
    #expect(never.exportState(72, resume: true).rax == 0xC000_0E05_0000_0000)
    #expect(never.exportState(72).rax == 0)
    #expect(never.call(70, rcx: source).rax == 0)
    #expect(never.exportState(73, resume: true).rax == Self.invalidResumption)
    #expect(never.moveMemory(68, source, count: 1, resume: true).rax == Self.invalidResumption)
    #expect(never.exportState(74, Bench.tdvpr, resume: true).rax == Self.invalidResumption)
  }

  @Test("Older modules forget an interrupted operation when another begins, and count nothing")
  func olderModules() throws {
    var bench = try interrupted(.init(1, 5, 5))
    #expect(bench.module.migInterruptedCount == 0)
    bench.exchangeKeys()
    #expect(bench.exportState(72).rax == 0)
  }

  @Test("TDH.SYS.SHUTDOWN with the flag: a migration in progress does not matter, an interrupted one does")
  func shutdown() throws {
    var bench = try Bench.migrating(.init(1, 5, 24))
    #expect(bench.exportState(72).rax == 0)
    var going = bench
    #expect(try going.update(to: .init(1, 5, 28), avoiding: true) == 0)
    #expect(going.opState() == .liveExport)
    #expect(going.call(70, rcx: source).rax == 0)
    #expect(going.exportState(73).rax == 0)

    #expect(bench.call(70, rcx: source).rax == 0)
    bench.machine.sendInterrupt(to: 0)
    #expect(bench.exportState(73).rax == Self.resumable)
    #expect(try bench.update(to: .init(1, 5, 28), avoiding: true) == 0x8000_0512_0001_0001)
    #expect(bench.module.sysState == .ready)
    #expect(
      bench.module.lastDiagnostic == "1 migration operations are interrupted, an update could spoil them")
    #expect(bench.exportState(73, resume: true).rax == 0)
    #expect(try bench.update(to: .init(1, 5, 28), avoiding: true) == 0)
  }

  @Test("What ends the interruption: resuming, TDH.EXPORT.ABORT, TDH.IMPORT.ABORT, the epoch token, VPFLUSHDONE")
  func ends() throws {
    var paused = try Bench.migrating()
    paused.startMigration()
    #expect(paused.call(70, rcx: source).rax == 0)
    paused.machine.sendInterrupt(to: 0)
    #expect(paused.exportState(73).rax == Self.resumable)
    #expect(paused.module.migInterruptedCount == 1)

    var aborted = paused
    #expect(aborted.call(64, rcx: source).rax == 0)
    #expect(aborted.module.migInterruptedCount == 0)
    var tracked = paused
    #expect(tracked.trackMigration(71, source).rax == 0)
    #expect(tracked.module.migInterruptedCount == 0)
    #expect(tracked.exportState(73, resume: true).rax == Self.invalidResumption)
    var dropped = paused
    #expect(dropped.call(18, rcx: Bench.tdvpr).rax == 0)
    #expect(dropped.call(19, rcx: source).rax == 0)
    #expect(dropped.module.migInterruptedCount == 0)

    // Two TDs, one of them on each side.
    #expect(paused.exportState(73, resume: true).rax == 0)
    paused.machine.sendInterrupt(to: 0)
    #expect(paused.importState(86, pages: 2).rax == Self.resumable)
    paused.machine.sendInterrupt(to: 0)
    #expect(paused.exportState(74, Bench.tdvpr).rax == Self.resumable)
    #expect(paused.module.migInterruptedCount == 2)
    let token = MBMDOperand(address: Bench.Host.abortToken).rawValue
    #expect(paused.call(80, rcx: destination, r8: token).rax == 0x2000_0000_0000_0000)
    #expect(paused.module.migInterruptedCount == 1)
    #expect(try paused.update(to: .init(1, 5, 34), avoiding: true) == 0x8000_0512_0001_0001)
    #expect(paused.call(64, rcx: source).rax == 0)
    #expect(try paused.update(to: .init(1, 5, 34), avoiding: true) == 0)
  }

  @Test("Without the flag, an update to the same crypto library changes nothing", arguments: [0, optIn])
  func sameLibrary(flags: UInt64) throws {
    var bench = try interrupted(.init(1, 5, 24))
    #expect(try bench.update(to: .init(1, 5, 28), flags: flags) == 0)
    #expect(bench.module.migInterruptedCount == 1)
    #expect(bench.module.updateCompatibility == (flags != 0))
    #expect(bench.exportState(72, resume: true).rdx == 3)
    #expect(bench.module.migInterruptedCount == 0)
    #expect(bench.importState(85, pages: 3).rax == 0)
  }

  @Test("Without the flag, another crypto library goes on, and the peer finds the MAC wrong")
  func otherLibrary() throws {
    var bench = try interrupted(.init(1, 5, 28))
    #expect(try bench.update(to: .init(1, 5, 34)) == 0)
    #expect(bench.exportState(72, resume: true).rdx == 3)
    #expect(bench.opState() == .liveExport)
    #expect(bench.module.migInterruptedCount == 0)
    #expect(bench.importState(85, pages: 3).rax == 0xE000_0E01_0000_0000)
    #expect(bench.opState(destination) == .failedImport)
    // The session before was spoilt; the next one is not.
    #expect(bench.call(64, rcx: source).rax == 0)
    bench.createTD(0x900_0000, hkid: 70)
    bench.createStreams(2, 0x900_0000)
    bench.exchangeKeys(source, 0x900_0000)
    #expect(bench.exportState(72).rax == 0)
    #expect(bench.importState(85, 0x900_0000, pages: 3).rax == 0)
  }

  @Test("The host that opted in is told that another crypto library cannot go on")
  func optedIn() throws {
    var bench = try interrupted(.init(1, 5, 28))
    #expect(try bench.update(to: .init(1, 5, 34), flags: Self.optIn) == 0)
    #expect(bench.exportState(72, resume: true).rax == Self.incompatible)
    #expect(bench.opState() == .runnable)
    #expect(bench.module.migInterruptedCount == 0)
    bench.exchangeKeys()
    #expect(bench.exportState(72).rax == 0)
    #expect(bench.importState(85, pages: 3).rax == 0)
  }

  @Test("An interrupted import ends when another crypto library comes", arguments: [0, optIn])
  func interruptedImport(flags: UInt64) throws {
    var bench = try Bench.migrating(.init(1, 5, 28))
    #expect(bench.exportState(72).rdx == 3)
    bench.machine.sendInterrupt(to: 0)
    let answer = bench.importState(85, pages: 3)
    #expect(answer.rax == Self.resumable)
    #expect(answer.rcx == destination)
    #expect(bench.module.migInterruptedCount == 1)
    var same = bench
    #expect(try same.update(to: .init(1, 5, 28), flags: flags) == 0)
    #expect(same.importState(85, pages: 3, resume: true).rax == 0)
    #expect(try bench.update(to: .init(1, 5, 34), flags: flags) == 0)
    let expected = flags == 0 ? 0xE000_0E01_0000_0000 : Self.incompatible | 1 << 61
    #expect(bench.importState(85, pages: 3, resume: true).rax == expected)
    #expect(bench.opState(destination) == .failedImport)
    #expect(bench.module.migInterruptedCount == 0)
  }

  @Test("From a module without a crypto version, opting in finds a context that nobody can go on with")
  func fromOldModule() throws {
    for flags in [0, Self.optIn] as [UInt64] {
      var bench = try interrupted(.init(1, 5, 20))
      #expect(try bench.update(to: .init(1, 5, 24), flags: flags) == 0)
      #expect(bench.module.migInterruptedCount == 0)
      let answer = bench.exportState(72, resume: true)
      #expect(answer.rax == (flags == 0 ? 0 : Self.incompatible))
      guard flags == 0 else { continue }
      #expect(bench.importState(85, pages: 3).rax == 0xE000_0E01_0000_0000)
    }
  }

  @Test("A session that began under a module without the count never counts")
  func oldSession() throws {
    var bench = try Bench.migrating(.init(1, 5, 20))
    bench.startMigration()
    #expect(try bench.update(to: .init(1, 5, 24)) == 0)
    #expect(bench.call(70, rcx: source).rax == 0)
    bench.machine.sendInterrupt(to: 0)
    #expect(bench.exportState(73).rax == Self.resumable)
    #expect(bench.module.migInterruptedCount == 0)
    #expect(bench.exportState(73, resume: true).rax == 0)
  }

  @Test("Only an LP that exists gets an interrupt, and only it is interrupted")
  func lps() throws {
    var bench = try Bench.migrating()
    bench.machine.sendInterrupt(to: -1)
    bench.machine.sendInterrupt(to: 4)
    #expect(bench.machine.pendingInterrupts.isEmpty)
    bench.machine.sendInterrupt(to: 3)
    #expect(bench.exportState(72, on: 0).rax == 0)
    #expect(bench.machine.pendingInterrupts == [3])
  }

  @Test("Write-blocking export is remembered across updates from handoff version 2 on")
  func writeBlocking() throws {
    var bench = try Bench.migrating()
    #expect(bench.module.state?.handoff.writeBlockingExport == .notUsed)
    #expect(try bench.update(to: .init(1, 5, 34)) == 0)
    #expect(bench.module.state?.handoff.writeBlockingExport == .notUsed)
    #expect(bench.exportState(72).rax == 0)
    #expect(try bench.update(to: .init(1, 5, 34)) == 0)
    #expect(bench.module.state?.handoff.writeBlockingExport == .used)
    #expect(bench.call(52, rcx: 2).rax == 0)
    try bench.load(.init(1, 5, 34), keepingHandoff: true)
    bench.initializeLPs()
    // Non-blocking export can be chosen no more.
    #expect(bench.call(53, version: 1, r9: 1 << 41).rax == 0xC000_0100_0000_0009)
    #expect(bench.call(53).rax == 0)
  }
}
