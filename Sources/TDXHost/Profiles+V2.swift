/// v2, 2025-09-30: the first with a faux device.
extension ABIProfile {
  /// v2. The whole device is refused where updates are impossible.
  public static let v2: ABIProfile = {
    var profile = v3
    profile.name = "v2"
    profile.files = [
      HostFile("version", mode: 0o444, .version(.unpadded)),
      HostFile("seamldr/version", mode: 0o444, .seamldrVersion(.unpadded)),
      HostFile("seamldr/num_remaining_updates", mode: 0o444, .numRemainingUpdates),
    ]
    profile.visibility = VisibilityRule(
      device: [
        .loaderInfo, .tdPreservingElseRemark,
        .init(.remainingUpdates, line: "P-SEAMLDR doesn't support TDX Module updates", level: .info),
      ])
    profile.preflight = [
      .seamldrInfo(failure: .ioError),
      .remainingUpdates,
      .allocation,
      .image(.version(0x100), line: "seamldr: unsupported blob version: %u"),
      .image(.reserved(20..<4096), line: "seamldr: non-zero reserved fields"),
      .image(.moduleOffsetInside),
      .image(.lengthMatchesSize),
      .image(.signature(at: 8), line: "seamldr: invalid signature"),
      .image(.checksum, line: "seamldr: invalid checksum"),
      .image(.partSizes(sigstruct: .max, module: 496 * 4096)),
      .image(.wholePages),
      .image(.sigstructSize(4096)),
      .everyCPUOnline(line: "seamldr: Cannot update TDX module if any CPU is offline"),
    ]
    profile.layout = .tdxBlob(sigstructPages: .refused(above: 1), modulePages: .refused(above: 496))
    profile.params.sigstructEntries = 1
    profile.shutdownFlag = .never
    profile.shutdownFailure = .common
    profile.updateFailure = .statusCutTo32Bits
    profile.afterFailure = .fastForward
    profile.uploadErrors = UploadErrorMap()
    profile.cancel = .flagConsumedByNext
    profile.seamcallErrorFormat = .v2
    profile.failureLog = [
      FailureLine(
        .afterShutdown, "seamldr: update failed, SEAMCALLs will report failure until TDs killed"),
      FailureLine(.update, "virt/tdx: module update failed: %d", level: .info),
    ]
    profile.featureDiffWarning = [
      "TDX module features have changed after updates, but might not take effect.",
      "Please consider a potential BIOS update.",
    ]
    profile.bootFormat = .kvmIntelWithoutVersion
    return profile
  }()
}
