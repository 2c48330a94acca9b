import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TDH.SYS.SHUTDOWN and TDH.SYS.UPDATE (tdx-module.md 3.7, 3.8, 9, 11).
@Suite("Shutdown and update", .timeLimit(.minutes(20)))
struct UpdateTests {
  private static let flag: UInt64 = 1 << 16
  private static let success: UInt64 = 0
  private static let shutdown: UInt64 = 0xC000_0506_0000_0000
  private static let invalidRCX: UInt64 = 0xC000_0100_0000_0001
  private static let invalidHandoff: UInt64 = 0xC000_0509_0000_0000
  private static let stateIncorrect: UInt64 = 0xC000_0508_0000_0000

  /// 1.5.28, configured and half initialised, after SHUTDOWN; the next image is in place and its LPs are initialised.
  private func updating(
    from old: ModuleVersion = .init(1, 5, 28), to new: ModuleVersion = .init(1, 5, 34),
    change: (inout ModuleProgram) -> Void = { _ in }
  ) throws -> Bench {
    var bench = try Bench.ready(old)
    for _ in 0..<100 { bench.call(36) }
    let hv = bench.read(0x8900_0001_0000_0000) ?? 99
    #expect(bench.call(52, rcx: hv).rax == 0)
    try bench.load(new, keepingHandoff: true, change: change)
    bench.initializeLPs()
    return bench
  }

  @Test("(1) idle update 1.5.28 to 1.5.34")
  func idle() throws {
    var bench = try Bench.ready(.init(1, 5, 28), lps: 256)
    for _ in 0..<100 { bench.call(36) }
    #expect(bench.module.seamdbIndex == 0)
    let before = bench.module.state?.handoff
    #expect(bench.call(52, rcx: 1 | Self.flag).rax == 0)
    #expect(bench.module.sysState == .shutdown)
    try bench.load(.init(1, 5, 34), keepingHandoff: true)
    #expect(bench.call(36).rax == 0xC000_0505_0000_0000)
    bench.initializeLPs()
    // The live header (tdx-module.md 5.3).
    #expect(bench.read(0x8900_0000_0000_0004) == 1)
    #expect(bench.read(0x8900_0001_0000_0005) == 1)
    #expect(bench.read(0x8900_0002_0000_0006) == 57_336)
    #expect(bench.call(53, on: 3).rax == 0)
    #expect(bench.module.sysState == .ready)
    #expect(bench.read(0x8900_0000_0000_0004) == 0)
    #expect(bench.read(0x8900_0001_0000_0005) == 1)
    #expect(bench.read(0x8900_0002_0000_0006) == 0)
    #expect(bench.dataRegion(0, count: 8) == [0, 0, 1, 0, 0, 0, 0, 0])
    var after = bench.module.state?.handoff
    #expect(after?.writeBlockingExport == .possiblyUsed)
    after?.writeBlockingExport = .notUsed
    #expect(after == before)
    #expect(bench.module.seamdbIndex == 1)
    // TDMR.INIT goes on where it was: 156 calls are left of 256.
    for _ in 0..<156 { #expect(bench.call(36).rax == 0) }
    #expect(bench.call(36).rax == 0x0000_0A03_0000_0000)
    #expect(bench.read(0x0800_0001_0000_0005) == 34)
  }

  @Test("(5) a module that predates the flag refuses it and stays as it was")
  func oldModule() throws {
    var bench = try Bench.ready(.init(1, 5, 5))
    let answer = bench.call(52, rcx: Self.flag)
    #expect(answer.rax == Self.invalidRCX)
    #expect(
      bench.module.lastDiagnostic
        == "RCX bits 63:16 are not zero: module 1.5.05 (handoff versions 0...0) does not know AVOID_COMPAT_SENSITIVE")
    #expect(bench.module.sysState == .ready)
    #expect(bench.call(36).rax == 0)
    #expect(bench.call(52).rax == 0)
  }

