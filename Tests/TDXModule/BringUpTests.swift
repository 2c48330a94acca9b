import ModuleImage
import SEAM
import Testing

@testable import TDXModule

@Suite("Bring-up", .timeLimit(.minutes(20)))
struct BringUpTests {
  @Test("Every release comes up from cold", arguments: releases)
  func everyRelease(version: ModuleVersion) throws {
    var bench = try Bench.ready(version, cpu: version.major == 2 ? .gnr : .spr)
    #expect(bench.module.globalKeyID == 64)
    #expect(bench.call(36).rax == 0)
  }

  @Test("SYS.INIT clears its outputs and refuses attributes before it looks at the state")
  func sysInitOperands() throws {
    var bench = try Bench()
    let refused = bench.call(33, rcx: 1, rdx: 2, r8: 3, r9: 4, r10: 5)
    #expect(refused.rax == 0xC000_0100_0000_0001)
    #expect([refused.rcx, refused.rdx, refused.r8, refused.r9, refused.r10] == [0, 0, 0, 0, 0])
    #expect(bench.call(33).rax == 0)
    #expect(bench.call(33, rcx: 1).rax == 0xC000_0100_0000_0001)
    #expect(bench.call(33).rax == 0xC000_0500_0000_0000)
  }

  @Test("No entropy for the canary: SYS.INIT may be repeated")
  func noEntropy() throws {
    var bench = try Bench()
    bench.machine.entropy.failures = 2
    #expect(bench.call(33).rax == 0x8000_0203_0000_0000)
    #expect(bench.call(33).rax == 0x8000_0203_0000_0000)
    #expect(bench.module.sysState == .initPending)
    #expect(bench.call(33).rax == 0)
  }

