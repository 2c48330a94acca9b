import Kernfs

extension FirmwareUploadDevice {
  /// The device's directory under its own name, with everything in it (kernel-abi 1.1).
  ///
  /// - Parameters:
  ///   - deviceTarget: where the link `device` leads ("../../../tdx_host").
  ///   - subsystemTarget: where the link `subsystem` leads ("../../../../../class/firmware").
  ///   - power: which files `power` has.
  ///   - showsFallback: the variables of `uevent`, which a kernel without `CONFIG_FW_LOADER_USER_HELPER` lacks.
  public func directory(
    deviceTarget: String, subsystemTarget: String, power: PowerDirectory.Variant = .plain, showsFallback: Bool = true
  ) -> Entry {
    Kernfs.directory(name) {
      file("loading", LoadingAttribute(self))
      file("data", DataAttribute(self))
      file("status", StatusAttribute(self))
      file("error", ErrorAttribute(self))
      file("remaining_size", RemainingSizeAttribute(self))
      file("cancel", CancelAttribute(self))
      file("uevent", uevent(showsFallback: showsFallback))
      symlink("device", to: deviceTarget)
      symlink("subsystem", to: subsystemTarget)
      PowerDirectory.directory(power)
    }
  }

  private func uevent(showsFallback: Bool) -> UeventAttribute {
    let (name, timeout) = (name, timeout)
    return UeventAttribute(logPrefix: logPrefix, log: environment.log) { text in
      guard showsFallback else { return }
      text.append("FIRMWARE=")
      text.append(name)
      text.append("\nTIMEOUT=")
      text.append(decimal: UInt64(clamping: timeout.seconds))
      text.append("\nASYNC=0\n")
    }
  }
}
