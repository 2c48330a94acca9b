import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TDH.MNG.*: from TDH.MNG.CREATE to TDH.MNG.KEY.FREEID (tdx-module.md 6.2, 6.3, 6.8, 9).
@Suite("Management of TDs", .timeLimit(.minutes(20)))
struct ManagementTests {
  private let tdr: UInt64 = 0x100_0000

  @Test("A TD is created, gets its key on every package, its TDCS and its parameters", arguments: [1, 256])
  func build(lps: Int) throws {
    var bench = try Bench.withMemory(lps: lps)
    bench.createTD()
    #expect(bench.module.tds[tdr]?.lifecycle == .keysConfigured)
    #expect(bench.module.tds[tdr]?.childCount == 9)
    #expect(bench.initTD().rax == 0)
    #expect(bench.module.tds[tdr]?.opState == .initialized)
    #expect(bench.module.tdBuildCount == 1)
    // A second INIT.
    #expect(bench.initTD().rax == 0xC000_0608_0000_0000)
    #expect(bench.module.tdBuildCount == 1)
  }

  @Test("TDH.MNG.CREATE checks RDX, the page, and the KeyID, in this order")
  func createChecks() throws {
    var bench = try Bench.withMemory()
    #expect(bench.call(9, rcx: 1, rdx: 1 << 16 | 65).rax == 0xC000_0100_0000_0002)
    #expect(bench.call(9, rcx: 1, rdx: 63).rax == 0xC000_0100_0000_0002)
    #expect(bench.call(9, rcx: 1, rdx: 64).rax == 0xC000_0100_0000_0001)
    #expect(bench.call(9, rcx: tdr, rdx: 64).rax == 0xC000_0820_0000_0000)
    bench.module.locks.kot = .shared
    #expect(bench.call(9, rcx: tdr, rdx: 65).rax == 0x8000_0200_0000_00BA)
    bench.module.locks.kot = .free
    bench.machine.entropy.failures = 1
    #expect(bench.call(9, rcx: tdr, rdx: 65).rax == 0x8000_0203_0000_0000)
    #expect(bench.call(9, rcx: tdr, rdx: 65).rax == 0)
    #expect(bench.call(9, rcx: tdr, rdx: 66).rax == 0xC000_0300_0000_0001)
    #expect(bench.call(9, rcx: tdr + 4096, rdx: 65).rax == 0xC000_0820_0000_0000)
    #expect(bench.call(24, rcx: tdr).rcx == 4)
  }

  @Test("The key goes into each package once; after the last the TD is in TD_KEYS_CONFIGURED")
  func keys() throws {
    var bench = try Bench.withMemory(lps: 256)
    #expect(bench.call(9, rcx: tdr, rdx: 65).rax == 0)
    // No key yet.
    #expect(bench.call(1, rcx: tdr + 4096, rdx: tdr).rax == 0x8000_0810_0000_0000)
    bench.module.conditions.pconfigBusy = 1
    #expect(bench.call(8, rcx: tdr).rax == 0x8000_0200_0000_00BB)
    bench.module.conditions.keyGenerationFailures = 1
    #expect(bench.call(8, rcx: tdr).rax == 0x8000_0800_0000_0000)
    #expect(bench.call(8, rcx: tdr).rax == 0)
    #expect(bench.call(8, rcx: tdr, on: 1).rax == 0x0000_0815_0000_0000)
    #expect(bench.module.tds[tdr]?.lifecycle == .hkidAssigned)
    #expect(bench.call(8, rcx: tdr, on: 128).rax == 0)
    #expect(bench.module.tds[tdr]?.lifecycle == .keysConfigured)
    #expect(bench.call(8, rcx: tdr).rax == 0xC000_0607_0000_0000)
  }

