import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXHost

@Suite("Bring-up at power-on", .timeLimit(.minutes(20)))
struct BootTests {
  /// Section 6 of kernel-abi.md, in its order, with two CPUID_CONFIG entries.
  static let fields: [UInt64] = [
    0x0800_0001_0000_0003, 0x0800_0001_0000_0004, 0x0800_0001_0000_0005, 0x0A00_0003_0000_0008,
    0x9100_0001_0000_0008, 0x9100_0001_0000_0009, 0x9100_0001_0000_0010, 0x9100_0001_0000_0011,
    0x9100_0001_0000_0012, 0x9800_0001_0000_0000, 0x9800_0001_0000_0100, 0x9800_0001_0000_0200,
    0x1900_0003_0000_0000, 0x1900_0003_0000_0001, 0x1900_0003_0000_0002, 0x1900_0003_0000_0003,
    0x9900_0001_0000_0004, 0x9900_0001_0000_0008, 0x9900_0003_0000_0400, 0x9900_0003_0000_0401,
    0x9900_0003_0000_0500, 0x9900_0003_0000_0501, 0x9900_0003_0000_0502, 0x9900_0003_0000_0503,
  ]

  @Test("four LPs and 16 GiB: these SEAMCALLs, these lines")
  func transcript() {
    let firmware = FakeFirmware()
    var host = makeHost(memoryGiB: 16)
    host.boot(door: firmware)
    let read = firmware.calls.filter { $0.leaf == "TDH.SYS.RD" }.map(\.registers.rdx)
    #expect(read == Self.fields)
    #expect(
      firmware.summary() == [
        "TDH.SYS.INIT@0", "TDH.SYS.LP.INIT@0", "TDH.SYS.LP.INIT@1", "TDH.SYS.LP.INIT@2", "TDH.SYS.LP.INIT@3",
        "TDH.SYS.RD@0 x24", "TDH.SYS.CONFIG@0", "TDH.SYS.KEY.CONFIG@0", "TDH.SYS.TDMR.INIT@0 x4096",
      ])
    #expect(
      host.log.text == """
        [    1.000002] virt/tdx: BIOS enabled: private KeyID range [64, 2048)
        [    1.000002] virt/tdx: Disable ACPI S3. Turn off TDX in the BIOS to use ACPI S3.
        [    1.000002] virt/tdx: Module version: 1.5.24
        [    1.000002] virt/tdx: 65668 KB allocated for PAMT
        [    1.000002] virt/tdx: TDX-Module initialized

        """)
    #expect((try? host.version()) == ModuleVersion(1, 5, 24))
    #expect(host.sysInfo.maxVCPUsPerTD == 576)
    #expect(host.sysInfo.cpuidConfigValues == [[11, 12], [21, 22]])
    #expect(host.device == HostDevice(hasSEAMLDRFiles: true, hasUpload: true))
  }

  @Test("CONFIG gets an aligned array of TDMR_INFOs under the first private KeyID")
  func config() throws {
    let firmware = FakeFirmware()
    var host = makeHost(memoryGiB: 16)
    host.boot(door: firmware)
    let call = try #require(firmware.calls.first { $0.leaf == "TDH.SYS.CONFIG" }).registers
    #expect(call.rcx % 512 == 0)
    #expect(call.rdx == 1)
    #expect(call.r8 == 64)
    let array = ByteReader(firmware.readPhysical(call.rcx, count: 8))
    let info = try array.integer(at: 0, as: UInt64.self)
    #expect(info % 512 == 0)
    let tdmr = ByteReader(firmware.readPhysical(info, count: 512))
    func word(_ offset: Int) throws -> UInt64 { try tdmr.integer(at: offset) }
    // 4 KiB: 16 GiB / 4096 × 16; 2 MiB: 8192 × 16; 1 GiB: 16 × 16 rounded up to a page.
    let pamt: UInt64 = (16 << 30) - (67_108_864 + 131_072 + 4096)
    #expect(try [word(0), word(8)] == [0, 16 << 30])
    #expect(try [word(16), word(24)] == [pamt + 67_108_864 + 131_072, 4096])
    #expect(try [word(32), word(40)] == [pamt + 67_108_864, 131_072])
    #expect(try [word(48), word(56)] == [pamt, 67_108_864])
    // The first MiB is never TDX memory; the PAMTs lie in the TDMR.
    #expect(try [word(64), word(72)] == [0, 1 << 20])
    #expect(try [word(80), word(88)] == [pamt, 67_108_864 + 131_072 + 4096])
    #expect(try word(96) == 0 && word(104) == 0)
  }

  @Test("the global key is programmed once a package")
  func packages() {
    let firmware = FakeFirmware()
    var host = makeHost(lps: 256)
    host.boot(door: firmware)
    #expect(firmware.calls.filter { $0.leaf == "TDH.SYS.KEY.CONFIG" }.map(\.lp) == [0, 128])
    #expect(firmware.calls.filter { $0.leaf == "TDH.SYS.LP.INIT" }.map(\.lp) == Array(0..<256))
  }

  @Test("without a module the kernel says so and makes no tdx_host")
  func noModule() {
    let firmware = FakeFirmware()
    firmware.moduleIsGone()
    var host = makeHost()
    host.boot(door: firmware)
    #expect(host.lines.suffix(1) == ["virt/tdx: module not loaded"])
    #expect(host.lines.count == 3)
    #expect(firmware.transcript() == ["TDH.SYS.INIT@0"])
    #expect(host.device == nil)
    #expect(throws: SystemErrno.noSuchAddressOrDevice) { try host.version() }
  }

  @Test("after kexec the new kernel's TDH.SYS.INIT is refused")
  func kexec() {
    let firmware = FakeFirmware()
    firmware.always(.sysInit, failed(0xC000_0500_0000_0000))
    var host = makeHost()
    host.boot(door: firmware)
    #expect(host.lines.dropFirst(2) == ["virt/tdx: SEAMCALL (0x0000000000000021) failed: 0xc000050000000000"])
    #expect(firmware.transcript() == ["TDH.SYS.INIT@0"])
    #expect(host.device == nil)
  }

  @Test("the first LP.INIT that fails ends it")
  func lpInit() {
    let firmware = FakeFirmware()
    firmware.answer(.sysLPInit, on: 2, failed(0xC000_0920_0000_0010))
    var host = makeHost()
    host.boot(door: firmware)
    #expect(
      firmware.transcript() == [
        "TDH.SYS.INIT@0", "TDH.SYS.LP.INIT@0", "TDH.SYS.LP.INIT@1", "TDH.SYS.LP.INIT@2",
      ])
    #expect(host.lines.dropFirst(2) == ["virt/tdx: SEAMCALL (0x0000000000000023) failed: 0xc000092000000010"])
    #expect(host.device == nil)
  }

  @Test("1.5.01 lacks MAX_VCPUS_PER_TD, which the kernel wants")
  func module1501() {
    let firmware = FakeFirmware(version: (1, 5, 1), features0: 0xF0FBF, moduleHV: 0)
    firmware.metadata[0x9900_0001_0000_0008] = nil
    var host = makeHost()
    host.boot(door: firmware)
    #expect(
      host.lines.dropFirst(2) == [
        "virt/tdx: Module version: 1.5.01",
        "virt/tdx: SEAMCALL (0x0000000000000022) failed: 0xc0000c0000000000",
        "virt/tdx: RCX 0x0000000000000000 RDX 0x0000000000000000 R08 0x0000000000000000",
        "virt/tdx: R09 0x0000000000000000 R10 0x0000000000000000 R11 0x0000000000000000",
        "virt/tdx: TDX-Module initialization failed (-5)",
      ])
    #expect(firmware.summary().last == "TDH.SYS.RD@0 x18")
    #expect(host.device == nil)
  }

  @Test("a module that clobbers RBP is not used")
  func rbp() {
    let firmware = FakeFirmware(features0: 0xD132_6F3F_0FBF & ~(1 << 18))
    var host = makeHost()
    host.boot(door: firmware)
    #expect(
      host.lines.suffix(2) == [
        "virt/tdx: frame pointer (RBP) clobber bug present, upgrade TDX module",
        "virt/tdx: TDX-Module initialization failed (-22)",
      ])
    #expect(!firmware.transcript().contains("TDH.SYS.CONFIG@0"))
  }

  @Test("a failure of CONFIG, KEY.CONFIG or TDMR.INIT ends it with its line", arguments: [45, 31, 36] as [UInt16])
  func later(number: UInt16) throws {
    let leaf = try #require(ModuleLeaf(rawValue: number))
    let firmware = FakeFirmware()
    firmware.answer(leaf, failed(0x8000_0202_0000_0000))
    var host = makeHost()
    host.boot(door: firmware)
    let line = "virt/tdx: SEAMCALL (0x\(UInt64(number).paddedHexadecimal)) failed: 0x8000020200000000"
    #expect(host.lines.contains(line))
    #expect(host.lines.last == "virt/tdx: TDX-Module initialization failed (-5)")
    #expect(host.lines.contains { $0.hasPrefix("virt/tdx: RCX ") } == (number == 36))
    #expect(host.device == nil)
  }

  @Test("no entropy is tried ten times in all")
  func entropy() {
    let firmware = FakeFirmware()
    for _ in 0..<9 { firmware.answer(.sysInit, failed(0x8000_0203_0000_0000)) }
    var host = makeHost()
    host.boot(door: firmware)
    #expect(firmware.summary().first == "TDH.SYS.INIT@0 x10")
    #expect(host.device != nil)

    let dry = FakeFirmware()
    dry.always(.sysInit, failed(0x8000_0203_0000_0000))
    var other = makeHost()
    other.boot(door: dry)
    #expect(dry.summary() == ["TDH.SYS.INIT@0 x10"])
    #expect(other.lines.last == "virt/tdx: SEAMCALL (0x0000000000000021) failed: 0x8000020300000000")
  }

  @Test("one KeyID is too few")
  func keyIDs() {
    let firmware = FakeFirmware()
    var host = LinuxHost(
      profile: .v8,
      configuration: HostConfiguration(packages: [0], memory: [0..<(1 << 30)], privateKeyIDs: 64..<65), now: { 0 })
    host.boot(door: firmware)
    #expect(host.lines.last == "virt/tdx: initialization failed: too few private KeyIDs available.")
    #expect(firmware.calls.isEmpty)
  }

  @Test("holes in memory become reserved areas, and every GiB is covered once")
  func holes() throws {
    var info = SysInfo()
    info.maxTDMRs = 64
    info.maxReservedPerTDMR = 16
    info.pamtEntrySizes = [16, 16, 16]
    let gib: UInt64 = 1 << 30
    let memory = [0..<(2 * gib - 4096), (4 * gib)..<(6 * gib)]
    var pages = PageAllocator(memory: memory)
    let blocks = TDMR.memoryList(memory)
    #expect(blocks == [(1 << 20)..<(2 * gib - 4096), (4 * gib)..<(6 * gib)])
    let tdmrs = try TDMR.construct(over: blocks, info: info, allocator: &pages)
    #expect(tdmrs.map(\.range) == [0..<(2 * gib), (4 * gib)..<(6 * gib)])
    #expect(tdmrs[0].reserved == [0..<(1 << 20), (2 * gib - 4096)..<(2 * gib)])
    // Both PAMTs come from the top of memory: 8 MiB + 16 KiB + 4 KiB each.
    let pamt: UInt64 = (8 << 20) + (16 << 10) + 4096
    #expect(tdmrs[1].reserved == [(6 * gib - 2 * pamt)..<(6 * gib - pamt), (6 * gib - pamt)..<(6 * gib)])
    info.maxTDMRs = 1
    #expect(throws: TDMRError(errno: .noSpace, warning: "initialization failed: TDMRs exhausted.")) {
      try TDMR.construct(over: blocks, info: info, allocator: &pages)
    }
  }
}
