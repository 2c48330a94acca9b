/// v10, 2026-05-20: what was merged, but for the SHUTDOWN flag and its error.
extension ABIProfile {
  /// v10. Here, and in the values below it, only what differs from the next later version is written down.
  public static let v10: ABIProfile = {
    var profile = merged
    profile.name = "v10"
    profile.handoffVersion = .readAtShutdownElseZero
    profile.shutdownFlag = .always
    profile.shutdownFailure = .busyElseLoggedIOError
    profile.uploadErrors = UploadErrorMap([.resourceBusy: .deviceBusy])
    return profile
  }()
}
