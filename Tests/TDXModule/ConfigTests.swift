import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TDH.SYS.CONFIG refuses (tdx-module.md 3.5).
@Suite("CONFIG", .timeLimit(.minutes(20)))
struct ConfigTests {
  private static let gib: UInt64 = 1 << 30
  private static let mib: UInt64 = 1 << 20

  private func initialized(_ version: ModuleVersion = .init(1, 5, 34)) throws -> Bench {
    var bench = try Bench(version)
    bench.initializeLPs()
    bench.writeTDMRs([Bench.tdmr()])
    return bench
  }

  @Test(
    "Register operands",
    arguments: [
      (256, 1, 64, 0, 0, 1), (16 << 30, 1, 64, 0, 0, 1), (1 << 52, 1, 64, 0, 0, 1), (64 << 41, 1, 64, 0, 0, 1),
      (0x10_0000, 0, 64, 0, 0, 2), (0x10_0000, 65, 64, 0, 0, 2), (0x10_0000, .max, 64, 0, 0, 2),
      (0x10_0000, 1, 0, 0, 0, 8), (0x10_0000, 1, 63, 0, 0, 8), (0x10_0000, 1, 2048, 0, 0, 8),
      (0x10_0000, 1, 64 | 1 << 17, 0, 0, 8), (0x10_0000, 1, 64 | 1 << 63, 0, 0, 8),
      (0x10_0000, 1, 64, 1 << 53, 0, 9), (0x10_0000, 1, 64, 0, 1, 10),
    ] as [(UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)])
  func operands(rcx: UInt64, rdx: UInt64, r8: UInt64, r9: UInt64, r10: UInt64, operand: UInt64) throws {
    var bench = try initialized()
    #expect(
      bench.call(45, version: 1, rcx: rcx, rdx: rdx, r8: r8, r9: r9, r10: r10).rax == 0xC000_0100_0000_0000 + operand)
    #expect(bench.module.sysState == .initDone)
    #expect(bench.call(45, rcx: Bench.array, rdx: 1, r8: 64, r9: .max, r10: .max).rax == 0)
  }

  @Test("A pointer in the array that is not a shared 512-byte-aligned address is RCX")
  func pointer() throws {
    for bad: UInt64 in [Bench.array + 8, 16 << 30, 64 << 41] {
      var bench = try initialized()
      bench.machine.memory.write(bad.littleEndianBytes, at: Bench.array)
      #expect(bench.call(45, rcx: Bench.array, rdx: 1, r8: 64).rax == 0xC000_0100_0000_0001)
    }
  }

  @Test("The array and the structures may lie under an MKTME KeyID")
  func mktme() throws {
    var bench = try initialized()
    #expect(bench.call(45, rcx: Bench.array | 63 << 41, rdx: 1, r8: 64).rax == 0)
  }

  @Test("Dynamic PAMT needs its feature, and one bit a page is enough then")
  func dynamicPAMT() throws {
    var old = try initialized(.init(1, 5, 16))
    #expect(old.call(45, rcx: Bench.array, rdx: 1, r8: 64 | 1 << 16).rax == 0xC000_0100_0000_0008)
    var tdmr = Bench.tdmr()
    tdmr[7] = 32 << 10
    var bench = try initialized()
    bench.writeTDMRs([tdmr])
    #expect(bench.call(45, rcx: Bench.array, rdx: 1, r8: 64).rax == 0xC000_0A10_0000_0000)
    #expect(bench.call(45, rcx: Bench.array, rdx: 1, r8: 64 | 1 << 16).rax == 0)
    tdmr[7] = 28 << 10
    var small = try initialized()
    small.writeTDMRs([tdmr])
    #expect(small.call(45, rcx: Bench.array, rdx: 1, r8: 64 | 1 << 16).rax == 0xC000_0A10_0000_0000)
  }

  @Test("Version 1, R9 bit 47, is the opt-in to refusing a build of another crypto library")
  func optIn() throws {
    var bench = try initialized()
    #expect(bench.call(45, version: 1, rcx: Bench.array, rdx: 1, r8: 64, r9: 1 << 47).rax == 0)
    #expect(bench.module.updateCompatibility)
  }

  /// A change of one word of the one TDMR_INFO, or a whole list, and the answer.
  struct Case: Sendable, CustomTestStringConvertible {
    let what: String
    let tdmrs: [[UInt64]]
    let status: UInt64
    var testDescription: String { what }

    init(_ what: String, _ status: UInt64, _ changes: [Int: UInt64]) {
      var tdmr = Bench.tdmr() + [UInt64](repeating: 0, count: 30)
      for (index, value) in changes { tdmr[index] = value }
      self.what = what
      tdmrs = [tdmr]
      self.status = status << 32
    }

    init(_ what: String, _ status: UInt64, details: UInt64 = 0, tdmrs: [[UInt64]]) {
      self.what = what
      self.tdmrs = tdmrs
      self.status = status << 32 | details
    }

    func with(details: UInt64) -> Case { Case(what, status >> 32, details: details, tdmrs: tdmrs) }
  }

  /// Area of ``Bench/tdmr(base:gib:)`` at the end of the TDMR, and where its three PAMTs begin.
  private static let area: UInt64 = 4 * mib + 12_288
  private static let start = gib - area
  private static let other = 2 * gib

  static let cases: [Case] = [
    Case("size 0", 0xC000_0A00, [1: 0]),
    Case("size no multiple of 1 GiB", 0xC000_0A00, [1: gib + 4096]),
    Case("base no multiple of 1 GiB", 0xC000_0A00, [0: 4096]),
    Case("base and size overflow", 0xC000_0A00, [0: .max << 30, 1: 2 * gib]),
    Case("base above MAXPA", 0xC000_0A00, [0: 1 << 52]),
    Case("base with KeyID bits", 0xC000_0A00, [0: 1 << 41]),
    Case("end with KeyID bits", 0xC000_0A00, [0: (1 << 41) - gib, 1: 2 * gib]),
    Case("descending", 0xC000_0A01, details: 1, tdmrs: [Bench.tdmr(base: 1), Bench.tdmr()]),
    Case("overlapping", 0xC000_0A01, details: 1, tdmrs: [Bench.tdmr(gib: 2), Bench.tdmr(base: 1)]),
    Case("the same twice", 0xC000_0A01, details: 1, tdmrs: [Bench.tdmr(), Bench.tdmr()]),
    Case("reserved area unaligned", 0xC000_0A20, [8: 2048, 9: 4096]),
    Case("reserved size unaligned", 0xC000_0A20, [8: 0, 9: 4097]),
    Case("reserved area overflows", 0xC000_0A20, [8: .max - 4095, 9: 8192]),
    Case("reserved area behind the TDMR", 0xC000_0A20, [8: gib - 4096, 9: 8192]),
    Case("second reserved area behind the TDMR", 0xC000_0A20, [10: gib, 11: 4096]).with(details: 1 << 8),
    Case("reserved areas descending", 0xC000_0A21, [10: 0, 11: 4096]).with(details: 1 << 8),
    Case("reserved areas overlap", 0xC000_0A21, [10: gib - 4096, 11: 4096]).with(details: 1 << 8),
    Case("null reserved area before another", 0xC000_0A21, [12: 0, 13: 4096]).with(details: 1 << 8),
    Case("PAMT_1G unaligned", 0xC000_0A10, [2: gib - 4095]).with(details: 2 << 8),
    Case("PAMT_1G too small", 0xC000_0A10, [3: 0]).with(details: 2 << 8),
    Case("PAMT_2M size unaligned", 0xC000_0A10, [5: 8193]).with(details: 1 << 8),
    Case("PAMT_2M too small", 0xC000_0A10, [5: 4096]).with(details: 1 << 8),
    Case("PAMT_4K too small", 0xC000_0A10, [7: 4 * mib - 4096]),
    Case("PAMT_4K above MAXPA", 0xC000_0A10, [6: 1 << 52]),
    Case("PAMT_4K with KeyID bits", 0xC000_0A10, [6: 1 << 41]),
    Case("PAMT_4K overflows", 0xC000_0A10, [6: .max - 4095, 7: 8 * mib]),
    Case("PAMT_4K outside the CMRs", 0xC000_0A11, [6: 16 * gib, 7: 4 * mib]),
    Case("PAMT_2M outside the CMRs", 0xC000_0A11, [4: 17 * gib]).with(details: 1 << 8),
    Case("PAMT_1G outside the CMRs", 0xC000_0A11, [2: 16 * gib - 4096, 3: 8192]).with(details: 2 << 8),
    Case("PAMT_2M in PAMT_4K of its own", 0xC000_0A12, [4: start]),
    Case("PAMT_1G in PAMT_2M of its own", 0xC000_0A12, [2: start + 4 * mib]).with(details: 1 << 8),
    Case("PAMT_4K in its own unreserved memory", 0xC000_0A12, [6: 0]),
    Case("PAMT_1G in its own unreserved memory", 0xC000_0A12, [2: 0]).with(details: 2 << 8),
    Case(
      "PAMT_2M in the unreserved memory of the TDMR before", 0xC000_0A12, details: 1 | 1 << 8,
      tdmrs: [Bench.tdmr(), replacing(Bench.tdmr(base: 2), 4, 4096)]),
    Case(
      "PAMT_1G of the TDMR before in unreserved memory", 0xC000_0A12, details: 0 | 2 << 8 | 1 << 16,
      tdmrs: [replacing(Bench.tdmr(), 2, 2 * gib), Bench.tdmr(base: 2)]),
    Case(
      "PAMT_1G in a PAMT of the TDMR before", 0xC000_0A12, details: 1 | 2 << 8,
      tdmrs: [Bench.tdmr(), replacing(Bench.tdmr(base: 2), 2, start)]),
    Case("TDMR outside the CMRs", 0xC000_0A02, tdmrs: [replacing(Bench.tdmr(base: 16), fill: Bench.tdmr(base: 2))]),
    Case(
      "second TDMR outside the CMRs", 0xC000_0A02, details: 1,
      tdmrs: [Bench.tdmr(), replacing(Bench.tdmr(base: 20), fill: Bench.tdmr(base: 2))]),
  ]

  private static func replacing(_ tdmr: [UInt64], _ index: Int, _ value: UInt64) -> [UInt64] {
    var tdmr = tdmr
    tdmr[index] = value
    return tdmr
  }

  /// `tdmr` with the PAMTs of another place, which is in no TDMR.
  private static func replacing(_ tdmr: [UInt64], fill: [UInt64]) -> [UInt64] {
    Array(tdmr.prefix(2)) + fill[2..<8] + [0, 0]
  }

  @Test("What is wrong with a TDMR_INFO", arguments: cases)
  func refused(test: Case) throws {
    var bench = try initialized()
    bench.writeTDMRs(test.tdmrs)
    let answer = bench.call(45, rcx: Bench.array, rdx: UInt64(test.tdmrs.count), r8: 64)
    #expect(answer.rax == test.status, "\(answer.status) \(bench.module.lastDiagnostic ?? "")")
    #expect(bench.module.sysState == .initDone)
    #expect(bench.module.lastDiagnostic != nil)
  }

  @Test("PAMTs may lie in the reserved areas of any TDMR, and adjacent CMRs count as one")
  func allowed() throws {
    var bench = try initialized()
    bench.patchSysInfo(
      UInt64(0).littleEndianBytes + (1 << 29 as UInt64).littleEndianBytes + (1 << 29 as UInt64).littleEndianBytes
        + (15 << 30 as UInt64).littleEndianBytes, at: 128)
    var second = Bench.tdmr(base: 2)
    var first = Bench.tdmr()
    first[8] -= 4096
    first[9] += 4096
    second[2] = first[6] - 4096
    bench.writeTDMRs([first, second])
    #expect(bench.call(45, rcx: Bench.array, rdx: 2, r8: 64).rax == 0)
    #expect(bench.module.tdmrs.map(\.base) == [0, 2 << 30])
  }

  @Test("64 TDMRs are accepted")
  func sixtyFour() throws {
    var bench = try Bench(memoryGiB: 64)
    bench.initializeLPs()
    bench.writeTDMRs((0..<64).map { Bench.tdmr(base: $0) })
    #expect(bench.call(45, rcx: Bench.array, rdx: 64, r8: 64).rax == 0)
    #expect(bench.module.tdmrs.count == 64)
  }

  @Test("A KeyID that CONFIG took is not given back when a TDMR is wrong")
  func keyIDStaysTaken() throws {
    var bench = try initialized()
    bench.writeTDMRs([[4096]])
    #expect(bench.call(45, rcx: Bench.array, rdx: 1, r8: 70).rax == 0xC000_0A00_0000_0000)
    bench.configure(initializedGiB: 1)
    #expect(bench.call(9, rcx: 0x1000, rdx: 70).rax == 0xC000_0820_0000_0000)
    #expect(bench.call(9, rcx: 0x1000, rdx: 64).rax == 0xC000_0820_0000_0000)
    #expect(bench.call(9, rcx: 0x1000, rdx: 71).rax != 0xC000_0820_0000_0000)
  }
}
