import ModuleImage
import SEAM
import SystemPackage
import Testing

@testable import TDXHost

/// Every row of the failure table, kernel-abi.md 5.4: errno, log, what the kernel thinks afterwards.
@Suite("Updates that fail, kernel-abi.md 5.4", .timeLimit(.minutes(20)))
struct FailureTests {
  /// The state after a failure that lost nothing.
  private func expectUnharmed(_ host: inout LinuxHost, _ record: UpdateRecord, _ firmware: FakeFirmware) {
    #expect(!record.isTDXLost)
    #expect((try? host.version()) == ModuleVersion(1, 5, 24))
    #expect(host.isSysInitDone)
    #expect(host.isLPInitialized.allSatisfy { $0 })
    #expect(!host.isHotplugLocked)
    let image = host.profile.name == "merged" ? imageV2() : blob()
    #expect(update(&host, firmware, image: image).errno == nil)
  }

  /// The state after a failure that lost TDX.
  private func expectLost(_ host: inout LinuxHost, _ record: UpdateRecord, _ firmware: FakeFirmware) {
    #expect(record.isTDXLost)
    #expect(throws: Errno.noSuchAddressOrDevice) { try host.version() }
    #expect((try? host.numRemainingUpdates(door: firmware)) == 15)
    #expect((try? host.seamldrVersion(door: firmware)) == ModuleVersion(1, 5, 2))
    #expect(host.device == HostDevice(hasSEAMLDRFiles: true, hasUpload: true))
    #expect(!host.isHotplugLocked)
  }

