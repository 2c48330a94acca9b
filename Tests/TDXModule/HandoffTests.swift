import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// The handoff buffer byte for byte (tdx-module.md 4.2, pseamldr.md 2.5).
@Suite("Handoff data", .timeLimit(.minutes(20)))
struct HandoffTests {
  /// A configured module with something to see in every field, shut down.
  private func handedOff(_ version: ModuleVersion, hv: UInt64) throws -> Bench {
    var bench = try Bench.ready(version, lps: 256)
    bench.call(36)
    bench.module.state?.handoff.kot[100] = KOTEntry(wbinvdBitmap: 0x0102_0304, stateByte: 2)
    bench.module.state?.handoff.wbt[1].interruptPoint = 0x1122_3344_5566_7788
    bench.module.state?.handoff.wbt[1].flushed = [100]
    bench.module.state?.handoff.dynamicPAMT = true
    bench.module.tdBuildCount = 0x0A0B
    bench.module.migInterruptedCount = 0x0C0D
    bench.module.state?.handoff.nonBlockingExport = true
    bench.module.state?.handoff.writeBlockingExport = .used
    #expect(bench.call(52, rcx: hv).rax == 0)
    return bench
  }

  @Test(
    "Header and size",
    arguments: [
      (.init(1, 5, 1), 0, 53_386), (.init(1, 5, 20), 0, 53_386), (.init(1, 5, 24), 1, 57_336),
      (.init(1, 5, 34), 2, 57_336), (.init(2, 0, 8), 0, 53_391), (.init(2, 0, 16), 1, 53_391),
      (.init(2, 0, 18), 2, 57_336),
    ] as [(ModuleVersion, UInt16, UInt32)])
  func header(version: ModuleVersion, hv: UInt16, size: UInt32) throws {
    let bench = try handedOff(version, hv: UInt64(hv))
    #expect(bench.dataRegion(0, count: 8) == [1, 0] + hv.littleEndianBytes + size.littleEndianBytes)
    // Nothing beyond the data.
    #expect(bench.dataRegion(UInt64(size) + 8, count: 4096).allSatisfy { $0 == 0 })
  }

  @Test("Every field where it belongs")
  func fields() throws {
    let bench = try handedOff(.init(1, 5, 34), hv: 2)
    // KOT: entries of 8 bytes.
    #expect(bench.dataRegion(0x8 + 64 * 8, count: 8) == [0, 0, 0, 0, 3, 0, 0, 0])
    #expect(bench.dataRegion(0x8 + 100 * 8, count: 8) == [4, 3, 2, 1, 2, 0, 0, 0])
    // WBT: entries of 2064 bytes.
    #expect(bench.dataRegion(0x4008 + 2064, count: 8) == [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11])
    #expect(bench.dataRegion(0x4008 + 2064 + 8 + 99, count: 3) == [0, 1, 0])
    // TDMR_TABLE: entries of 320 bytes.
    let tdmr = Bench.tdmr()
    let words: [UInt64] = [0, 1 << 30, 4 << 20, tdmr[2], tdmr[4], tdmr[6], 1 | 1 << 32, tdmr[8], tdmr[9], 0]
    #expect(bench.dataRegion(0x8088, count: 80) == words.flatMap(\.littleEndianBytes))
    #expect(bench.dataRegion(0x8088 + 80, count: 0x5000 - 80).allSatisfy { $0 == 0 })
    #expect(
      bench.dataRegion(0xD088, count: 17).hexadecimal == "01000000" + "4000" + "03000000" + "01" + "0b0a" + "0d0c"
        + "01"
        + "01")
    #expect(bench.dataRegion(0xD099, count: 0xE000 - 0xD099).allSatisfy { $0 == 0 })
  }

  @Test("HV0 of the 1.5 line ends before DYNAMIC_PAMT_ENABLED")
  func shortForm() throws {
    let bench = try handedOff(.init(1, 5, 16), hv: 0)
    #expect(bench.dataRegion(0xD088, count: 17).hexadecimal == "01000000" + "4000" + "03000000" + "00000000000000")
  }

  @Test("HV1 has the counters, and nothing of HV2")
  func counters() throws {
    for version in [ModuleVersion(1, 5, 28), ModuleVersion(2, 0, 16)] {
      let bench = try handedOff(version, hv: 1)
      #expect(bench.dataRegion(0xD092, count: 7).hexadecimal == "01" + "0b0a" + "0d0c" + "0000")
    }
  }

  /// Reads what `old` wrote.
  private func restored(_ old: ModuleVersion, hv: UInt64, by new: ModuleVersion) throws -> HandoffData? {
    var bench = try handedOff(old, hv: hv)
    try bench.load(new, keepingHandoff: true)
    bench.initializeLPs()
    #expect(bench.call(53).rax == 0)
    return bench.module.state?.handoff
  }

  @Test("From HV0: counters are zero, write-blocking export possibly used")
  func fromHV0() throws {
    for (old, new): (ModuleVersion, ModuleVersion) in [
      (.init(1, 5, 16), .init(1, 5, 34)), (.init(2, 0, 8), .init(2, 0, 18)),
    ] {
      let data = try restored(old, hv: 0, by: new)
      #expect(data?.tdBuildCount == 0 && data?.migInterruptedCount == 0)
      #expect(data?.nonBlockingExport == false && data?.writeBlockingExport == .possiblyUsed)
      #expect(data?.kot[100] == KOTEntry(wbinvdBitmap: 0x0102_0304, stateByte: 2))
      #expect(data?.wbt[1].flushed == [100] && data?.wbt[1].interruptPoint == 0x1122_3344_5566_7788)
      #expect(data?.packageBitmap == 3 && data?.hkid == 64)
    }
  }

  @Test("From HV1: the counters, but write-blocking export possibly used")
  func fromHV1() throws {
    let data = try restored(.init(1, 5, 28), hv: 1, by: .init(1, 5, 34))
    #expect(data?.tdBuildCount == 0x0A0B && data?.migInterruptedCount == 0x0C0D && data?.dynamicPAMT == true)
    #expect(data?.nonBlockingExport == false && data?.writeBlockingExport == .possiblyUsed)
  }

  @Test("From HV2: everything")
  func fromHV2() throws {
    for version in [ModuleVersion(1, 5, 34), ModuleVersion(2, 0, 18)] {
      let data = try restored(version, hv: 2, by: version)
      #expect(data?.nonBlockingExport == true && data?.writeBlockingExport == .used)
      #expect(data?.tdBuildCount == 0x0A0B)
    }
  }

  @Test("Data that do not fit the reserved pages stop the module")
  func tooSmall() throws {
    var bench = try Bench.ready()
    bench.module.state?.negotiation.numHandoffPages = 12
    let answer = bench.call(52, rcx: 2)
    #expect(answer.rax == 52)
    #expect(bench.module.isDead)
    #expect(!bench.machine.seamExtend.seamReady)
  }
}
