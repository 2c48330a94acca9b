import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// A TD's memory from the first table to the last page that is given back (tdx-module.md 6.2, 6.6, 6.8).
@Suite("Memory of TDs", .timeLimit(.minutes(20)))
struct TDMemoryTests {
  private let tdr = Bench.tdr

  @Test("A TD gets its memory, runs, loses a page, is torn down, and everything is the host's again")
  func life() throws {
    var bench = try Bench.withTD()
    let before = try #require(bench.module.tds[tdr]?.childCount)
    #expect(before == 9 + 3)
    #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
    #expect(bench.septState(0x1000) == .mapped)
    #expect(bench.module.tds[tdr]?.childCount == before + 1)
    #expect(bench.call(24, rcx: Bench.free).rcx == 3)
    #expect(bench.call(24, rcx: Bench.free).rdx == tdr)
    #expect(bench.finalize().rax == 0)

    // Memory is added while it runs, and taken away again.
    #expect(bench.call(6, rcx: 0x2000, rdx: tdr, r8: Bench.free + 4096).rax == 0)
    #expect(bench.septState(0x2000) == .pending)
    #expect(bench.call(29, rcx: 0x2000, rdx: tdr).rax == 0xC000_0B06_0000_0001)
    #expect(bench.call(7, rcx: 0x2000, rdx: tdr).rax == 0)
    #expect(bench.call(29, rcx: 0x2000, rdx: tdr).rax == 0xC000_0B08_0000_0001)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    let removed = bench.call(29, rcx: 0x2000, rdx: tdr)
    #expect(removed.rax == 0 && removed.rcx == Bench.free + 4096)
    #expect(bench.septState(0x2000) == .free)
    #expect(bench.call(24, rcx: Bench.free + 4096).rcx == 0)

    // Teardown.
    #expect(bench.call(28, rcx: Bench.free).rax == 0xC000_0607_0000_0000)
    #expect(bench.call(19, rcx: tdr).rax == 0)
    #expect(bench.call(40).rax == 0)
    #expect(bench.call(20, rcx: tdr).rax == 0)
    let busy = bench.call(28, rcx: tdr)
    #expect(busy.rax == 0xC000_0400_0000_0000 && busy.rcx == 4)
    for (address, entry) in bench.module.pamt.assigned where address != tdr {
      let answer = bench.call(28, rcx: address)
      #expect(answer.rax == 0 && answer.rcx == UInt64(entry.type.rawValue) && answer.rdx == tdr)
    }
    #expect(bench.module.tds[tdr]?.childCount == 0)
    #expect(bench.call(28, rcx: tdr).rax == 0)
    #expect(bench.module.tds.isEmpty)
    #expect(bench.module.pamt.assigned.isEmpty)
  }

  @Test("A table goes when it is empty, blocked and tracked")
  func tables() throws {
    var bench = try Bench.withTD()
    #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
    #expect(bench.call(30, rcx: 1, rdx: tdr).rax == 0xC000_0B0E_0000_0001)
    #expect(bench.finalize().rax == 0)
    #expect(bench.call(7, rcx: 0x1000, rdx: tdr).rax == 0)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rax == 0)
    #expect(bench.call(30, rcx: 1, rdx: tdr).rax == 0xC000_0B06_0000_0001)
    #expect(bench.call(7, rcx: 1, rdx: tdr).rax == 0)
    #expect(bench.call(30, rcx: 1, rdx: tdr).rax == 0xC000_0B08_0000_0001)
    #expect(bench.call(38, rcx: tdr).rax == 0)
    let removed = bench.call(30, rcx: 1, rdx: tdr)
    #expect(removed.rax == 0 && removed.rcx == 0x300_2000)
    #expect(bench.septState(1) == .free)
  }
}