  @Test("TDCX pages: six in old modules, nine in new, three more for L2 VMs, none after INIT")
  func tdcx() throws {
    for (version, pages) in [(ModuleVersion(1, 5, 5), 6), (ModuleVersion(1, 5, 34), 9)] as [(ModuleVersion, UInt64)] {
      var bench = try Bench.withMemory(version)
      bench.createTD()
      for page in 1...3 as ClosedRange<UInt64> {
        #expect(bench.call(1, rcx: tdr + (pages + page) * 4096, rdx: tdr).rax == 0)
      }
      #expect(bench.call(1, rcx: tdr + 0x10_0000, rdx: tdr).rax == 0xC000_0610_0000_0000)
      #expect(bench.module.tds[tdr]?.childCount == pages + 3)
    }
    var bench = try Bench.withMemory()
    bench.createTD()
    bench.initTD()
    #expect(bench.call(1, rcx: tdr + 0x10_0000, rdx: tdr).rax == 0xC000_0608_0000_0000)
  }

  @Test("TDH.MNG.INIT needs all TDCX pages")
  func fewPages() throws {
    var bench = try Bench.withMemory()
    #expect(bench.call(9, rcx: tdr, rdx: 65).rax == 0)
    #expect(bench.initTD().rax == 0x8000_0810_0000_0000)
    #expect(bench.call(8, rcx: tdr).rax == 0)
    #expect(bench.initTD().rax == 0xC000_0606_0000_0000)
  }

  /// What is wrong with a TD_PARAMS, and the answer.
  static let wrong: [(String, offset: Int, bytes: [UInt8], answer: UInt64)] = [
    ("ATTRIBUTES bit 1", 0, [2], 0xC000_0100_0000_0040),
    ("DEBUG and MIGRATABLE", 0, [1, 0, 0, 0x20], 0xC000_0100_0000_0040),
    ("XFAM without SSE", 8, [1], 0xC000_0100_0000_0041),
    ("XFAM bit 63", 8, [3, 0, 0, 0, 0, 0, 0, 0x80], 0xC000_0100_0000_0041),
    ("half of AVX-512", 8, [7 | 1 << 5], 0xC000_0100_0000_0041),
    ("half of CET", 8, [3, 8], 0xC000_0100_0000_0041),
    ("half of AMX", 8, [3, 0, 2], 0xC000_0100_0000_0041),
    ("no vCPU", 16, [0, 0], 0xC000_0100_0000_0044),
    ("577 vCPUs", 16, [0x41, 2], 0xC000_0100_0000_0044),
    ("4 L2 VMs", 18, [4], 0xC000_0100_0000_0047),
    ("an L2 VM without its TDCX page", 18, [1], 0xC000_0606_0000_0000),
    ("MSR_CONFIG_CTLS bit 1", 19, [2], 0xC000_0100_0000_0002),
    ("reserved byte 20", 20, [1], 0xC000_0100_0000_0002),
    ("CONFIG_FLAGS bit 63", 32, [0, 0, 0, 0, 0, 0, 0, 0x80], 0xC000_0100_0000_0042),
    ("EPT of three levels", 24, [6 | 2 << 3], 0xC000_0100_0000_0043),
    ("uncached EPT", 24, [3 << 3], 0xC000_0100_0000_0043),
    ("52 bits with four levels", 32, [1], 0xC000_0100_0000_0043),
    ("75 MHz", 40, [3, 0], 0xC000_0100_0000_0046),
    ("10.025 GHz", 40, [0x91, 1], 0xC000_0100_0000_0046),
    ("reserved byte 79", 79, [1], 0xC000_0100_0000_0002),
    ("reserved byte 255", 255, [1], 0xC000_0100_0000_0002),
    ("CPUID 0xA", 256 + 16 * 7, [1], 0xC000_0100_0000_0045),
    ("the last byte", 1023, [1], 0xC000_0100_0000_0002),
  ]

