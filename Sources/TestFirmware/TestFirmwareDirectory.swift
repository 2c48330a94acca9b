import FirmwareUpload
import Kernfs

/// Where the driver is in a `/sys` tree (golden layout.*, plain.*).
extension TestFirmware {
  /// The directory of the device, below the root of the tree.
  public static let path = "devices/virtual/misc/test_firmware"
  /// The class whose members are the registered devices.
  public static let classPath = "class/firmware"

  /// `test_firmware` with its knobs; registered devices come into it.
  public var directory: Entry {
    let (major, minor) = (Self.major, Self.minor)
    let log = environment.log
    return Kernfs.directory(Self.name) {
      file(
        "uevent",
        UeventAttribute(logPrefix: "misc \(Self.name)", log: { log(.error, $0) }) { text in
          text.append("MAJOR=\(major)\nMINOR=\(minor)\nDEVNAME=\(Self.name)\n")
        })
      file("dev", ConstantAttribute("\(major):\(minor)\n"))
      symlink("subsystem", to: "../../../../class/misc")
      PowerDirectory.directory(.advancedDebug)
      configurationEntries
      requestEntries
      file("upload_read", UploadReadAttribute(module: self))
      file("upload_register", UploadRegisterAttribute(module: self))
      file("upload_unregister", UploadUnregisterAttribute(module: self))
    }
  }

  /// Everything that stands around it: each entry with the directory that it is added to.
  public var links: [(entry: Entry, parent: String)] {
    [
      (symlink(Self.name, to: "../../\(Self.path)"), "class/misc"),
      (symlink("\(Self.major):\(Self.minor)", to: "../../\(Self.path)"), "dev/char"),
    ]
  }

  /// The directory of a registered device, which stands in the one at ``path``.
  public static func directory(of device: FirmwareUploadDevice) -> Entry {
    device.directory(
      deviceTarget: "../../\(name)", subsystemTarget: "../../../../../class/firmware", power: .advancedDebug)
  }

  /// The link to a registered device, which stands in the directory at ``classPath``.
  public static func link(to device: FirmwareUploadDevice) -> Entry {
    symlink(device.name, to: "../../\(path)/\(device.name)")
  }

  /// `/sys/module/firmware_class`: both are built in, and only this one has a parameter.
  public static var loaderModule: Entry {
    Kernfs.directory("firmware_class") {
      Kernfs.directory("parameters") { file("path", FirmwareSearchPathAttribute()) }
    }
  }

  @EntryBuilder private var configurationEntries: [Entry] {
    file("reset", ResetAttribute(module: self))
    file("config", ConfigAttribute(module: self))
    file("config_name", ConfigNameAttribute(module: self))
    file(
      "config_num_requests", ConfigByteAttribute(module: self, setting: \.numRequests, isHeldByRequests: true))
    file("config_into_buf", ConfigBoolAttribute(module: self, setting: \.intoBuf))
    file("config_buf_size", ConfigSizeAttribute(module: self, setting: \.bufSize))
    file("config_file_offset", ConfigSizeAttribute(module: self, setting: \.fileOffset))
    file("config_partial", ConfigBoolAttribute(module: self, setting: \.partial))
    file("config_sync_direct", ConfigBoolAttribute(module: self, setting: \.syncDirect))
    file("config_send_uevent", ConfigBoolAttribute(module: self, setting: \.sendUevent))
    file("config_read_fw_idx", ConfigByteAttribute(module: self, setting: \.readFwIdx))
    file("config_upload_name", ConfigUploadNameAttribute(module: self))
  }

  @EntryBuilder private var requestEntries: [Entry] {
    file("trigger_request", TriggerRequestAttribute(module: self))
    file("trigger_async_request", TriggerAsyncRequestAttribute(module: self))
    file("trigger_custom_fallback", TriggerCustomFallbackAttribute(module: self))
    file("trigger_batched_requests", TriggerBatchedRequestsAttribute(module: self, isAsynchronous: false))
    file("trigger_batched_requests_async", TriggerBatchedRequestsAttribute(module: self, isAsynchronous: true))
    file("release_all_firmware", ReleaseAllFirmwareAttribute(module: self))
    file("test_result", TestResultAttribute(module: self))
    file("read_firmware", ReadFirmwareAttribute(module: self))
  }
}
