import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// A guest whose memory the host builds, gives, blocks and takes, leaf by leaf, with an update in the middle.
@Suite("A guest and its host", .timeLimit(.minutes(20)))
struct GuestStoryTests {
  private let tdr = Bench.tdr
  private let tdvpr = Bench.tdvpr
  private let page = Bench.free

  /// A TD with one measured page at 0x1000, which runs.
  private func built(_ version: ModuleVersion) throws -> Bench {
    var bench = try Bench.withTD(version)
    #expect(bench.addPage(gpa: 0x1000, page: page).rax == 0)
    bench.extendPage(gpa: 0x1000)
    bench.createVCPU()
    #expect(bench.call(22, rcx: tdvpr, rdx: 0).rax == 0)
    #expect(bench.call(17, rcx: tdr).rax == 0)
    return bench
  }

  /// TDH.MEM.RANGE.BLOCK and TRACK, and the vCPU entered so that its LP forgets.
  private func block(_ bench: inout Bench, _ place: UInt64) {
    #expect(bench.call(7, rcx: place, rdx: tdr).rax == 0)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    bench.enter()
  }

  @Test("What was added is there, what was augmented is the guest's after ACCEPT, and both live through an update")
  func life() throws {
    var bench = try built(.init(1, 5, 24))
    bench.enter([.read(gpa: 0x1010, count: 4), .write(gpa: 0x1FFE, bytes: [9, 9])])
    #expect(bench.outcomes() == [.bytes([0x10, 0x11, 0x12, 0x13]), .written])
    // The host sees nothing of it.
    #expect(bench.machine.memory.hostRead(page, count: 4096).allSatisfy { $0 == 0 })

    // A page that is not there, then one that is pending, then the guest's.
    #expect(bench.enter([.tdcall(Registers(rax: 6, rcx: 0x2000))]).rax == 48)
    #expect(bench.call(6, rcx: 0x2000, rdx: tdr, r8: page + 4096).rax == 0)
    #expect(bench.enter([.write(gpa: 0x2000, bytes: [1, 2, 3])]).rax == 1)
    #expect(bench.outcomes() == [.registers(Registers(rax: 0, rcx: 0x2000)), .written])

    try bench.update(to: .init(1, 5, 34))
    #expect(bench.enter([.read(gpa: 0x1FFE, count: 5), .tdcall(Registers(rax: 4, rcx: 0x2400, rdx: 0x2000))]).rax == 1)
    #expect(bench.outcomes() == [.bytes([9, 9, 1, 2, 3]), .registers(Registers(rax: 0, rcx: 0x2400, rdx: 0x2000))])
    bench.enter([.read(gpa: 0x2400 + 528, count: 48)])
    guard case .bytes(let mrtd)? = bench.outcomes().last else {
      Issue.record("no MRTD")
      return
    }
    #expect(
      mrtd.hexadecimal
        == "15a8464628b6214951c4a1b57775507dd950263654e8790e257995b45013c84aba1d87a3bcbc1929b5f7db6d3e92cad6")
    #expect(bench.module.inconsistencies == [])
  }

  @Test("A blocked page, and a page under a blocked table, is out of reach; a removed one comes back empty")
  func taken() throws {
    var bench = try built(.init(1, 5, 34))
    bench.enter([.read(gpa: 0x1000, count: 2)])
    #expect(bench.outcomes() == [.bytes([0, 1])])

    block(&bench, 0x1000)
    let blocked = bench.enter([.read(gpa: 0x1000, count: 2)])
    #expect(blocked == Registers(rax: 48, rcx: 1, rdx: 0, r8: 0x1000))
    #expect(bench.call(39, rcx: 0x1000, rdx: tdr).rax == 0)
    #expect(bench.enter().rax == 1)
    #expect(bench.outcomes() == [.bytes([0, 1])])

    block(&bench, 1)
    #expect(bench.enter([.read(gpa: 0x1000, count: 2)]).rax == 48)
    #expect(bench.enter([]).r8 == 0x1000)
    #expect(bench.call(39, rcx: 1, rdx: tdr).rax == 0)
    #expect(bench.enter().rax == 1)
    #expect(bench.outcomes() == [.bytes([0, 1])])

    block(&bench, 0x1000)
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rax == 0)
    #expect(bench.enter([.write(gpa: 0x1000, bytes: [7])]).rax == 48)
    #expect(bench.call(6, rcx: 0x1000, rdx: tdr, r8: page).rax == 0)
    // Pending now: the guest gets a #VE, takes the page, and finds zeros.
    #expect(bench.enter([.tdcall(Registers(rax: 6, rcx: 0x1000)), .read(gpa: 0x1000, count: 2)]).rax == 1)
    #expect(
      bench.outcomes() == [
        .virtualizationException(reason: 48, gpa: 0x1000), .registers(Registers(rax: 0, rcx: 0x1000)), .bytes([0, 0]),
      ])
    #expect(bench.module.inconsistencies == [])
  }

  @Test("A page of 2 MiB is taken as a whole, and split under the guest's feet")
  func large() throws {
    var bench = try built(.init(1, 5, 34))
    #expect(bench.call(6, rcx: 0x20_0001, rdx: tdr, r8: page + 0x20_0000).rax == 0)
    #expect(bench.tdcall(6, rcx: 0x20_0000) == nil)
    #expect(bench.tdcall(6, rcx: 0x20_0001)?.rax == 0)
    bench.enter([.write(gpa: 0x20_FFFF, bytes: [5, 6])])
    block(&bench, 0x20_0001)
    #expect(bench.call(15, rcx: 0x20_0001, rdx: tdr, r8: page + 0x40_0000).rax == 0)
    #expect(bench.enter([.read(gpa: 0x20_FFFF, count: 2)]).rax == 1)
    #expect(bench.outcomes().last == .bytes([5, 6]))
    #expect(bench.tdcall(6, rcx: 0x20_0001)?.rax == 0xC000_0B0B_0000_0001)
    #expect(bench.module.inconsistencies == [])
  }

  @Test("An entry that the host holds is busy for ACCEPT")
  func busy() throws {
    var bench = try built(.init(1, 5, 34))
    #expect(bench.call(6, rcx: 0x2000, rdx: tdr, r8: page + 4096).rax == 0)
    bench.module.locks.septEntries[tdr] = [0x2000]
    #expect(bench.tdcall(6, rcx: 0x2000)?.rax == 0x8000_0200_0000_0001)
    bench.module.locks.septEntries = [:]
    #expect(bench.tdcall(6, rcx: 0x2000)?.rax == 0)
  }

  @Test("Data that contradict themselves are found")
  func contradictions() throws {
    var bench = try built(.init(1, 5, 34))
    #expect(bench.module.inconsistencies == [])
    let other: UInt64 = 0x180_0000
    bench.createTD(other, hkid: 66)
    bench.initTD(other)
    #expect(bench.module.inconsistencies == [])
    let good = bench.module
    // One page in two TDs.
    bench.module.tds[other]?.sept[0x5000, 0] = SEPTEntry(state: .mapped, hpa: page)
    #expect(bench.module.inconsistencies.contains { $0.contains("belongs to the TDs at") })
    bench.module = good
    bench.module.pamt[page] = nil
    #expect(bench.module.inconsistencies.count == 2)
    bench.module = good
    bench.module.tds[tdr]?.childCount += 1
    #expect(bench.module.inconsistencies.count == 1)
    bench.module = good
    bench.module.tds[tdr]?.sept[0x1000, 0] = nil
    #expect(bench.module.inconsistencies.count == 1)
    bench.module = good
    bench.module.state?.handoff.kot[65] = KOTEntry()
    #expect(bench.module.inconsistencies.count == 1)
    let inspected = good.inspectedTDs
    #expect(inspected.map(\.tdr) == [tdr, other] && inspected.map(\.keyID) == [65, 66])
    #expect(inspected[0].vcpus == [tdvpr] && inspected[0].mappedPages == 1 && inspected[0].opState == .runnable)
    #expect(inspected.allSatisfy { $0.ownedPages == $0.childCount && $0.holdsKeyID && !$0.isFatal })
  }

  @Test("64 MiB can be taken page by page")
  func manyPages() throws {
    var bench = try built(.init(1, 5, 34))
    // 32 tables of 2 MiB each, and 16384 pages, put there by hand.
    for table: UInt64 in 1...32 {
      bench.module.tds[tdr]?.sept[table << 21, 1] = SEPTEntry(state: .nonLeafMapped, hpa: 0)
      for index: UInt64 in 0..<512 {
        let gpa = table << 21 | index << 12
        bench.module.tds[tdr]?.sept[gpa, 0] = SEPTEntry(state: .pending, hpa: 0x1000_0000 + gpa)
      }
    }
    var left = (0..<16384).map { GuestStep.tdcall(Registers(rax: 6, rcx: 0x20_0000 + 4096 * UInt64($0))) }
    while !left.isEmpty {
      bench.enter(Array(left.prefix(4096)))
      left.removeFirst(min(4096, left.count))
    }
    let seen = bench.outcomes()
    #expect(seen.count == 16384)
    #expect(seen.allSatisfy { if case .registers(let registers) = $0 { registers.rax == 0 } else { false } })
  }
}
