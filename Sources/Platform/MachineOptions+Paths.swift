import TDXHost

extension MachineOptions {
  /// Path of the upload device's directory from the root of the mount.
  public var uploadPath: String? {
    guard device == .tdxHost, let profile = ABIProfile.named(abi) else { return nil }
    let directory = "firmware/\(profile.uploadName)"
    return layout == .sys ? "\(profile.root)/\(directory)" : directory
  }
}
