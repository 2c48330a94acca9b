import FirmwareUpload
import Kernfs
import ModuleImage
import SEAM
import SystemPackage
import Testing

@testable import TDXHost

/// Table 3.4 of kernel-abi.md, written down again column by column; what the code says is compared with it.
struct Column: Sendable, CustomTestStringConvertible {
  var name: String
  /// path, mode, text of ``FixedView`` (module 1.5.6, P-SEAMLDR 1.5.2, 15 updates).
  var files: [String]
  var upload: String
  /// TD_PRESERVING missing; erratum; no remaining updates; INFO fails.
  var visible: [String]
  /// EBUSY, EIO, ENOSPC, ENOMEM, EINVAL.
  var errors: [FirmwareUploadError]
  /// RCX of SHUTDOWN for a module with and one without FEATURES0 bit 47, MODULE_HV 1.
  var shutdown: [UInt64]
  var success: [String]
  var readError: Int32
  var testDescription: String { name }

  var isImageV2: Bool { ["v9", "v10", "merged"].contains(name) }
  var image: [UInt8] { isImageV2 ? imageV2() : sealed(blob()) }
  var profile: ABIProfile { ABIProfile.named(name) ?? .v8 }
}

/// An image of version 0x100 whose 16-bit words sum up to 0, which v1 to v3 want.
func sealed(_ image: [UInt8]) -> [UInt8] {
  var image = image
  image.store(UInt16(0), at: 2)
  var sum: UInt16 = 0
  for index in stride(from: 0, to: image.count, by: 2) {
    sum &+= UInt16(image[index]) &+ (index + 1 < image.count ? UInt16(image[index + 1]) << 8 : 0)
  }
  image.store(0 &- sum, at: 2)
  return image
}

private let all = "files upload"
private let invalidOnly = [FirmwareUploadError](repeating: .firmwareInvalid, count: 5)
private let early: [FirmwareUploadError] = [.deviceBusy, .hwError, .flashWearout, .readWriteError, .firmwareInvalid]
private let v6Errors: [FirmwareUploadError] = [
  .deviceBusy, .hwError, .firmwareInvalid, .readWriteError, .firmwareInvalid,
]
private let busyOnly: [FirmwareUploadError] = [.deviceBusy] + invalidOnly.dropFirst()
private let seamldr0400 = [
  "version 444 1.5.06", "seamldr/version 400 1.5.02", "seamldr/num_remaining_updates 400 15",
]
private let v8Files = ["version 444 1.5.06", "seamldr_version 400 1.5.02", "num_remaining_updates 400 15"]
private let printed = "virt/tdx: version 1.5.24 -> 1.5.28"
private let reread = ["virt/tdx: Module version: 1.5.28", printed]

