import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TLB tracking with vCPUs inside, cache write-back that is interrupted, and both across an update (tdx-module.md 4.1, 6.6, 6.8).
@Suite("Work in progress across updates", .timeLimit(.minutes(20)))
struct TrackingTests {
  private let tdr = Bench.tdr

  /// A finalised TD with one page at 0x1000.
  private func bench(_ version: ModuleVersion = .init(1, 5, 34), lps: Int = 4) throws -> Bench {
    var bench = try Bench.withTD(version, lps: lps)
    #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
    #expect(bench.finalize().rax == 0)
    return bench
  }

  /// A vCPU enters the TD in the current epoch; the result is the epoch, for ``leave(_:_:)``.
  private func enter(_ bench: inout Bench) throws -> UInt64 {
    let epoch = try #require(bench.module.tds[tdr]?.epoch)
    bench.module.tds[tdr]?.epochReaders[Int(epoch & 1)] += 1
    return epoch
  }

  private func leave(_ bench: inout Bench, _ epoch: UInt64) {
    bench.module.tds[tdr]?.epochReaders[Int(epoch & 1)] -= 1
  }

  @Test("A page goes when every vCPU that was inside when it was blocked has left")
  func readers() throws {
    var bench = try bench()
    let old = try enter(&bench)
    #expect(bench.call(7, rcx: 0x1000, rdx: tdr).rax == 0)
    #expect(bench.call(24, rcx: Bench.free).r9 == 1)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rax == 0xC000_0B08_0000_0001)
    // One that enters now has nothing of it.
    let new = try enter(&bench)
    #expect(bench.call(38, rcx: tdr).rax == 0x8000_0201_0000_0000)
    leave(&bench, old)
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rcx == Bench.free)
    // The epoch in which the page was blocked had no vCPU, so the next may begin, though not the one after it.
    #expect(bench.call(38, rcx: tdr).rax == 0)
    #expect(bench.call(38, rcx: tdr).rax == 0x8000_0201_0000_0000)
    leave(&bench, new)
    #expect(bench.call(38, rcx: tdr).rax == 0)
  }

  @Test("A vCPU that enters before the block is seen in the second epoch after it, too")
  func twoEpochs() throws {
    var bench = try bench()
    #expect(bench.call(7, rcx: 0x1000, rdx: tdr).rax == 0)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    _ = try enter(&bench)
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rax == 0)
  }

  @Test("Blocked before an update, tracked and removed after it", arguments: [0, 1, 2])
  func update(after: Int) throws {
    var bench = try bench(.init(1, 5, 28))
    func step(_ number: Int) throws {
      if after == number { try bench.update(to: .init(1, 5, 34)) }
    }
    #expect(bench.call(7, rcx: 0x1000, rdx: tdr).rax == 0)
    try step(0)
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rax == 0xC000_0B08_0000_0001)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    try step(1)
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rcx == Bench.free)
    #expect(bench.call(7, rcx: 1, rdx: tdr).rax == 0)
    try step(2)
    #expect(bench.call(30, rcx: 1, rdx: tdr).rax == 0xC000_0B08_0000_0001)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    #expect(bench.call(30, rcx: 1, rdx: tdr).rax == 0)
    #expect(bench.module.tds[tdr]?.epoch == 3)
  }

  @Test("A cache write-back that was interrupted goes on where it was, after an update too", arguments: [false, true])
  func cacheWriteBack(updates: Bool) throws {
    var bench = try bench(.init(1, 5, 28), lps: 256)
    #expect(bench.call(19, rcx: tdr).rax == 0)
    bench.module.conditions.checksBeforeInterrupt = 2
    bench.module.conditions.checksBetweenInterrupts = 1
    #expect(bench.call(40).rax == 0x8000_0003_0000_0000)
    #expect(bench.module.state?.handoff.wbt[0].interruptPoint == 3)
    // The other package has nothing to resume.
    #expect(bench.call(40, rcx: 1, on: 200).rax == 0xC000_0823_0000_0000)
    if updates { try bench.update(to: .init(1, 5, 34)) }
    #expect(bench.call(40, rcx: 1).rax == 0x8000_0003_0000_0000)
    #expect(bench.module.state?.handoff.wbt[0].interruptPoint == 5)
    #expect(bench.call(20, rcx: tdr).rax == 0x8000_0817_0000_0000)
    bench.module.conditions.checksBeforeInterrupt = nil
    #expect(bench.call(40, rcx: 1).rax == 0)
    #expect(bench.call(40, rcx: 1).rax == 0xC000_0823_0000_0000)
    #expect(bench.call(20, rcx: tdr).rax == 0x8000_0817_0000_0000)
    #expect(bench.call(40, on: 200).rax == 0)
    #expect(bench.call(20, rcx: tdr).rax == 0)
  }

  @Test("What became FLUSHED after a write-back began is not clean when it ends")
  func lateKeyID() throws {
    var bench = try bench()
    bench.createTD(0x180_0000, hkid: 66)
    #expect(bench.call(19, rcx: tdr).rax == 0)
    bench.module.conditions.checksBeforeInterrupt = 0
    #expect(bench.call(40).rax == 0x8000_0003_0000_0000)
    #expect(bench.call(19, rcx: 0x180_0000).rax == 0)
    #expect(bench.call(40, rcx: 1).rax == 0)
    #expect(bench.call(20, rcx: tdr).rax == 0)
    #expect(bench.call(20, rcx: 0x180_0000).rax == 0x8000_0817_0000_0000)
    // A new start forgets the interrupted one.
    bench.module.conditions.checksBeforeInterrupt = 0
    #expect(bench.call(40).rax == 0x8000_0003_0000_0000)
    #expect(bench.call(40).rax == 0)
    #expect(bench.call(40, rcx: 1).rax == 0xC000_0823_0000_0000)
    #expect(bench.call(20, rcx: 0x180_0000).rax == 0)
  }

  @Test("A TD is torn down to the last page by a newer module than the one that made it")
  func teardown() throws {
    var bench = try bench(.init(1, 5, 20))
    try bench.update(to: .init(1, 5, 34))
    bench.machine.guests[0x500_0000] = GuestProgram()
    bench.module.vcpus[0x500_0000] = VCPU(tdr: tdr, tdvpr: 0x500_0000)
    bench.module.assignPage(0x500_0000, .tdvpr, to: tdr, machine: &bench.machine)
    #expect(bench.call(19, rcx: tdr).rax == 0)
    #expect(bench.call(40).rax == 0)
    #expect(bench.call(20, rcx: tdr).rax == 0)
    for (address, _) in bench.module.pamt.assigned where address != tdr {
      #expect(bench.call(28, rcx: address).rax == 0)
    }
    #expect(bench.machine.guests.isEmpty && bench.module.vcpus.isEmpty)
    #expect(bench.call(28, rcx: tdr).rax == 0)
    #expect(bench.module.tds.isEmpty && bench.module.pamt.assigned.isEmpty)
    // Nothing of it is left in memory.
    #expect(!(0..<(1 << 18)).contains { bench.machine.memory.page(at: UInt64($0) << 12)?.isPrivate == true })
  }
}