  @Test(
    "The platform's faults",
    arguments: [
      (PlatformConditions.InitFault.incorrectMSR(0x8B), 0xC000_0921_0000_008B as UInt64),
      (.incorrectCPUID(leaf: 7, subleaf: 1, ebxEAXMask: 2, edxECXMask: 3), 0xC000_0900_0000_0000),
      (.cpuidLeafNotSupported(0x1F), 0xC000_0908_0000_001F), (.limitCPUIDMaxval, 0xC000_0901_0000_0000),
      (.smrrNotLocked(1), 0xC000_0910_0000_0001), (.invalidSMRRConfiguration(0), 0xC000_0911_0000_0000),
      (.smrrOverlapsCMR(smrr: 1, cmr: 2), 0xC000_0912_0000_0201), (.smrrLockNotSupported, 0xC000_0913_0000_0000),
      (.smrrNotSupported, 0xC000_0914_0000_0000), (.numActivatedHKIDs, 0xC000_0825_0000_0000),
      (.invalidWBINVDScope, 0xC000_0905_0000_0000),
    ])
  func initFaults(fault: PlatformConditions.InitFault, status: UInt64) throws {
    var bench = try Bench()
    bench.module.conditions.sysInit = fault
    let answer = bench.call(33)
    #expect(answer.rax == status)
    if case .incorrectCPUID = fault { #expect([answer.rcx, answer.rdx, answer.r8] == [1 << 32 | 7, 2, 3]) }
    #expect(bench.module.sysState == .initPending)
    #expect(bench.module.lastDiagnostic != nil)
    bench.module.conditions = .init()
    #expect(bench.call(33).rax == 0)
  }

  @Test(
    "A CMR list out of order",
    arguments: [
      [(0, 4096), (0, 4096)], [(4096, 8192), (8192, 4096)], [(1, 4096)], [(0, 1)], [(0, 0), (0, 4096)],
      [(1 << 52, 4096)], [(.max << 12, 4096)],
    ] as [[(UInt64, UInt64)]])
  func cmrList(cmrs: [(UInt64, UInt64)]) throws {
    var bench = try Bench()
    for (index, cmr) in cmrs.enumerated() {
      bench.patchSysInfo(cmr.0.littleEndianBytes + cmr.1.littleEndianBytes, at: 128 + 16 * UInt64(index))
    }
    #expect(bench.call(33).rax == 0xC000_0A22_0000_0000)
  }

  @Test("Sigstruct and code disagree")
  func sigstruct() throws {
    let status: UInt64 = 0xC000_050A_0000_0000
    var bench = try Bench()
    bench.patchSysInfo([1, 0], at: 2152)
    #expect(bench.call(33).rax == status)
    #expect(bench.module.lastDiagnostic == "the sigstruct says MODULE_HV 1, the module was built with 2")
    bench.patchSysInfo([2, 0], at: 2152)
    bench.patchSysInfo([0], at: 2156)
    #expect(bench.call(33).rax == status)
    bench.patchSysInfo([1], at: 2156)
    bench.patchSysInfo([12, 0], at: 2158)
    #expect(bench.call(33).rax == status)
    bench.patchSysInfo([13, 0], at: 2158)
    bench.patchSysInfo([1, 0], at: 2154)
    #expect(bench.call(33).rax == 0)
    var strict = try Bench { $0.minUpdateHV = 1 }
    strict.patchSysInfo([0, 0], at: 2154)
    #expect(strict.call(33).rax == status)
  }

  @Test("Old SEAM capabilities")
  func capabilities() throws {
    var bench = try Bench()
    bench.module.conditions.lacksSEAMDB = true
    #expect(bench.call(33).rax == 0xC000_050D_0000_0000)
  }

  @Test("SYS.INIT version 1: fatal diagnostics need a shared page")
  func sysInitVersion1() throws {
    var bench = try Bench()
    #expect(bench.call(33, version: 1, r8: 64 << 41).rax == 0xC000_0100_0000_0008)
    #expect(bench.call(33, version: 1, r8: 0).rax == 0)
    var ignored = try Bench()
    #expect(ignored.call(33, version: 0, r8: 64 << 41).rax == 0)
  }

  @Test("One LP differs from the others: it alone fails, and CONFIG and UPDATE are blocked")
  func oneLPDiffers() throws {
    var bench = try Bench()
    bench.module.conditions.lpInit[2] = .inconsistentMSR(0x3B)
    bench.call(33)
    for lp in 0..<4 {
      #expect(bench.call(35, on: lp).rax == (lp == 2 ? 0xC000_0920_0000_003B : 0))
    }
    #expect(bench.call(53).rax == 0xC000_0508_0000_0000)
    #expect(bench.call(45).rax == 0xC000_050C_0000_0000)
    bench.module.conditions.lpInit[2] = .inconsistentCPUID(leaf: 1, subleaf: 0, ebxEAXMask: 8, edxECXMask: 9)
    let answer = bench.call(35, on: 2)
    #expect(answer.rax == 0xC000_0902_0000_0000)
    #expect([answer.rcx, answer.rdx, answer.r8] == [1, 8, 9])
    bench.module.conditions.lpInit[2] = .seamCapabilities
    #expect(bench.call(35, on: 2).rax == 0xC000_050D_0000_0000)
    bench.module.conditions.lpInit[2] = .invalidPackage(8)
    #expect(bench.call(35, on: 2).rax == 0xC000_0906_0000_0008)
    bench.module.conditions.lpInit[2] = nil
    #expect(bench.call(35, on: 2).rax == 0)
    #expect(bench.module.initializedLPs == 4)
  }

  @Test("The global lock: writers need it free, LP.INIT only no writer")
  func globalLock() throws {
    let busy: UInt64 = 0x8000_0202_0000_0000
    var bench = try Bench()
    for mode in [HeldLocks.Mode.shared, .exclusive] {
      bench.module.locks.global = mode
      for leaf: UInt64 in [33, 45, 31, 53] { #expect(bench.call(leaf).rax == busy) }
    }
    bench.module.locks.global = .free
    bench.call(33)
    bench.module.locks.global = .exclusive
    #expect(bench.call(35).rax == busy)
    bench.module.locks.global = .shared
    #expect(bench.call(35).rax == 0)
  }

  @Test("Every package needs the global key; the last one makes the module ready")
  func keyConfig() throws {
    var bench = try Bench(lps: 256)
    bench.initializeLPs()
    bench.writeTDMRs([Bench.tdmr()])
    #expect(bench.call(45, rcx: Bench.array, rdx: 1, r8: 2047).rax == 0)
    bench.module.conditions.pconfigBusy = 1
    bench.module.conditions.keyGenerationFailures = 1
    #expect(bench.call(31, on: 5).rax == 0x8000_0200_0000_00BB)
    #expect(bench.call(31, on: 5).rax == 0x8000_0800_0000_0000)
    bench.machine.entropy.failures = 1
    #expect(bench.call(31, on: 5).rax == 0x8000_0800_0000_0000)
    #expect(bench.call(31, on: 5).rax == 0)
    #expect(bench.call(31, on: 127).rax == 0x0000_0815_0000_0000)
    #expect(bench.module.sysState == .configDone)
    #expect(bench.call(31, on: 128).rax == 0)
    #expect(bench.module.sysState == .ready)
  }

  @Test("TDMR.INIT: 256 calls a GiB, the address it returns is rounded down to 1 GiB")
  func tdmrInit() throws {
    var bench = try Bench()
    bench.initializeLPs()
    bench.configure(gib: 2)
    for number in 1...512 {
      let answer = bench.call(36)
      #expect(answer.rax == 0)
      #expect(answer.rdx == UInt64(number / 256) << 30)
    }
    let end = bench.call(36, rdx: 77)
    #expect(end.rax == 0x0000_0A03_0000_0000)
    #expect(end.rdx == 0)
    for address: UInt64 in [1 << 30, 4096, 1 << 52, 64 << 41, 3 << 30] {
      #expect(bench.call(36, rcx: address).rax == 0xC000_0100_0000_0001)
    }
    bench.module.locks.tdmrs = [0]
    #expect(bench.call(36).rax == 0x8000_0200_0000_0001)
  }
}