let columns: [Column] = [
  Column(
    name: "v1",
    files: ["tdx_tsm/version 444 1.5.6", "seamldr/version 444 1.5.2", "seamldr/num_remaining_updates 444 15"],
    upload: "seamldr_upload", visible: [all, all, all, "-"], errors: invalidOnly, shutdown: [1, 1], success: [printed],
    readError: 0),
  Column(
    name: "v2", files: ["version 444 1.5.6", "seamldr/version 444 1.5.2", "seamldr/num_remaining_updates 444 15"],
    upload: "seamldr_upload", visible: ["-", all, "-", "-"], errors: invalidOnly, shutdown: [1, 1], success: [printed],
    readError: 6),
  Column(
    name: "v3",
    files: [
      "version 444 1.5.06", "compat_capable 444 0", "seamldr/version 444 1.5.02",
      "seamldr/num_remaining_updates 444 15",
    ], upload: "seamldr_upload", visible: [all, all, all, all], errors: early, shutdown: [0x10001, 1], success: reread,
    readError: 6),
  Column(
    name: "v4", files: seamldr0400, upload: "tdx_module", visible: ["files", all, all, all], errors: early,
    shutdown: [0x10001, 1], success: reread, readError: 5),
  Column(
    name: "v5", files: seamldr0400, upload: "tdx_module", visible: ["", "", all, all], errors: early,
    shutdown: [0x10001, 1], success: reread, readError: 5),
  Column(
    name: "v6", files: seamldr0400, upload: "tdx_module", visible: ["", "", all, all], errors: v6Errors,
    shutdown: [0x10001, 1], success: reread, readError: 5),
  Column(
    name: "v7", files: seamldr0400, upload: "tdx_module", visible: ["", "", all, all], errors: v6Errors,
    shutdown: [0x10001, 1], success: reread, readError: 5),
  Column(
    name: "v8", files: v8Files, upload: "tdx_module", visible: ["", "", all, all], errors: busyOnly,
    shutdown: [0x10001, 0x10001], success: [printed], readError: 5),
  Column(
    name: "v9", files: v8Files, upload: "tdx_module", visible: ["", "", all, all], errors: busyOnly,
    shutdown: [0x10001, 0x10001], success: [], readError: 5),
  Column(
    name: "v10", files: v8Files, upload: "tdx_module", visible: ["", "", all, all], errors: busyOnly,
    shutdown: [0x10001, 0x10001], success: [], readError: 5),
  Column(
    name: "merged", files: v8Files, upload: "tdx_module", visible: ["", "", all, all], errors: invalidOnly,
    shutdown: [1, 1], success: [], readError: 5),
  Column(
    name: "selector",
    files: [
      "version 444 1.5.06", "num_remaining_updates 400 15", "seamldr/version 400 1.5.02",
      "seamldr/num_remaining_updates 400 15",
    ], upload: "seamldr_upload", visible: ["", "", all, all], errors: busyOnly, shutdown: [0x10001, 1],
    success: [printed], readError: 5),
]

@Suite("Table 3.4 of kernel-abi.md, a profile a column", .timeLimit(.minutes(20)))
struct ProfileTableTests {
  @Test("every profile has a column, and every column a profile")
  func complete() {
    #expect(Set(ABIProfile.all.map(\.name)) == Set(columns.map(\.name)))
    #expect(ABIProfile.all.first?.name == "v8")
    for column in columns { #expect(ABIProfile.named(column.name)?.name == column.name) }
  }

  @Test("files, modes, formats and the name of the upload", arguments: columns)
  func files(column: Column) throws {
    var found: [String] = []
    for file in column.profile.files {
      let attribute = file.attribute(FixedView())
      var text = AttributeText()
      try attribute.show(&text)
      #expect(attribute.mode == file.mode)
      found.append(
        "\(file.path) \(String(file.mode, radix: 8)) \(String(decoding: text.bytes.dropLast(), as: UTF8.self))")
    }
    #expect(found == column.files)
    #expect(column.profile.uploadName == column.upload)
    #expect(column.profile.root == (column.name == "v1" ? "devices/virtual/tdx" : "devices/faux/tdx_host"))
  }

  @Test("visibility", arguments: columns)
  func visibility(column: Column) {
    func look(_ firmware: FakeFirmware, erratum: Bool = false) -> String {
      guard let device = bootedHost(column.profile, firmware, erratum: erratum).device else { return "-" }
      return [device.hasSEAMLDRFiles ? "files" : nil, device.hasUpload ? "upload" : nil].compactMap(\.self)
        .joined(separator: " ")
    }
    let spent = FakeFirmware()
    spent.remainingUpdates = 0
    let mute = FakeFirmware()
    mute.permanent[FakeFirmware.Key(rax: LoaderLeaf.info.rawValue, lp: nil)] = failed(0x8000_0000_0000_0000)
    #expect(look(FakeFirmware()) == all)
    #expect(
      [
        look(FakeFirmware(features0: 0xD132_6F3F_0FBF & ~2)), look(FakeFirmware(), erratum: true), look(spent),
        look(mute),
      ]
        == column.visible)
  }

  @Test("errno to upload error", arguments: columns)
  func errors(column: Column) {
    let found = [16, 5, 28, 12, 22].map { column.profile.uploadError(for: Errno(rawValue: $0)) }
    #expect(found == column.errors.map { $0 })
    #expect(column.profile.uploadError(for: Errno(rawValue: 19)) == .firmwareInvalid)
  }

