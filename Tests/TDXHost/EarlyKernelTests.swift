import FirmwareUpload
import ModuleImage
import SEAM
import SystemPackage
import Testing

@testable import TDXHost

/// What only the first postings do.
@Suite("Kernels v1 to v6", .timeLimit(.minutes(20)))
struct EarlyKernelTests {
  @Test("v1 asks INFO at boot and after a success, and shows what it heard")
  func cachedInfo() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v1, firmware)
    firmware.remainingUpdates = 9
    #expect(try host.numRemainingUpdates(door: firmware) == 15)
    #expect(firmware.calls.isEmpty)
    firmware.answer(.sysShutdown, failed(0x8000_0202_0000_0000))
    #expect(update(&host, firmware, image: sealed(blob())).errno == .ioError)
    #expect(try host.numRemainingUpdates(door: firmware) == 15)
    #expect(update(&host, firmware, image: sealed(blob())).errno == nil)
    #expect(try host.numRemainingUpdates(door: firmware) == 9)
    #expect(firmware.calls.filter { $0.leaf == "SEAMLDR.INFO" }.count == 1)
  }

  @Test("v1 without INFO makes nothing and says so")
  func noInfo() {
    let firmware = FakeFirmware()
    firmware.permanent[FakeFirmware.Key(rax: LoaderLeaf.info.rawValue, lp: nil)] = failed(0x8000_0000_0000_0000)
    var host = makeHost(.v1)
    host.boot(door: firmware)
    #expect(host.device == nil)
    #expect(
      host.lines.suffix(2) == [
        "virt/tdx: SEAMLDR (0) failed: 0x8000000000000000", "virt/tdx: failed to get seamldr info -5",
      ])
  }

  @Test("v2 refuses the whole device, with a line, where the module or the loader allows no update")
  func refusedDevice() {
    let firmware = FakeFirmware(features0: 0xD132_6F3F_0FBF & ~2)
    var host = makeHost(.v2)
    host.boot(door: firmware)
    #expect(host.device == nil)
    #expect(host.lines.last == "Current TDX Module cannot be updated. Consider BIOS updates")
    #expect(host.isModuleInitialized)
    let spent = FakeFirmware()
    spent.remainingUpdates = 0
    var other = makeHost(.v2)
    other.boot(door: spent)
    #expect(other.device == nil)
    #expect(other.lines.last == "P-SEAMLDR doesn't support TDX Module updates")
  }

  @Test(
    "a failed SEAMCALL as each kernel writes it",
    arguments: [
      ("v1", "virt/tdx: SEAMCALL (52) failed: 0x0000020200000000", "virt/tdx: SEAMLDR (1) failed: 0x0000000000020000"),
      ("v2", "virt/tdx: SEAMCALL (52) failed: 0x00020200000000", "seamldr: P-SEAMLDR (1) failed: 0x0000000000020000"),
      ("v3", nil, "seamldr: P-SEAMLDR (8000000000000001) failed: 0x00000000020000"),
      ("v4", nil, "seamldr: SEAMCALL (0x8000000000000001) failed: 0x0000000000020000"),
      ("v6", nil, "seamldr: SEAMCALL (0x8000000000000001) failed: 0x0000000000020000"),
      (
        "v7", "virt/tdx: SEAMCALL (0x0000000000000034) failed: 0x0000020200000000",
        "seamldr: SEAMCALL (0x8000000000000001) failed: 0x0000000000020000"
      ),
    ])
  func formats(name: String, shutdown: String?, install: String) throws {
    let profile = try #require(ABIProfile.named(name))
    let lost = "seamldr: update failed, SEAMCALLs will report failure until TDs killed"
    let firmware = FakeFirmware()
    var host = bootedHost(profile, firmware)
    firmware.answer(.sysShutdown, failed(0x202_0000_0000))
    #expect(update(&host, firmware, image: sealed(blob())).errno == .ioError)
    // v3 to v6 lose the line; v1 and v2 take the module for lost.
    #expect(host.lines == (shutdown.map { [$0] } ?? []) + (["v1", "v2"].contains(name) ? [lost] : []))
    let other = FakeFirmware()
    var otherHost = bootedHost(profile, other)
    other.answer(.install, on: 3, failed(0x2_0000))
    #expect(update(&otherHost, other, image: sealed(blob())).isTDXLost)
    #expect(otherHost.lines == [install, lost])
  }

  @Test("v1 and v2 give the module up when SHUTDOWN fails, until an update succeeds", arguments: ["v1", "v2"])
  func givenUp(name: String) throws {
    let firmware = FakeFirmware()
    var host = bootedHost(try #require(ABIProfile.named(name)), firmware)
    firmware.answer(.sysShutdown, failed(0x8000_0202_0000_0000))
    #expect(!update(&host, firmware, image: sealed(blob())).isTDXLost)
    #expect(throws: Errno.noSuchAddressOrDevice) { try host.version() }
    #expect(update(&host, firmware, image: sealed(blob())).errno == nil)
    #expect((try? host.version()) == ModuleVersion(1, 5, 28))
  }

  @Test(
    "after a failed INSTALL all CPUs go on with theirs in v1 and v2, and nobody later", arguments: ["v1", "v2", "v3"])
  func fastForward(name: String) throws {
    let firmware = FakeFirmware()
    var host = bootedHost(try #require(ABIProfile.named(name)), firmware)
    firmware.answer(.install, on: 1, failed(0x8000_0000_0000_0003))
    #expect(update(&host, firmware, image: sealed(blob())).lp == 1)
    let installs = firmware.calls.filter { $0.leaf == "SEAMLDR.INSTALL" }.map(\.lp)
    #expect(installs == (name == "v3" ? [0, 1] : [0, 1, 2, 3]))
    #expect(!firmware.calls.contains { $0.leaf == "TDH.SYS.INIT" })
  }

  @Test("v1 and v2 keep TDH.SYS.UPDATE's status in an int", arguments: ["v1", "v2"])
  func cutStatus(name: String) throws {
    let profile = try #require(ABIProfile.named(name))
    let firmware = FakeFirmware()
    var host = bootedHost(profile, firmware)
    firmware.answer(.sysUpdate, failed(0xC000_0509_0000_0000))
    let unseen = update(&host, firmware, image: sealed(blob()))
    #expect(unseen.errno == nil)
    #expect(unseen.overlooked?.status.rawValue == 0xC000_0509_0000_0000)
    firmware.answer(.sysUpdate, .vmFailInvalid)
    host.log = KernelLog(now: { 0 })
    let seen = update(&host, firmware, image: sealed(blob()))
    #expect(profile.uploadError(for: seen.errno) == .firmwareInvalid)
    #expect(host.lines.first == "virt/tdx: module update failed: -65536")
    #expect(throws: Errno.noSuchAddressOrDevice) { try host.version() }
  }

  @Test(
    "changed features are remarked on, in each kernel's words",
    arguments: [
      ("v1", "a potential BIOS update."), ("v2", "a potential BIOS update."),
      ("v3", "updating your BIOS to install the TDX Module."), ("v4", "updating your BIOS to install the TDX Module."),
      ("v5", "updating your BIOS to install the TDX module."), ("v7", "updating your BIOS to install the TDX module."),
      ("v8", nil),
    ])
  func features(name: String, end: String?) throws {
    for field in [0x0A00_0003_0000_0008, 0x9900_0003_0000_0503] as [UInt64] {
      let firmware = FakeFirmware()
      var host = bootedHost(try #require(ABIProfile.named(name)), firmware)
      firmware.metadata[field] = 0xF_0FBF
      #expect(update(&host, firmware, image: sealed(blob())).errno == nil)
      let remark = "virt/tdx: TDX module features have changed after updates, but might not take effect."
      #expect(host.lines.contains(remark) == (end != nil))
      if let end { #expect(host.lines.last == "virt/tdx: Please consider \(end)") }
      #expect(host.sysInfo.features.contains(.updateCompatibility))
    }
  }

  @Test("cancel: consumed by the next step in v1 and v2, cleared by prepare in v3, nothing later")
  func cancel() {
    func steps(_ profile: ABIProfile, cancelBefore: Bool) -> [String] {
      var flag = CancelFlag(profile.cancel)
      var found: [String] = []
      if cancelBefore { flag.cancel() }
      for upload in 0..<2 {
        do throws(FirmwareUploadError) {
          try flag.prepare()
          if !cancelBefore, upload == 0 { flag.cancel() }
          do throws(FirmwareUploadError) {
            try flag.write()
            found.append("ok")
          } catch { found.append("write") }
        } catch { found.append("prepare") }
      }
      return found
    }
    for profile in [ABIProfile.v1, .v2] {
      #expect(steps(profile, cancelBefore: true) == ["prepare", "ok"])
      #expect(steps(profile, cancelBefore: false) == ["write", "ok"])
    }
    #expect(steps(.v3, cancelBefore: true) == ["ok", "ok"])
    #expect(steps(.v3, cancelBefore: false) == ["write", "ok"])
    #expect(steps(.v4, cancelBefore: true) == ["ok", "ok"])
    #expect(steps(.merged, cancelBefore: false) == ["ok", "ok"])
  }

  @Test("a module whose TDH.SYS.TDMR.INIT never gets to the end does not hang the boot")
  func endlessTDMRInit() {
    let firmware = FakeFirmware()
    firmware.always(.sysTDMRInit, .returned(Registers(rax: 0)))
    var host = makeHost()
    host.boot(door: firmware)
    #expect(host.device == nil)
    #expect(host.lines.last == "virt/tdx: TDX-Module initialization failed (-5)")
    #expect(host.lines.contains { $0.contains("given up") })
  }
}
