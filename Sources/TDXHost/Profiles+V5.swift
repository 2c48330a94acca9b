/// v5, 2026-03-15: the first that knows the SEAMRET erratum, and that checks neither CPUs nor remaining updates.
extension ABIProfile {
  /// v5.
  public static let v5: ABIProfile = {
    var profile = v6
    profile.name = "v5"
    profile.resetsOfflineCPUs = false
    profile.uploadErrors = UploadErrorMap([
      .resourceBusy: .deviceBusy, .ioError: .hwError, .noSpace: .flashWearout, .noMemory: .readWriteError,
    ])
    return profile
  }()
}
