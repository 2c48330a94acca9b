import FirmwareUpload
import Kernfs
import ModuleImage
import SEAM
import SystemPackage
import Testing

@testable import TDXHost

/// A view with fixed answers.
struct FixedView: HostView {
  var module: Result<ModuleVersion, Errno> = .success(ModuleVersion(1, 5, 6))
  var loader: Result<ModuleVersion, Errno> = .success(ModuleVersion(1, 5, 2))
  var remaining: Result<UInt32, Errno> = .success(15)
  func version() throws(Errno) -> ModuleVersion { try module.get() }
  func seamldrVersion() throws(Errno) -> ModuleVersion { try loader.get() }
  func numRemainingUpdates() throws(Errno) -> UInt32 { try remaining.get() }
  func compatCapable() throws(Errno) -> Bool { false }
}

@Suite("The device and its files", .timeLimit(.minutes(20)))
struct DeviceTests {
  /// path, mode (octal), text under ``FixedView``.
  static let files: [(profile: String, rows: [(String, String, String)], upload: String)] = [
    (
      "v8",
      [
        ("version", "444", "1.5.06\n"), ("seamldr_version", "400", "1.5.02\n"),
        ("num_remaining_updates", "400", "15\n"),
      ], "tdx_module"
    ),
    (
      "merged",
      [
        ("version", "444", "1.5.06\n"), ("seamldr_version", "400", "1.5.02\n"),
        ("num_remaining_updates", "400", "15\n"),
      ], "tdx_module"
    ),
    (
      "selector",
      [
        ("version", "444", "1.5.06\n"), ("num_remaining_updates", "400", "15\n"),
        ("seamldr/version", "400", "1.5.02\n"), ("seamldr/num_remaining_updates", "400", "15\n"),
      ], "seamldr_upload"
    ),
    (
      "v7",
      [
        ("version", "444", "1.5.06\n"), ("seamldr/version", "400", "1.5.02\n"),
        ("seamldr/num_remaining_updates", "400", "15\n"),
      ], "tdx_module"
    ),
  ]

  @Test("each profile has these files, with these modes and texts", arguments: 0..<4)
  func table(index: Int) throws {
    let row = Self.files[index]
    let profile = try #require(ABIProfile.named(row.profile))
    #expect(profile.uploadName == row.upload)
    #expect(profile.root == "devices/faux/tdx_host")
    var found: [[String]] = []
    for file in profile.files {
      let attribute = file.attribute(FixedView())
      var text = AttributeText()
      try attribute.show(&text)
      #expect(attribute.mode == file.mode)
      found.append([file.path, String(file.mode, radix: 8), String(decoding: text.bytes, as: UTF8.self)])
    }
    #expect(found == row.rows.map { [$0.0, $0.1, $0.2] })
  }

  @Test("a version of three digits is not cut")
  func longVersion() throws {
    var text = AttributeText()
    try VersionAttribute(view: FixedView(module: .success(ModuleVersion(2, 0, 100)))).show(&text)
    #expect(text.bytes == Array("2.0.100\n".utf8))
  }