  @Test("Which releases take the flag", arguments: releases)
  func flagByRelease(version: ModuleVersion) throws {
    let knows: Set<String> = ["1.5.24", "1.5.25", "1.5.28", "1.5.34", "2.0.14", "2.0.16", "2.0.18"]
    let hv: [String: UInt64] = [
      "1.5.24": 1, "1.5.25": 1, "1.5.28": 1, "1.5.34": 2, "2.0.14": 1, "2.0.16": 1, "2.0.18": 2,
    ]
    var bench = try Bench.ready(version)
    let answer = bench.call(52, rcx: Self.flag | hv[version.description, default: 0]).rax
    #expect(answer == (knows.contains(version.description) ? 0 : Self.invalidRCX))
  }

  @Test("(6) NO_DOWNGRADE: only MODULE_HV is written")
  func noDowngrade() throws {
    var bench = try Bench.ready(.init(1, 5, 34))
    for hv: UInt64 in [0, 1] { #expect(bench.call(52, rcx: hv).rax == Self.invalidRCX) }
    #expect(
      bench.module.lastDiagnostic
        == "handoff version 1 is not MODULE_HV 2, and module 1.5.34 has NO_DOWNGRADE set")
    #expect(bench.call(52, rcx: 3).rax == Self.invalidRCX)
    #expect(bench.module.lastDiagnostic == "handoff version 3 is above MODULE_HV 2 of module 1.5.34")
    for reserved: UInt64 in [1 << 17, 1 << 63] { #expect(bench.call(52, rcx: 2 | reserved).rax == Self.invalidRCX) }
    #expect(bench.module.sysState == .ready)
    #expect(bench.call(52, rcx: 2).rax == 0)
  }

  @Test("Without NO_DOWNGRADE any version in the range is written, and not those outside")
  func range() throws {
    for (hv, status): (UInt64, UInt64) in [(0, Self.invalidRCX), (1, 0), (2, 0), (3, Self.invalidRCX)] {
      var bench = try Bench.ready(.init(1, 5, 34)) {
        $0.noDowngrade = false
        $0.minUpdateHV = 1
      }
      #expect(bench.call(52, rcx: hv).rax == status)
    }
  }

  @Test("The version is checked before the lock, the lock before busy LPs, those before compatibility")
  func order() throws {
    var bench = try Bench.ready()
    bench.module.tdBuildCount = 1
    bench.module.lpsInside = [0, 1]
    bench.module.locks.global = .shared
    #expect(bench.call(52, rcx: 9 | Self.flag).rax == Self.invalidRCX)
    #expect(bench.call(52, rcx: 2 | Self.flag).rax == 0x8000_0202_0000_0000)
    #expect(bench.module.lastDiagnostic == "another LP is in a TDH.SYS leaf and holds the global lock")
    bench.module.locks.global = .free
    #expect(bench.call(52, rcx: 2 | Self.flag).rax == 0x8000_0202_0000_0000)
    #expect(bench.module.lastDiagnostic == "1 other LPs are inside the module, LP 1 the first")
    bench.module.lpsInside = [0]
    #expect(bench.call(52, rcx: 2 | Self.flag).rax == 0x8000_0512_0001_0000)
    #expect(bench.module.sysState == .ready)
    #expect(bench.dataRegion(0, count: 8) == [0, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test("(3) builds first, then migrations, with their count; without the flag nobody asks")
  func compatibilitySensitive() throws {
    var bench = try Bench.ready()
    bench.module.tdBuildCount = 2
    bench.module.migInterruptedCount = 3
    #expect(bench.call(52, rcx: 2 | Self.flag).rax == 0x8000_0512_0002_0000)
    bench.module.tdBuildCount = 0
    #expect(bench.call(52, rcx: 2 | Self.flag).rax == 0x8000_0512_0003_0001)
    #expect(bench.module.sysState == .ready)
    #expect(bench.call(52, rcx: 2).rax == 0)
  }

  @Test("(10), (11) after SHUTDOWN every leaf but LP.SHUTDOWN answers SYS_SHUTDOWN")
  func afterShutdown() throws {
    var bench = try Bench.ready()
    bench.call(52, rcx: 2)
    #expect(bench.call(52, rcx: 2).rax == Self.shutdown)
    #expect(bench.call(34, rdx: 0x8900_0001_0000_0000).rax == Self.shutdown)
    #expect(bench.call(44).rax == 0)
    #expect(
      bench.module.lastDiagnostic == nil)
  }

  @Test("(8) an LP without LP.INIT: UPDATE refuses, the LP does it, UPDATE works")
  func missingLP() throws {
    var bench = try Bench.ready(.init(1, 5, 28))
    bench.call(52, rcx: 1)
    try bench.load(.init(1, 5, 34), keepingHandoff: true)
    bench.call(33)
    for lp in 0..<3 { bench.call(35, on: lp) }
    #expect(bench.call(53).rax == Self.stateIncorrect)
    #expect(bench.call(36).rax == 0xC000_0505_0000_0000)
    #expect(bench.call(35, on: 3).rax == 0)
    #expect(bench.call(53).rax == 0)
  }

  @Test("(9) UPDATE twice")
  func twice() throws {
    var bench = try updating()
    #expect(bench.call(53).rax == 0)
    #expect(bench.call(53).rax == Self.stateIncorrect)
  }

  @Test("UPDATE without handoff data, and a cold start afterwards")
  func coldStart() throws {
    var bench = try Bench()
    bench.initializeLPs()
    #expect(bench.call(53).rax == Self.invalidHandoff)
    #expect(bench.module.sysState == .initDone)
    bench.configure()
  }

  @Test("Handoff data of a version that the new image does not read")
  func versionMismatch() throws {
    var above = try updating(from: .init(1, 5, 34), to: .init(1, 5, 28))
    #expect(above.call(53).rax == Self.invalidHandoff)
    #expect(above.module.lastDiagnostic == "the handoff data have version 2, module 1.5.28 reads 0...1")
    var below = try updating(to: .init(1, 5, 34)) { $0.minUpdateHV = 2 }
    #expect(below.call(53).rax == Self.invalidHandoff)
    // Yet another image preserves the TDs (tdx-module.md 3.8).
    try below.load(.init(1, 5, 34), keepingHandoff: true)
    below.initializeLPs()
    #expect(below.call(53).rax == 0)
    #expect(below.module.tdmrs.map(\.nextToInitialize) == [400 << 20])
  }

  @Test(
    "A damaged size is a fatal internal error: SEAM_READY goes, registers stay, every later call dies",
    arguments: [0, 53_385, 57_337, .max] as [UInt32])
  func corrupt(size: UInt32) throws {
    var bench = try updating()
    bench.patchDataRegion(size.littleEndianBytes, at: 4)
    let answer = bench.call(53, rcx: 1, rdx: 2)
    #expect(answer == Registers(rax: 53, rcx: 1, rdx: 2, r8: 0, r9: 0, r10: 0, r11: 0))
    #expect(bench.module.isDead)
    #expect(!bench.machine.seamExtend.seamReady)
    #expect(bench.call(34).rax == 34)
    try bench.load(.init(1, 5, 34))
    #expect(bench.call(33).rax == 0)
    #expect(!bench.module.isDead)
  }

  @Test("More TDMRs than there can be are corruption too")
  func corruptCount() throws {
    var bench = try updating()
    bench.patchDataRegion([65, 0, 0, 0], at: 0xD088)
    bench.call(53)
    #expect(bench.module.isDead)
  }

  @Test("Random handoff data never trap")
  func randomHandoff() throws {
    var generator = SeededGenerator(seed: 5)
    let start = try updating()
    for _ in 0..<40 {
      var bench = start
      var bytes = (0..<57_336).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      bytes.store(UInt32.random(in: 0...66, using: &generator), at: 0xD088 - 8)
      bench.patchDataRegion(bytes, at: 8)
      bench.call(53)
      for tdmr in bench.module.tdmrs.prefix(3) {
        bench.call(36, rcx: tdmr.base)
        bench.call(24, rcx: tdmr.base)
      }
      bench.call(36)
      bench.call(40)
      bench.call(9, rcx: 0x1000, rdx: 77)
      bench.call(52, rcx: 2)
    }
  }

  @Test("Version 1: enable flags within TDX_FEATURES0, R10 zero; 1.5.34 looks before the state, 2.0.16 after it")
  func version1() throws {
    var bench = try updating()
    #expect(bench.call(53, version: 1, r9: 1 << 53).rax == 0xC000_0100_0000_0009)
    #expect(bench.call(53, version: 1, r10: 1).rax == 0xC000_0100_0000_000A)
    #expect(bench.call(53, version: 1, r9: 1 << 47).rax == 0)
    #expect(bench.module.updateCompatibility)
    #expect(bench.call(53, version: 1, r9: 1 << 53).rax == 0xC000_0100_0000_0009)
    var other = try updating(from: .init(2, 0, 14), to: .init(2, 0, 16))
    #expect(other.call(53, version: 1, r9: 1 << 53).rax == 0xC000_0100_0000_0009)
    #expect(other.call(53).rax == 0)
    #expect(!other.module.updateCompatibility)
    #expect(other.call(53, version: 1, r9: 1 << 53).rax == Self.stateIncorrect)
  }

  @Test("The opt-in does not survive the next update unless it is given again")
  func optInIsLost() throws {
    var bench = try updating()
    bench.call(53, version: 1, r9: 1 << 47)
    bench.call(52, rcx: 2)
    try bench.load(.init(1, 5, 34), keepingHandoff: true)
    bench.initializeLPs()
    #expect(bench.call(53).rax == 0)
    #expect(!bench.module.updateCompatibility)
  }

  @Test("Non-blocking export: a contradiction is R9, the handoff data stay valid")
  func nonBlockingExport() throws {
    func change(_ program: inout ModuleProgram) { program.features0 |= 1 << 41 }
    var bench = try Bench.ready(.init(1, 5, 34))
    bench.module.state?.handoff.writeBlockingExport = .used
    bench.call(52, rcx: 2)
    try bench.load(.init(1, 5, 34), keepingHandoff: true, change: change)
    bench.initializeLPs()
    #expect(bench.call(53, version: 1, r9: 1 << 41).rax == 0xC000_0100_0000_0009)
    #expect(bench.module.sysState == .initDone)
    #expect(bench.read(0x8900_0000_0000_0004) == 1)
    #expect(bench.call(53, version: 1, r9: 0).rax == 0)
    bench.module.state?.handoff.nonBlockingExport = true
    bench.call(52, rcx: 2)
    try bench.load(.init(1, 5, 34), keepingHandoff: true, change: change)
    bench.initializeLPs()
    #expect(bench.call(53, version: 1).rax == 0xC000_0100_0000_0009)
    #expect(bench.call(53, version: 1, r9: 1 << 41).rax == 0)
    #expect(bench.module.state?.handoff.nonBlockingExport == true)
  }

  @Test("A chain of updates through every release of the 1.5 line that a rule allows")
  func chain() throws {
    var bench = try Bench.ready(.init(1, 5, 1))
    for _ in 0..<7 { bench.call(36) }
    for version in releases.filter({ $0.major == 1 }).dropFirst() {
      let hv = bench.read(0x8900_0001_0000_0000) ?? 99
      #expect(bench.call(52, rcx: hv).rax == 0)
      try bench.load(version, keepingHandoff: true)
      bench.initializeLPs()
      #expect(bench.call(53).rax == 0)
      #expect(bench.module.tdmrs.map(\.nextToInitialize) == [28 << 20])
      #expect(bench.module.globalKeyID == 64)
      #expect(bench.read(0x0800_0001_0000_0005) == UInt64(version.update))
    }
    #expect(bench.module.seamdbIndex == 11)
  }
}
