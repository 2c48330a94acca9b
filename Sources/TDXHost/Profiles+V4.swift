/// v4, 2026-02-12: the first whose upload is called `tdx_module`.
extension ABIProfile {
  /// v4.
  public static let v4: ABIProfile = {
    var profile = v5
    profile.name = "v4"
    profile.visibility = VisibilityRule(upload: [.tdPreservingElseRemark])
    profile.preflight = [
      .seamldrInfo(failure: nil),
      .remainingUpdates,
      .allocation,
      .image(.atLeast(4096)),
      .image(.largerThanModuleOffset),
      .image(.version(0x100), line: "seamldr: unsupported blob version: %x"),
      .image(.reserved(20..<4096), line: "seamldr: non-zero reserved fields"),
      .image(.moduleOffsetInside),
      .image(.lengthMatchesSize),
      .image(.signature(at: 8), line: "seamldr: invalid signature"),
      .image(.partSizes(sigstruct: 4 * 4096, module: 496 * 4096)),
      .image(.wholePages),
      .everyCPUOnline(line: "seamldr: Cannot update the TDX Module if any CPU is offline"),
    ]
    profile.params.versionOneForSeveralSigstructPages = false
    profile.stopMachine = .cpusLocked
    profile.failureLog = [
      FailureLine(
        .afterShutdown, "seamldr: update failed, SEAMCALLs will report failure until TDs killed"),
      FailureLine(.update, "virt/tdx: TDX-Module update failed (%d)"),
    ]
    profile.featureDiffWarning = [
      "TDX module features have changed after updates, but might not take effect.",
      "Please consider updating your BIOS to install the TDX Module.",
    ]
    return profile
  }()
}
