import SEAM
import SystemPackage
import Testing

@testable import TDXHost

/// What KVM does when a SEAMCALL for a TD fails (tdx-module.md 8).
@Suite("A SEAMCALL for a TD fails", .timeLimit(.minutes(20)))
struct TDFailureTests {
  /// The errno and the reason of a refusal.
  func refusal(_ body: () throws -> Void) -> TDError? {
    do { try body() } catch { return error as? TDError }
    return nil
  }

  @Test(
    "before TDH.MNG.INIT is done: everything that was taken is given back",
    arguments: [
      (ModuleLeaf.mngCreate, UInt64(0xC000_0505_0000_0000), Errno.ioError),
      (.mngCreate, 0x8000_0200_0000_00BA, .ioError),
      (.mngKeyConfig, 0x8000_0800_0000_0000, .ioError),
      (.mngAddcx, 0xC000_0610_0000_0000, .ioError),
      (.mngInit, 0xC000_0100_0000_0040, .invalidArgument),
      (.mngInit, 0xC000_0608_0000_0000, .ioError),
    ])
  func creation(leaf: ModuleLeaf, status: UInt64, errno: Errno) throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    let pages = host.pages.pagesInUse
    firmware.answer(leaf, failed(status))
    let refusal = refusal { try host.createTD("a", door: firmware) }
    #expect(refusal?.errno == errno)
    #expect(refusal?.failure?.status.rawValue == status)
    #expect(refusal?.reason.hasPrefix("\(leaf.name) on LP 0: TDX_") == true)
    #expect(host.tds.byName.isEmpty)
    #expect(host.pages.pagesInUse == pages)
    #expect(!host.tdsExist)
    let name = String(leaf.name.map { $0 == "." ? "_" : $0 })
    let details = leaf == .mngInit ? ", rcx 0x0" : ""
    let line = "kvm_intel: SEAMCALL \(name) failed: 0x\(String(status, radix: 16))\(details)"
    #expect(host.lines.contains(line) == (errno == .ioError))
  }

  @Test("without entropy for ten calls TDH.MNG.CREATE is EAGAIN, and for nine nothing at all")
  func noEntropy() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    let status = failed(0x8000_0203_0000_0000)
    for _ in 0..<10 { firmware.answer(.mngCreate, status) }
    #expect(refusal { try host.createTD("a", door: firmware) }?.errno == .resourceTemporarilyUnavailable)
    for _ in 0..<9 { firmware.answer(.mngCreate, status) }
    try host.createTD("a", door: firmware)
  }

  @Test("TDH.VP.CREATE, ADDCX and INIT fail: the VM is bugged, and what the module took comes back with the TD")
  func vcpu() throws {
    for leaf in [ModuleLeaf.vpCreate, .vpAddcx, .vpInit] {
      let firmware = FakeFirmware()
      var host = bootedHost(.v8, firmware)
      let pages = host.pages.pagesInUse
      try host.createTD("a", door: firmware)
      let key = FakeFirmware.Key(rax: leaf == .vpInit ? 0x1_0016 : UInt64(leaf.rawValue), lp: nil)
      firmware.answers[key] = [failed(0xC000_0700_0000_0000)]
      let error = refusal {
        try host.withTD("a") { (td, host) throws(TDError) in try td.addVCPU(host: &host, door: firmware) }
      }
      #expect(error?.errno == .ioError)
      #expect(host.td()?.bug != nil)
      let name = String(leaf.name.map { $0 == "." ? "_" : $0 })
      #expect(
        host.lines == [
          "WARNING: arch/x86/kvm/vmx/tdx.c at tdx_td_vcpu_init, CPU#0",
          "kvm_intel: SEAMCALL \(name) failed: 0xc000070000000000",
        ])
      host.destroyTD("a", door: firmware)
      #expect(host.pages.pagesInUse == pages, "\(leaf)")
    }
  }

  @Test("what the monitor asks for may be refused: EINVAL, EBUSY for a lock, and the TD lives on")
  func refused() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.createTD("a", door: firmware)
    func finalize() -> TDError? {
      refusal { try host.withTD("a") { (td, host) throws(TDError) in try td.finalize(host: &host, door: firmware) } }
    }
    firmware.answer(.mrFinalize, failed(0xC000_0609_0000_0000), failed(0x8000_0200_0000_0080))
    let refused = finalize()
    #expect(refused?.errno == .invalidArgument)
    #expect(refused?.reason == "TDH.MR.FINALIZE on LP 0: TDX_NO_VCPUS 0xc000060900000000")
    #expect(finalize()?.errno == .resourceBusy)
    #expect(host.td()?.bug == nil)
    #expect(finalize() == nil)
    #expect(finalize()?.reason == "TD a is finalized already")
    #expect(host.lines.isEmpty)
  }

  @Test("VMfailInvalid at TDH.VP.ENTER: the VM is bugged, and every ioctl is EIO")
  func vmFailInvalid() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    firmware.answer(.vpEnter, .vmFailInvalid)
    let exit = try host.run(door: firmware)
    #expect(exit.kind == .internalError)
    #expect(exit.statusText == "VMfailInvalid 0x8000ff00ffff0000")
    #expect(host.lines == ["WARNING: arch/x86/kvm/vmx/tdx.c at tdx_handle_exit, CPU#0"])
    #expect(host.td()?.bug == "TDH.VP.ENTER failed with VMfailInvalid 0x8000ff00ffff0000")
    #expect(refusal { try host.run(door: firmware) }?.errno == .ioError)
  }

  @Test(
    "a module that does not work with TDs: an internal error with the raw status, a line, and no bug",
    arguments: [UInt64(0xC000_0506_0000_0000), 0xC000_0505_0000_0000, 0x6000_0002_0000_0000])
  func internalError(status: UInt64) throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    firmware.answer(.vpEnter, failed(status))
    #expect(try host.run(door: firmware).kind == .internalError)
    #expect(host.lines == ["kvm: TD vp_enter_ret 0x\(String(status, radix: 16))"])
    #expect(host.td()?.bug == nil)
    #expect(host.td()?.lastExit?.status.rawValue == status)
  }

  @Test("OPERAND_BUSY at TDH.VP.ENTER is tried again, and is EBUSY in the end")
  func busy() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    let busy = failed(0x8000_0200_0000_00A9)
    firmware.answer(.vpEnter, busy, busy, .returned(interrupted))
    #expect(try host.run(door: firmware).kind == .externalInterrupt)
    for _ in 0..<16 { firmware.answer(.vpEnter, busy) }
    #expect(refusal { try host.run(door: firmware) }?.errno == .resourceBusy)
  }

  @Test("a page fault that can't be served: the VM is bugged")
  func pageFault() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    let pages = host.pages.pagesInUse
    firmware.exits(fault(0x7000))
    firmware.answer(.memPageAug, failed(0xC000_0B0D_0000_0001))
    #expect(refusal { try host.run(door: firmware) }?.errno == .ioError)
    #expect(host.td()?.bug?.hasPrefix("TDH.MEM.PAGE.AUG failed with TDX_EPT_ENTRY_STATE_INCORRECT") == true)
    #expect(host.pages.pagesInUse == pages)
  }

  @Test("the module is lost: the directory goes, KeyID and pages stay until reboot, and the log says so")
  func leak() throws {
    for result in [SEAMCALLResult.vmFailInvalid, failed(0xC000_0506_0000_0000)] {
      let firmware = FakeFirmware()
      var host = LinuxHost(
        profile: .v8, configuration: HostConfiguration(packages: [0, 0, 1, 1], memory: [0..<(1 << 30)]), now: { 0 })
      host.boot(door: firmware)
      try host.makeRunningTD(door: firmware)
      host.log = KernelLog(now: { 0 })
      let pages = host.pages.pagesInUse
      firmware.moduleIsGone(result)
      host.destroyTD("a", door: firmware)
      #expect(host.tds.byName.isEmpty)
      #expect(host.pages.pagesInUse == pages)
      #expect(host.tds.leakedPages == 20)
      let status = String(result.linuxStatus, radix: 16)
      #expect(
        host.lines == [
          "WARNING: arch/x86/kvm/vmx/tdx.c at tdx_flush_vp_on_cpu, CPU#0",
          "kvm_intel: SEAMCALL TDH_VP_FLUSH failed: 0x\(status)",
          "kvm_intel: SEAMCALL TDH_MNG_VPFLUSHDONE failed: 0x\(status)",
          "kvm_intel: tdh_mng_vpflushdone() failed. HKID 65 is leaked.",
          "tdxfs: 20 pages of TD a are lost until reboot",
        ])
      // The KeyID is not in the pool, so a package can't lose its last CPU.
      #expect(host.tdsExist)
      try host.takeOffline(3, door: firmware)
      #expect(throws: Errno.resourceBusy) { try host.takeOffline(2, door: firmware) }
      let error = refusal { try host.createTD("b", door: firmware) }
      #expect(error?.errno == .ioError)
    }
  }

  @Test("TDH.MNG.KEY.FREEID fails: the KeyID is leaked, and no page can be reclaimed")
  func freeID() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    firmware.calls.removeAll()
    firmware.answer(.mngKeyFreeid, failed(0x8000_0817_0000_0000))
    host.destroyTD("a", door: firmware)
    #expect(firmware.summary().last == "TDH.MNG.KEY.FREEID@0")
    #expect(host.lines.contains("kvm_intel: tdh_mng_key_freeid() failed. HKID 65 is leaked."))
    try host.createTD("b", door: firmware)
    #expect(host.td("b")?.keyID == 66)
  }

  @Test("pages that can't be reclaimed are lost one by one, with ten lines at most")
  func reclaim() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    let pages = host.pages.pagesInUse
    firmware.always(.phymemPageReclaim, failed(0xC000_0300_0000_0001))
    host.destroyTD("a", door: firmware)
    #expect(host.pages.pagesInUse == pages)
    #expect(host.lines.count { $0.hasPrefix("kvm_intel: SEAMCALL TDH_PHYMEM_PAGE_RECLAIM failed:") } == 10)
    #expect(host.lines.last == "tdxfs: 20 pages of TD a are lost until reboot")
  }

  @Test("a host on which TDX did not come up has no TDs: ENODEV")
  func noTDX() {
    let firmware = FakeFirmware()
    var host = makeHost()
    #expect(refusal { try host.createTD("a", door: firmware) }?.errno == .operationNotSupportedByDevice)
  }

  @Test("a host without memory: ENOMEM, and nothing is lost")
  func noMemory() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    let pages = host.pages.pagesInUse
    host.pages.isExhausted = true
    #expect(refusal { try host.createTD("b", door: firmware) }?.errno == .noMemory)
    let error = refusal {
      try host.withTD("a") { (td, host) throws(TDError) in
        try td.augment(at: 0x8000, host: &host, door: firmware)
      }
    }
    #expect(error?.errno == .noMemory)
    host.pages.isExhausted = false
    #expect(host.pages.pagesInUse == pages)
    #expect(host.tds.keyIDs.inUse == 1)
  }
}
