import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// What leaves on TDs answer while there is none: their first operand decides (tdx-module.md 1.0, 1.1).
@Suite("Operands of TD leaves", .timeLimit(.minutes(20)))
struct OperandTests {
  /// Leaf and the operand that must be a TDR or TDVPR.
  private static let table: [(leaf: UInt64, operand: UInt64)] =
    [0, 8, 11, 13, 17, 18, 19, 20, 21, 22, 26, 38, 43, 48, 49, 64, 70, 71, 72, 73, 74, 80, 81, 82, 84, 85, 86, 87, 97]
    .map { ($0, 1) }
    + [1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 15, 16, 23, 25, 29, 30, 39, 65, 66, 68, 75, 83, 92, 93, 94, 95, 96]
    .map { ($0, 2) }

  /// A ready module with 2 GiB in a TDMR, the first of them initialised.
  private static func bench(_ version: ModuleVersion = .init(1, 5, 34)) throws -> Bench {
    var bench = try Bench(version)
    bench.initializeLPs()
    bench.configure(gib: 2, initializedGiB: 1)
    return bench
  }

  @Test("Every leaf on a TD: alignment, KeyID, MAXPA, TDMR, progress, lock, page type")
  func everyLeaf() throws {
    var bench = try Self.bench()
    bench.module.locks.pages = [7]
    let cases: [(address: UInt64, status: UInt64)] = [
      (0x1800, 0xC000_0100), (1 << 41 | 0x1000, 0xC000_0100), (1 << 55 | 0x1000, 0xC000_0100),
      (8 << 30, 0xC000_0101), (1 << 30, 0xC000_0101), (0x7000, 0x8000_0200), (0x1000, 0xC000_0300),
    ]
    for (leaf, operand) in Self.table {
      for (address, status) in cases {
        let answer =
          operand == 1 ? bench.call(leaf, rcx: address, rdx: 0x2000) : bench.call(leaf, rcx: 0x3000, rdx: address)
        #expect(answer.rax == status << 32 | operand, "leaf \(leaf), \(String(address, radix: 16))")
      }
    }
    #expect(Self.table.count == 56)
  }

  @Test("A page of a reserved area is PT_RSVD")
  func reservedArea() throws {
    var bench = try Bench()
    bench.initializeLPs()
    bench.configure(gib: 1, initializedGiB: 1)
    let page = Bench.tdmr()[8]
    #expect(bench.call(9, rcx: page, rdx: 70).rax == 0xC000_0300_0000_0001)
    let metadata = bench.call(24, rcx: page)
    #expect(metadata.rax == 0 && metadata.rcx == 1)
    #expect(bench.call(24, rcx: page - 4096).rcx == 0)
    #expect(bench.call(28, rcx: page).rax == 0xC000_0300_0000_0001)
  }

  @Test("Flags in the operand are not part of the address")
  func flags() throws {
    var bench = try Self.bench()
    let incorrect: UInt64 = 0xC000_0300_0000_0000
    #expect(bench.call(0, rcx: 0x1000 | 3 << 52).rax == incorrect + 1)
    #expect(bench.call(0, rcx: 0x1000 | 1 << 54).rax == 0xC000_0100_0000_0001)
    #expect(bench.call(21, rcx: 0x1001).rax == incorrect + 1)
    #expect(bench.call(3, version: 0, rdx: 0x1001).rax == 0xC000_0100_0000_0002)
    #expect(bench.call(3, version: 1, rdx: 0x1001).rax == incorrect + 2)
    #expect(bench.call(15, rdx: 0x1001).rax == incorrect + 2)
  }

  @Test("CREATE: KeyID, page, KOT, in this order")
  func create() throws {
    var bench = try Self.bench()
    for keyID: UInt64 in [0, 63, 2048, 70 | 1 << 16, .max] {
      #expect(bench.call(9, rcx: 1, rdx: keyID).rax == 0xC000_0100_0000_0002)
    }
    #expect(bench.call(9, rcx: 1, rdx: 70).rax == 0xC000_0100_0000_0001)
    bench.module.locks.kot = .shared
    #expect(bench.call(9, rcx: 0x1000, rdx: 64).rax == 0x8000_0200_0000_00BA)
    bench.module.locks.kot = .free
    #expect(bench.call(9, rcx: 0x1000, rdx: 64).rax == 0xC000_0820_0000_0000)
    #expect(bench.call(9, rcx: 0x1000, rdx: 70).rax == 0)
  }

  @Test("Leaves that need no TD")
  func withoutTD() throws {
    var bench = try Self.bench()
    #expect(bench.call(27).rax == 0)
    #expect(bench.call(41, rcx: 0x1000 | 70 << 41).rax == 0)
    #expect(bench.call(41, rcx: 1 << 30).rax == 0xC000_0101_0000_0001)
    let metadata = bench.call(24, rcx: 0x1000, rdx: 1, r8: 2, r9: 3)
    #expect(metadata == Registers(rax: 0, rcx: 0, rdx: 0, r8: 0, r9: 0, r10: 0, r11: 0))
    #expect(bench.call(28, rcx: 0x1000).rax == 0xC000_0300_0000_0001)
    #expect(bench.call(28, rcx: 1 << 30).rax == 0xC000_0101_0000_0001)
  }

  @Test("CACHE.WB clears the bit of its package of every KeyID that is flushed")
  func cacheWB() throws {
    var bench = try Bench.ready(lps: 256)
    #expect(bench.call(40, rcx: 2).rax == 0xC000_0100_0000_0001)
    #expect(bench.call(40).rax == 0x0000_0821_0000_0000)
    #expect(bench.call(40, rcx: 1).rax == 0xC000_0823_0000_0000)
    bench.module.state?.handoff.kot[100] = KOTEntry(wbinvdBitmap: 3, stateByte: 2)
    bench.module.locks.packages = [1]
    #expect(bench.call(40, on: 200).rax == 0x8000_0200_0000_00BC)
    bench.module.locks.packages = []
    bench.module.locks.kot = .exclusive
    #expect(bench.call(40, on: 200).rax == 0x8000_0200_0000_00BA)
    bench.module.locks.kot = .shared
    #expect(bench.call(40, on: 200).rax == 0)
    #expect(bench.module.state?.handoff.kot[100].wbinvdBitmap == 1)
    #expect(bench.call(40, on: 0).rax == 0)
    #expect(bench.module.state?.handoff.kot[100].wbinvdBitmap == 0)
  }

  @Test("A TDMR initialised anew forgets its pages")
  func pamtBegins() {
    var pamt = PAMT()
    pamt[0x1000] = .init(type: .tdr)
    pamt[5 << 20] = .init(type: .tdr)
    pamt.initialize(0..<(4 << 20))
    #expect(pamt[0x1000] == nil)
    #expect(pamt[5 << 20]?.type == .tdr)
  }
}
