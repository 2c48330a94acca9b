import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Memory that belongs to a TD is the TD's alone.
@Suite("Private memory", .timeLimit(.minutes(20)))
struct PrivateMemoryTests {
  private let tdr = Bench.tdr

  @Test(
    "The host reads zeros where a TD's page is, and its writes are lost; after the page is given back it is the host's")
  func host() throws {
    var bench = try Bench.withTD()
    #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
    bench.machine.memory.write([1, 2, 3, 4], at: Bench.free - 4)
    #expect(bench.machine.memory.read(Bench.free, count: 4) == [0, 1, 2, 3])
    #expect(bench.machine.memory.hostRead(Bench.free - 4, count: 12) == [1, 2, 3, 4] + [UInt8](repeating: 0, count: 8))
    bench.machine.memory.hostWrite([UInt8](repeating: 9, count: 8), at: Bench.free - 4)
    #expect(bench.machine.memory.read(Bench.free - 4, count: 6) == [9, 9, 9, 9, 0, 1])
    // TDR, TDCX and tables too.
    for page in [tdr, tdr + 4096, 0x300_0000] {
      bench.machine.memory.hostWrite([7], at: page)
      #expect(bench.machine.memory.hostRead(page, count: 1) == [0])
    }
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rcx == Bench.free)
    bench.machine.memory.hostWrite([5], at: Bench.free)
    #expect(bench.machine.memory.hostRead(Bench.free, count: 2) == [5, 0])
  }

  @Test("A page is added as the host sees its source: another TD's page is zeros")
  func source() throws {
    var bench = try Bench.withTD()
    #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
    // The source goes on being the host's, and what is written to it later is not the TD's.
    bench.machine.memory.write([0xFF], at: Bench.shared + 5)
    #expect(bench.machine.memory.read(Bench.free + 4, count: 3) == [4, 5, 6])
    #expect(bench.machine.memory.page(at: Bench.free)?.keyID == 65)
    #expect(bench.call(2, rcx: 0x2000, rdx: tdr, r8: Bench.free + 4096, r9: Bench.free).rax == 0)
    #expect(bench.machine.memory.read(Bench.free + 4096, count: 4096) == [UInt8](repeating: 0, count: 4096))
    // Memory that nobody ever wrote.
    #expect(bench.call(2, rcx: 0x3000, rdx: tdr, r8: Bench.free + 8192, r9: 0x800_0000).rax == 0)
    #expect(bench.machine.memory.page(at: Bench.free + 8192)?.keyID == 65)
  }

  @Test("An augmented page keeps the host's bytes until the guest accepts it, and the host sees them")
  func augmented() throws {
    var bench = try Bench.withTD()
    bench.machine.memory.write([1], at: Bench.free)
    #expect(bench.call(6, rcx: 0x1000, rdx: tdr, r8: Bench.free).rax == 0)
    bench.machine.memory.hostWrite([2], at: Bench.free)
    #expect(bench.machine.memory.hostRead(Bench.free, count: 1) == [2])
    #expect(bench.call(29, rcx: 0x1000, rdx: tdr).rax == 0)
    #expect(bench.machine.memory.hostRead(Bench.free, count: 1) == [2])
  }

  @Test("A page that moves takes its bytes along; one that is PENDING has none")
  func relocated() throws {
    var bench = try Bench.withTD()
    #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
    #expect(bench.call(5, rcx: 0x1000, rdx: tdr, r8: Bench.free + 4096).rcx == Bench.free)
    #expect(bench.machine.memory.read(Bench.free + 4096, count: 3) == [0, 1, 2])
    #expect(bench.machine.memory.hostRead(Bench.free + 4096, count: 3) == [0, 0, 0])
    #expect(bench.machine.memory.page(at: Bench.free) == nil)
    #expect(bench.call(24, rcx: Bench.free).rcx == 0)
    #expect(bench.module.tds[tdr]?.childCount == 9 + 3 + 1)
  }

  @Test("The host reads and writes the memory of a DEBUG TD eight bytes at a time")
  func debug() throws {
    var bench = try Bench.withTD(.init(1, 5, 34), Bench.parameters { $0[0] = 1 })
    #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
    #expect(bench.call(6, rcx: 0x2000, rdx: tdr, r8: Bench.free + 4096).rax == 0)
    let read = bench.call(12, rcx: 0x1008, rdx: tdr, r8: 1)
    #expect(read.rax == 0 && read.r8 == 0x0F0E_0D0C_0B0A_0908 && read.rcx == 0 && read.rdx == 0)
    let written = bench.call(14, rcx: 0x1FF8, rdx: tdr, r8: 0x1122_3344_5566_7788)
    #expect(written.rax == 0 && written.r8 == 0xFFFE_FDFC_FBFA_F9F8)
    #expect(bench.call(12, rcx: 0x1FF8, rdx: tdr).r8 == 0x1122_3344_5566_7788)
    #expect(bench.machine.memory.page(at: Bench.free)?.keyID == 65)
    for leaf: UInt64 in [12, 14] {
      let pending = bench.call(leaf, rcx: 0x2000, rdx: tdr, r8: 3)
      #expect(pending.rax == 0xC000_0B03_0000_0001 && pending.rdx == 2 << 8 && pending.r8 == 0)
    }
    // Blocked for writing: it can be read.
    bench.module.tds[tdr]?.sept[0x1000, 0]?.state = .blockedW
    #expect(bench.call(12, rcx: 0x1000, rdx: tdr).rax == 0)
    let blocked = bench.call(14, rcx: 0x1000, rdx: tdr)
    #expect(blocked.rax == 0xC000_0B0D_0000_0001 && blocked.rdx == 8 << 8)
  }

  @Test("A write into a page of 2 MiB finds its place")
  func largeDebugPage() throws {
    var bench = try Bench.withTD(.init(1, 5, 34), tables: false, Bench.parameters { $0[0] = 1 })
    bench.addTables(gpa: 0, down: 2)
    #expect(bench.call(6, rcx: 0x20_0001, rdx: tdr, r8: Bench.free).rax == 0)
    bench.module.tds[tdr]?.sept[0x20_0000, 1]?.state = .mapped
    #expect(bench.call(14, rcx: 0x31_2340, rdx: tdr, r8: 0xABCD).rax == 0)
    #expect(bench.machine.memory.read(Bench.free + 0x11_2340, count: 2) == [0xCD, 0xAB])
    #expect(bench.machine.memory.hostRead(Bench.free + 0x11_2340, count: 2) == [0, 0])
  }
}
