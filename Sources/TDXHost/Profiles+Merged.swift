/// What was merged for Linux 7.2.
extension ABIProfile {
  /// Merged.
  public static let merged: ABIProfile = {
    var profile = v8
    profile.name = "merged"
    profile.preflight = [
      .image(.atLeast(4096)),
      .allocation,
      .image(.pageCountsMatchSize),
      .image(.version(0x200)),
      .image(.pageCounts(sigstruct: 1, module: 496)),
      .image(.signature(at: 4)),
      .image(.reserved(20..<4096)),
    ]
    profile.layout = .tdxImage(sigstructPages: .refused(above: 1), modulePages: .refused(above: 496))
    profile.params = SEAMLDRParamsRule(sigstructEntries: 1, versionOneForSeveralSigstructPages: false)
    profile.leadCPU = .cpu0
    profile.handoffVersion = .readAtShutdownElseFail
    profile.shutdownFlag = .never
    profile.shutdownFailure = .common
    profile.refresh = .wholeVersionInStopMachine
    profile.uploadErrors = UploadErrorMap()
    profile.successLog = .none
    profile.kconfig = "TDX_HOST_SERVICES (tristate without prompt, default m)"
    return profile
  }()
}