  @Test("reads fail with the view's errno, and nothing can be written")
  func errors() {
    var text = AttributeText()
    let view = FixedView(
      module: .failure(.noSuchAddressOrDevice), loader: .failure(.permissionDenied), remaining: .failure(.ioError))
    #expect(throws: Errno.noSuchAddressOrDevice) { try VersionAttribute(view: view).show(&text) }
    #expect(throws: Errno.permissionDenied) { try SEAMLDRVersionAttribute(view: view).show(&text) }
    #expect(throws: Errno.ioError) { try NumRemainingUpdatesAttribute(view: view).show(&text) }
    #expect(text.bytes.isEmpty)
    #expect(throws: Errno.ioError) {
      try VersionAttribute(view: view).store([1], by: Caller(uid: 0, gid: 0, pid: 1))
    }
  }

  @Test(
    "INFO's result as errno and line, kernel-abi.md 5.5",
    arguments: [
      (SEAMCALLResult.vmFailInvalid, Int32(19), nil as String?),
      (.generalProtection, 95, nil),
      (.invalidOpcode, 13, nil),
      (
        .returned(Registers(rax: 0x8000_0000_0000_0000)), 5,
        "seamldr: SEAMCALL (0x8000000000000000) failed: 0x8000000000000000"
      ),
      (
        .returned(Registers(rax: 0x8000_0000_0003_0001)), 5,
        "seamldr: SEAMCALL (0x8000000000000000) failed: 0x8000000000030001"
      ),
    ])
  func info(result: SEAMCALLResult, errno: Int32, line: String?) {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.answer(.info, result, result)
    #expect(throws: Errno(rawValue: errno)) { try host.seamldrVersion(door: firmware) }
    #expect(throws: Errno(rawValue: errno)) { try host.numRemainingUpdates(door: firmware) }
    #expect(host.lines == (line.map { [$0, $0] } ?? []))
    #expect(firmware.transcript() == ["SEAMLDR.INFO@0", "SEAMLDR.INFO@0"])
  }

  @Test("INFO is asked on every read, into a buffer aligned to 256")
  func infoEveryRead() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    #expect(try host.numRemainingUpdates(door: firmware) == 15)
    firmware.remainingUpdates = 0x0001_0002
    #expect(try host.numRemainingUpdates(door: firmware) == 0x0001_0002)
    #expect(try host.seamldrVersion(door: firmware) == ModuleVersion(1, 5, 2))
    #expect(firmware.calls.allSatisfy { $0.registers.rcx % 256 == 0 })
    #expect(Set(firmware.calls.map(\.registers.rcx)).count == 1)
  }

  @Test("visibility, kernel-abi.md 3.1", arguments: ["v8", "merged"])
  func visibility(name: String) throws {
    let profile = try #require(ABIProfile.named(name))
    let all = HostDevice(hasSEAMLDRFiles: true, hasUpload: true)
    let versionOnly = HostDevice(hasSEAMLDRFiles: false, hasUpload: false)
    let plain = FakeFirmware()
    plain.remainingUpdates = 0
    #expect(bootedHost(profile, plain).device == all)
    #expect(bootedHost(profile, FakeFirmware(), erratum: true).device == versionOnly)
    let notPreserving = FakeFirmware(features0: 0xD132_6F3F_0FBF & ~2)
    #expect(bootedHost(profile, notPreserving).device == versionOnly)
    #expect(profile.files.filter { !$0.isSEAMLDRFile }.map(\.path) == ["version"])
  }

  @Test(
    "errno to upload error, kernel-abi.md 3.3",
    arguments: [
      ("v8", Int32(16), FirmwareUploadError.deviceBusy), ("v8", 5, .firmwareInvalid), ("v8", 12, .firmwareInvalid),
      ("v8", 22, .firmwareInvalid), ("selector", 16, .deviceBusy), ("selector", 19, .firmwareInvalid),
      ("merged", 16, .firmwareInvalid), ("merged", 95, .firmwareInvalid), ("merged", 13, .firmwareInvalid),
      ("v7", 16, .deviceBusy), ("v7", 5, .hwError), ("v7", 12, .readWriteError), ("v7", 22, .firmwareInvalid),
    ])
  func uploadError(name: String, errno: Int32, expected: FirmwareUploadError) {
    #expect(ABIProfile.named(name)?.uploadError(for: Errno(rawValue: errno)) == expected)
    #expect(ABIProfile.named(name)?.uploadError(for: nil) == nil)
  }
}

@Suite("CPU hotplug, kernel-abi.md 5.8", .timeLimit(.minutes(20)))
struct HotplugTests {
  @Test("CPU 0 stays, others go and come back without a SEAMCALL")
  func plain() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    #expect(throws: Errno.resourceBusy) { try host.takeOffline(0, door: firmware) }
    try host.takeOffline(2, door: firmware)
    try host.takeOffline(2, door: firmware)
    #expect(host.onlineCPUs == [0, 1, 3])
    try host.takeOnline(2, door: firmware)
    #expect(host.onlineCPUs == [0, 1, 2, 3])
    #expect(firmware.calls.isEmpty)
    #expect(throws: Errno.operationNotSupportedByDevice) { try host.takeOffline(4, door: firmware) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try host.takeOnline(-1, door: firmware) }
  }

  @Test("with TDs, a package keeps a CPU")
  func packages() throws {
    let firmware = FakeFirmware()
    var host = LinuxHost(
      profile: .v8, configuration: HostConfiguration(packages: [0, 0, 1, 1], memory: [0..<(1 << 30)]), now: { 0 })
    host.boot(door: firmware)
    host.log = KernelLog(now: { 0 })
    #expect(!host.tdsExist)
    try host.createTD("a", door: firmware)
    #expect(host.tdsExist)
    try host.takeOffline(2, door: firmware)
    #expect(throws: Errno.resourceBusy) { try host.takeOffline(3, door: firmware) }
    #expect(
      host.lines == [
        "virt/tdx: TDX requires all packages to have an online CPU. Delete all TDs in order to offline all CPUs of "
          + "a package."
      ])
    host.destroyTD("a", door: firmware)
    try host.takeOffline(3, door: firmware)
  }

  @Test("a CPU that missed a fatal update tries TDH.SYS.INIT itself, and stays offline")
  func afterFailure() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.takeOffline(3, door: firmware)
    firmware.answer(.install, on: 2, failed(0x8000_0000_0002_0000))
    _ = update(&host, firmware)
    firmware.calls.removeAll()
    firmware.always(.sysInit, failed(0xC000_0506_0000_0000))
    #expect(throws: Errno.ioError) { try host.takeOnline(3, door: firmware) }
    #expect(throws: Errno.ioError) { try host.takeOnline(3, door: firmware) }
    #expect(firmware.transcript() == ["TDH.SYS.INIT@3"])
    #expect(host.offlineCPUs == [3])
  }

  @Test("no hotplug during an update")
  func locked() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    var run = ModuleUpdate(image: blob(), host: host)
    #expect(run.step(host: &host, door: firmware) == .running)
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try host.takeOffline(1, door: firmware) }
    _ = run.run(host: &host, door: firmware)
    #expect(throws: Never.self) { try host.takeOffline(1, door: firmware) }
  }
}