  @Test("A wrong TD_PARAMS names its field and changes nothing", arguments: wrong.indices)
  func parameters(index: Int) throws {
    let (what, offset, bytes, answer) = Self.wrong[index]
    var bench = try Bench.withMemory()
    bench.createTD()
    let refused = bench.initTD(
      tdr, Bench.parameters { $0.replaceSubrange(offset..<(offset + bytes.count), with: bytes) })
    #expect(refused.rax == answer, "\(what)")
    if answer == 0xC000_0100_0000_0045 { #expect(refused.rcx == 0xFFFF_FFFF_0000_000A) }
    #expect(bench.module.tds[tdr]?.opState == .uninitialized)
    #expect(bench.module.tdBuildCount == 0)
    #expect(bench.initTD().rax == 0)
  }

  @Test("IA32_ARCH_CAPABILITIES counts only when MSR_CONFIG_CTLS says so")
  func archCapabilities() throws {
    var bench = try Bench.withMemory()
    bench.createTD()
    let value = Bench.parameters { $0[224] = 1 }
    #expect(
      bench.initTD(
        tdr,
        Bench.parameters {
          $0[224] = 1; $0[19] = 1
        }
      ).rax == 0xC000_0100_0000_0048)
    #expect(bench.initTD(tdr, value).rax == 0)
  }

  @Test("A build is counted by modules that know UPDATE_COMPATIBILITY, until VPFLUSHDONE")
  func buildCount() throws {
    for (version, count) in [(ModuleVersion(1, 5, 20), 0), (ModuleVersion(1, 5, 24), 1)] as [(ModuleVersion, UInt16)] {
      var bench = try Bench.withMemory(version)
      bench.createTD()
      #expect(bench.module.tdBuildCount == 0)
      bench.initTD()
      #expect(bench.module.tdBuildCount == count)
      #expect(bench.call(19, rcx: tdr).rax == 0)
      #expect(bench.module.tdBuildCount == 0)
    }
  }

  @Test("The KeyID is free when every package has written its caches back")
  func teardown() throws {
    var bench = try Bench.withMemory(lps: 256)
    bench.createTD()
    #expect(bench.call(20, rcx: tdr).rax == 0xC000_0607_0000_0000)
    #expect(bench.call(19, rcx: tdr).rax == 0)
    #expect(bench.call(19, rcx: tdr).rax == 0xC000_0607_0000_0000)
    #expect(bench.initTD().rax == 0x8000_0810_0000_0000)
    #expect(bench.call(20, rcx: tdr).rax == 0x8000_0817_0000_0000)
    #expect(bench.call(40).rax == 0)
    #expect(bench.call(20, rcx: tdr).rax == 0x8000_0817_0000_0000)
    #expect(bench.call(40, on: 128).rax == 0)
    #expect(bench.call(20, rcx: tdr).rax == 0)
    #expect(bench.module.tds[tdr]?.lifecycle == .teardown)
    #expect(bench.call(9, rcx: 0x180_0000, rdx: 65).rax == 0)
  }

  @Test("A TD whose key was never programmed can be dropped")
  func earlyDrop() throws {
    var bench = try Bench.withMemory()
    #expect(bench.call(9, rcx: tdr, rdx: 65).rax == 0)
    #expect(bench.call(19, rcx: tdr).rax == 0)
    #expect(bench.call(40).rax == 0)
    #expect(bench.call(20, rcx: tdr).rax == 0)
  }

  @Test("Locks that somebody else holds are told with their operand")
  func locks() throws {
    var bench = try Bench.withMemory()
    bench.createTD()
    bench.module.locks.sharedPages = [tdr / 4096]
    #expect(bench.initTD().rax == 0x8000_0200_0000_0001)
    bench.module.locks.sharedPages = []
    bench.module.locks.opStates[tdr] = .shared
    #expect(bench.initTD().rax == 0x8000_0200_0000_00AC)
    bench.module.locks.opStates = [:]
    #expect(bench.initTD().rax == 0)
  }
}