  @Test("merged: MODULE_HV can't be read")
  func readModuleHV() {
    let firmware = FakeFirmware()
    var host = bootedHost(.merged, firmware)
    firmware.answer(.sysRD, .returned(Registers(rax: 0x8000_0202_0000_0000, rcx: 1, rdx: 2, r8: 3, r11: 0xABC)))
    let record = update(&host, firmware, image: imageV2())
    #expect(record.errno == .ioError)
    #expect(record.stage == .lockStep(.shutdown))
    #expect(
      host.lines == [
        "virt/tdx: SEAMCALL (0x0000000000000022) failed: 0x8000020200000000",
        "virt/tdx: RCX 0x0000000000000001 RDX 0x0000000000000002 R08 0x0000000000000003",
        "virt/tdx: R09 0x0000000000000000 R10 0x0000000000000000 R11 0x0000000000000abc",
      ])
    #expect(firmware.transcript() == ["TDH.SYS.RD@0"])
    expectUnharmed(&host, record, firmware)
  }

  @Test("v8: MODULE_HV can't be read: a warning, and on with version 0")
  func readModuleHVv8() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.sysRD, failed(0x8000_0202_0000_0000))
    firmware.answer(.sysShutdown, failed(0xC000_0100_0000_0001))
    let record = update(&host, firmware)
    #expect(record.errno == .ioError)
    #expect(record.shutdownOperand == 0x10000)
    #expect(record.cause?.leaf == .module(.sysShutdown))
    #expect(record.failures.map(\.leaf) == [.module(.sysRD), .module(.sysShutdown)])
    #expect(
      host.lines == [
        "virt/tdx: SEAMCALL (0x0000000000000022) failed: 0x8000020200000000",
        "virt/tdx: RCX 0x0000000000000000 RDX 0x0000000000000000 R08 0x0000000000000000",
        "virt/tdx: R09 0x0000000000000000 R10 0x0000000000000000 R11 0x0000000000000000",
        "WARNING: arch/x86/virt/vmx/tdx/tdx.c at tdx_module_shutdown, CPU#0",
        "virt/tdx: SEAMCALL (0x0000000000000034) failed: 0xc000010000000001",
      ])
    expectUnharmed(&host, record, firmware)
  }

  @Test(
    "v8: a TD is being built: EBUSY, device-busy, no line, and the next try works", arguments: ["v8", "selector", "v7"])
  func compatSensitive(name: String) throws {
    let profile = try #require(ABIProfile.named(name))
    let firmware = FakeFirmware()
    var host = bootedHost(profile, firmware)
    firmware.answer(.sysShutdown, failed(0x8000_0512_0001_0000))
    let record = update(&host, firmware)
    #expect(record.errno == .resourceBusy)
    #expect(profile.uploadError(for: record.errno) == .deviceBusy)
    #expect(record.cause?.status.rawValue == 0x8000_0512_0001_0000)
    #expect(host.lines.isEmpty)
    expectUnharmed(&host, record, firmware)
  }

  @Test(
    "SHUTDOWN is refused: EIO, one line, nothing lost",
    arguments: ["v8", "merged"], [0x8000_0202_0000_0000, 0xC000_0100_0000_0001, 0xC000_0505_0000_0000] as [UInt64])
  func shutdown(name: String, status: UInt64) throws {
    let profile = try #require(ABIProfile.named(name))
    let firmware = FakeFirmware()
    var host = bootedHost(profile, firmware)
    firmware.answer(.sysShutdown, failed(status))
    let record = update(&host, firmware, image: name == "merged" ? imageV2() : blob())
    #expect(record.errno == .ioError)
    #expect(record.stage == .lockStep(.shutdown))
    #expect(
      host.lines == ["virt/tdx: SEAMCALL (0x0000000000000034) failed: 0x\(String(status, radix: 16))"])
    #expect(profile.uploadError(for: record.errno) == .firmwareInvalid)
    expectUnharmed(&host, record, firmware)
  }

  @Test("INSTALL fails on an LP that is not the last: the others leave")
  func installEarly() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.install, on: 1, failed(0x8000_0000_0000_0003))
    let record = update(&host, firmware)
    #expect(record.errno == .ioError)
    #expect(record.stage == .lockStep(.cpuInstall))
    #expect(record.lp == 1)
    #expect(host.lines == ["seamldr: SEAMCALL (0x8000000000000001) failed: 0x8000000000000003"])
    #expect(firmware.transcript().suffix(2) == ["SEAMLDR.INSTALL@0", "SEAMLDR.INSTALL@1"])
    expectLost(&host, record, firmware)
    firmware.moduleIsGone()
    host.log = KernelLog(now: { 0 })
    #expect(update(&host, firmware).errno == .ioError)
  }

  @Test(
    "INSTALL fails on the last LP, recoverably: the old module is back, but shut down, and a retry fails",
    arguments: [
      0x8000_0000_0000_0000, 0x8000_0000_0002_0000, 0x8000_0000_0001_0004, 0x8000_0000_0000_0004,
      0x8000_0000_0000_0003,
    ] as [UInt64])
  func installLast(status: UInt64) {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.install, on: 3, failed(status, rdx: 0))
    let record = update(&host, firmware)
    #expect(record.errno == .ioError)
    #expect(record.lp == 3)
    #expect(record.cause?.rdx == 0)
    #expect(record.cause?.status.rawValue == status)
    #expect(host.lines == ["seamldr: SEAMCALL (0x8000000000000001) failed: 0x\(String(status, radix: 16))"])
    #expect(!firmware.transcript().contains("TDH.SYS.INIT@0"))
    expectLost(&host, record, firmware)

    // v8 warns about the read, once, and goes on to SHUTDOWN.
    firmware.moduleIsGone(failed(0xC000_0506_0000_0000))
    host.log = KernelLog(now: { 0 })
    #expect(update(&host, firmware).errno == .ioError)
    // What was lost before can't be lost again.
    #expect(record.wasInitialized)
    let again = [
      "virt/tdx: SEAMCALL (0x0000000000000022) failed: 0xc000050600000000",
      "virt/tdx: RCX 0x0000000000000000 RDX 0x0000000000000000 R08 0x0000000000000000",
      "virt/tdx: R09 0x0000000000000000 R10 0x0000000000000000 R11 0x0000000000000000",
    ]
    let warning = ["WARNING: arch/x86/virt/vmx/tdx/tdx.c at tdx_module_shutdown, CPU#0"]
    let shutdown = ["virt/tdx: SEAMCALL (0x0000000000000034) failed: 0xc000050600000000"]
    #expect(host.lines == again + warning + shutdown)
    host.log = KernelLog(now: { 0 })
    let third = update(&host, firmware)
    #expect(third.errno == .ioError)
    #expect(!third.wasInitialized && !third.isTDXLost)
    #expect(host.lines == again + shutdown)
    #expect(throws: Errno.noSuchAddressOrDevice) { try host.version() }
  }

  @Test("INSTALL fails on the last LP, unrecoverably: no module")
  func installUnrecoverable() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.install, on: 3, failed(0x8000_0000_0002_0001, rdx: 1))
    let record = update(&host, firmware)
    #expect(record.errno == .ioError)
    #expect(record.cause?.rdx == 1)
    #expect(host.lines == ["seamldr: SEAMCALL (0x8000000000000001) failed: 0x8000000000020001"])
    expectLost(&host, record, firmware)

    firmware.moduleIsGone()
    host.log = KernelLog(now: { 0 })
    let retry = update(&host, firmware)
    #expect(retry.errno == .ioError)
    #expect(ABIProfile.v8.uploadError(for: retry.errno) == .firmwareInvalid)
    // The read is silent with ENODEV; SHUTDOWN prints even VMfailInvalid.
    #expect(
      host.lines == [
        "WARNING: arch/x86/virt/vmx/tdx/tdx.c at tdx_module_shutdown, CPU#0",
        "virt/tdx: SEAMCALL (0x0000000000000034) failed: 0x8000ff00ffff0000",
      ])
  }

  @Test("merged, retry without a module: ENODEV and no line at all")
  func mergedRetry() {
    let firmware = FakeFirmware()
    var host = bootedHost(.merged, firmware)
    firmware.answer(.install, on: 3, failed(0x8000_0000_0002_0001, rdx: 1))
    #expect(update(&host, firmware, image: imageV2()).isTDXLost)
    firmware.moduleIsGone()
    host.log = KernelLog(now: { 0 })
    let retry = update(&host, firmware, image: imageV2())
    #expect(retry.errno == .operationNotSupportedByDevice)
    #expect(ABIProfile.merged.uploadError(for: retry.errno) == .firmwareInvalid)
    #expect(host.lines.isEmpty)
  }

  @Test("a CPU is offline: the session never completes, and TDH.SYS.INIT finds no module")
  func offline() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.takeOffline(2, door: firmware)
    firmware.answer(.sysInit, .vmFailInvalid)
    let record = update(&host, firmware)
    #expect(record.errno == .operationNotSupportedByDevice)
    #expect(record.stage == .lockStep(.cpuInit))
    #expect(record.offlineCPUs == [2])
    #expect(record.onlineCPUs == 3)
    #expect(host.lines == ["virt/tdx: module not loaded"])
    #expect(
      firmware.transcript().suffix(4) == [
        "SEAMLDR.INSTALL@0", "SEAMLDR.INSTALL@1", "SEAMLDR.INSTALL@3", "TDH.SYS.INIT@0",
      ])
    expectLost(&host, record, firmware)
    // The CPU hits the cached error when it comes back.
    #expect(throws: Errno.operationNotSupportedByDevice) { try host.takeOnline(2, door: firmware) }
    #expect(host.offlineCPUs == [2])
  }

  @Test("TDH.SYS.INIT fails: one call, one line, the cached errno for all")
  func sysInit() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.sysInit, failed(0xC000_050A_0000_0000))
    let record = update(&host, firmware)
    #expect(record.errno == .ioError)
    #expect(record.stage == .lockStep(.cpuInit))
    #expect(record.failures.count == 1)
    #expect(host.lines == ["virt/tdx: SEAMCALL (0x0000000000000021) failed: 0xc000050a00000000"])
    #expect(firmware.transcript().last == "TDH.SYS.INIT@0")
    #expect(host.sysInitResult == .ioError)
    expectLost(&host, record, firmware)

    // Init-pending: reads are refused with SYS_LP_INIT_NOT_DONE.
    firmware.moduleIsGone(failed(0xC000_0505_0000_0000))
    firmware.always(.sysRD, failed(0xC000_0502_0000_0000))
    host.log = KernelLog(now: { 0 })
    #expect(update(&host, firmware).errno == .ioError)
    #expect(host.lines.first == "virt/tdx: SEAMCALL (0x0000000000000022) failed: 0xc000050200000000")
    #expect(host.lines.last == "virt/tdx: SEAMCALL (0x0000000000000034) failed: 0xc000050500000000")
  }

  @Test("TDH.SYS.LP.INIT fails on two CPUs: a line each, no UPDATE")
  func lpInit() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.sysLPInit, on: 1, failed(0xC000_0920_0000_0010))
    firmware.answer(.sysLPInit, on: 3, failed(0xC000_0902_0000_0000))
    let record = update(&host, firmware)
    #expect(record.errno == .ioError)
    #expect(record.stage == .lockStep(.cpuInit))
    #expect(record.lp == 1)
    #expect(record.failures.map(\.lp) == [1, 3])
    #expect(
      host.lines == [
        "virt/tdx: SEAMCALL (0x0000000000000023) failed: 0xc000092000000010",
        "virt/tdx: SEAMCALL (0x0000000000000023) failed: 0xc000090200000000",
      ])
    #expect(host.isLPInitialized == [true, false, true, false])
    #expect(!firmware.transcript().contains("TDH.SYS.UPDATE@0"))
    expectLost(&host, record, firmware)
  }

  @Test("the last CPU that fails gives the errno")
  func lastErrno() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.sysLPInit, on: 1, failed(0xC000_0920_0000_0010))
    firmware.answer(.sysLPInit, on: 3, .generalProtection)
    let record = update(&host, firmware)
    #expect(record.errno == .notSupported)
    #expect(record.cause?.errno == .ioError)
    #expect(host.lines.count == 1)
  }

  @Test("TDH.SYS.UPDATE fails: one line")
  func runUpdate() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.sysUpdate, failed(0xC000_0509_0000_0000))
    let record = update(&host, firmware)
    #expect(record.errno == .ioError)
    #expect(record.stage == .lockStep(.runUpdate))
    #expect(host.lines == ["virt/tdx: SEAMCALL (0x0000000000000035) failed: 0xc000050900000000"])
    #expect(firmware.transcript().last == "TDH.SYS.UPDATE@0")
    expectLost(&host, record, firmware)

    // Initialised but empty: reads work, SHUTDOWN answers not-ready.
    firmware.always(.sysShutdown, failed(0xC000_0505_0000_0000))
    host.log = KernelLog(now: { 0 })
    #expect(update(&host, firmware).errno == .ioError)
    #expect(host.lines == ["virt/tdx: SEAMCALL (0x0000000000000034) failed: 0xc000050500000000"])
  }

  @Test("v8: the version can't be read again: success, a warning, a stale version")
  func rereadV8() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.sysRD, .returned(Registers(rax: 0, r8: 1)), failed(0x8000_0202_0000_0000))
    let record = update(&host, firmware)
    #expect(record.errno == nil)
    #expect(record.cause == nil)
    #expect(record.failures.map(\.leaf) == [.module(.sysRD)])
    #expect(host.lines.contains("WARNING: arch/x86/virt/vmx/tdx/tdx.c at tdx_module_refresh_version, CPU#0"))
    #expect((try? host.version()) == ModuleVersion(1, 5, 24))
    #expect(host.isModuleInitialized)
  }

  @Test("merged: the version can't be read again: success, a warning")
  func rereadMerged() {
    let firmware = FakeFirmware()
    var host = bootedHost(.merged, firmware)
    firmware.answer(.sysRD, .returned(Registers(rax: 0, r8: 1)), .vmFailInvalid)
    let record = update(&host, firmware, image: imageV2())
    #expect(record.errno == nil)
    #expect(host.lines == ["WARNING: arch/x86/virt/vmx/tdx/tdx.c at tdx_module_run_update, CPU#0"])
    #expect((try? host.version()) == ModuleVersion(1, 5, 24))
  }

  @Test("v7 says that updates have failed, once")
  func v7Lines() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v7, firmware)
    firmware.answer(.sysUpdate, failed(0xC000_0509_0000_0000))
    let record = update(&host, firmware)
    #expect(ABIProfile.v7.uploadError(for: record.errno) == .hwError)
    #expect(
      host.lines == [
        "virt/tdx: SEAMCALL (0x0000000000000035) failed: 0xc000050900000000",
        "virt/tdx: update failed (-5)",
        "seamldr: update failed, SEAMCALLs will report failure until TDs killed",
      ])
  }

  @Test(
    "with a seed, after a failed INSTALL any number of the others has made the call", arguments: 0..<20 as Range<UInt64>
  )
  func stragglers(seed: UInt64) {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware, lps: 8)
    firmware.answer(.install, on: 5, failed(0x8000_0000_0000_0003))
    let schedule = UpdateSchedule(seed: seed)
    let record = update(&host, firmware, schedule: schedule)
    #expect(record.lp == 5)
    let installs = firmware.calls.filter { $0.leaf == "SEAMLDR.INSTALL" }.map(\.lp)
    let order = schedule.order(of: Array(0..<8), in: .cpuInstall)
    #expect(installs == Array(order.prefix(installs.count)))
    #expect(installs.contains(5))
    #expect(!firmware.calls.contains { $0.leaf == "TDH.SYS.INIT" })
  }

  @Test("P-SEAMLDR not to be entered: ENODEV, silently, and TDX is lost all the same")
  func installNotEntered() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.install, on: 0, .vmFailInvalid)
    let record = update(&host, firmware)
    #expect(record.errno == .operationNotSupportedByDevice)
    #expect(record.cause?.status.rawValue == 0x8000_FF00_FFFF_0000)
    #expect(record.cause?.rdx == nil)
    #expect(host.lines.isEmpty)
    expectLost(&host, record, firmware)
  }
}