  @Test("success: RCX of SHUTDOWN, log, version, what is kept", arguments: columns)
  func success(column: Column) {
    for (features, operand) in zip([0xD132_6F3F_0FBF, 0x1F_0FBF] as [UInt64], column.shutdown) {
      let firmware = FakeFirmware(features0: features)
      var host = bootedHost(column.profile, firmware)
      let record = update(&host, firmware, image: column.image)
      #expect(record.errno == nil)
      #expect(record.shutdownOperand == operand)
      #expect(host.lines == column.success)
      #expect((try? host.version()) == ModuleVersion(1, 5, 28))
    }
  }

  @Test("a new major and minor version is kept by v1 to v6, v9, v10 and merged", arguments: columns)
  func kept(column: Column) {
    let firmware = FakeFirmware()
    var host = bootedHost(column.profile, firmware)
    firmware.metadata[0x0800_0001_0000_0003] = 6
    _ = update(&host, firmware, image: column.image)
    let onlyUpdate = ["v7", "v8", "selector"].contains(column.name)
    #expect((try? host.version()) == ModuleVersion(1, onlyUpdate ? 5 : 6, 28))
  }

  @Test("a failed INFO on a read: the call's errno, ENXIO in v2 and v3, nothing in v1", arguments: columns)
  func readError(column: Column) {
    let firmware = FakeFirmware()
    var host = bootedHost(column.profile, firmware)
    firmware.answer(.info, failed(0x8000_0000_0000_0000))
    if column.readError == 0 {
      #expect((try? host.numRemainingUpdates(door: firmware)) == 15)
      #expect(firmware.calls.isEmpty)
    } else {
      #expect(throws: Errno(rawValue: column.readError)) { try host.numRemainingUpdates(door: firmware) }
    }
  }

  @Test(
    "an offline CPU and no remaining updates: refused by v1 to v4 as the table says, not looked at later",
    arguments: columns)
  func availability(column: Column) throws {
    let firmware = FakeFirmware()
    var host = bootedHost(column.profile, firmware)
    firmware.remainingUpdates = 0
    host.cachedInfo?.numRemainingUpdates = 0
    let spent = update(&host, firmware, image: column.image).errno
    #expect(spent == (["v1", "v2", "v3", "v4"].contains(column.name) ? .noSpace : nil))

    let other = FakeFirmware()
    var otherHost = bootedHost(column.profile, other)
    try otherHost.takeOffline(2, door: firmware)
    let offline = update(&otherHost, other, image: column.image)
    #expect(offline.errno == (["v2", "v3", "v4"].contains(column.name) ? .resourceBusy : nil))
    let article = column.name == "v4" ? "the TDX Module" : "TDX module"
    if offline.errno != nil {
      #expect(otherHost.lines == ["seamldr: Cannot update \(article) if any CPU is offline"])
      #expect(!offline.isTDXLost)
    }
    let online = otherHost.isLPInitialized[2]
    let keepsOffline = ["v1", "v5"].contains(column.name) || offline.errno != nil
    #expect(online == keepsOffline)
  }

  @Test("the lead CPU is the first online one, CPU 0 from v9 on", arguments: columns)
  func lead(column: Column) {
    let firmware = FakeFirmware()
    var host = bootedHost(column.profile, firmware)
    _ = update(&host, firmware, image: column.image)
    #expect(firmware.calls.first { $0.leaf == "TDH.SYS.SHUTDOWN" }?.lp == 0)
    switch column.profile.leadCPU {
    case .cpu0: #expect(column.isImageV2)
    case .firstOnline: #expect(!column.isImageV2)
    }
  }

  @Test("the P-SEAMLDR's lack of entropy is retried by v1 to v3 only, in place of the module's", arguments: columns)
  func entropy(column: Column) {
    let retries = ["v1", "v2", "v3"].contains(column.name)
    for (status, isRetried) in [(0x8000_0000_0003_0001, retries), (0x8000_0203_0000_0000, !retries)] as [(UInt64, Bool)]
    {
      let firmware = FakeFirmware()
      var host = bootedHost(column.profile, firmware)
      firmware.answer(.install, on: 1, failed(status))
      #expect((update(&host, firmware, image: column.image).errno == nil) == isRetried)
    }
  }
}
