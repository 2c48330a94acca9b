/// v7, 2026-03-31: the last with the `seamldr` directory and without the unconditional SHUTDOWN flag.
extension ABIProfile {
  /// v7.
  public static let v7: ABIProfile = {
    var profile = v8
    profile.name = "v7"
    profile.files = [
      HostFile("version", mode: 0o444, .version(.padded)),
      HostFile("seamldr/version", mode: 0o400, .seamldrVersion(.padded)),
      HostFile("seamldr/num_remaining_updates", mode: 0o400, .numRemainingUpdates),
    ]
    profile.preflight = [
      .allocation,
      .image(.largerThan(4096)),
      .image(.largerThanModuleOffset),
      .image(.version(0x100)),
      .image(.reserved(20..<4096)),
      .image(.moduleOffsetInside),
      .image(.lengthMatchesSize),
      .image(.signature(at: 8)),
      .image(.partSizes(sigstruct: 4 * 4096, module: 496 * 4096)),
      .image(.wholePages),
    ]
    profile.layout = .tdxBlob(sigstructPages: .refused(above: 4), modulePages: .refused(above: 496))
    profile.handoffVersion = .readAtBoot
    profile.shutdownFlag = .ifUpdateCompatibility
    profile.refresh = .allMetadata(kept: .updateVersion)
    profile.uploadErrors = UploadErrorMap([
      .resourceBusy: .deviceBusy, .ioError: .hwError, .noMemory: .readWriteError,
    ])
    profile.failureLog = [
      FailureLine(
        .afterShutdown, "seamldr: update failed, SEAMCALLs will report failure until TDs killed"),
      FailureLine(.update, "virt/tdx: update failed (%d)"),
    ]
    profile.featureDiffWarning = [
      "TDX module features have changed after updates, but might not take effect.",
      "Please consider updating your BIOS to install the TDX module.",
    ]
    profile.bootFormat = .kvmIntel
    return profile
  }()
}
