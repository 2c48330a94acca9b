import SystemPackage

/// v3, 2026-01-23, in its final form: up to four pages of sigstruct.
extension ABIProfile {
  /// v3.
  public static let v3: ABIProfile = {
    var profile = v4
    profile.name = "v3"
    profile.files = [
      HostFile("version", mode: 0o444, .version(.padded)),
      HostFile("compat_capable", mode: 0o444, .compatCapable),
      HostFile("seamldr/version", mode: 0o444, .seamldrVersion(.padded)),
      HostFile("seamldr/num_remaining_updates", mode: 0o444, .numRemainingUpdates),
    ]
    profile.seamldrReadError = .always(.noSuchAddressOrDevice)
    profile.uploadName = "seamldr_upload"
    profile.visibility = VisibilityRule(remarks: [.tdPreservingElseRemark])
    profile.preflight = [
      .seamldrInfo(failure: .ioError),
      .remainingUpdates,
      .allocation,
      .image(.version(0x100), line: "seamldr: unsupported blob version: %x"),
      .image(.reserved(20..<4096), line: "seamldr: non-zero reserved fields"),
      .image(.moduleOffsetInside),
      .image(.lengthMatchesSize),
      .image(.signature(at: 8), line: "seamldr: invalid signature"),
      .image(.checksum, line: "seamldr: invalid checksum"),
      .image(.partSizes(sigstruct: 4 * 4096, module: 496 * 4096)),
      .image(.wholePages),
      .everyCPUOnline(line: "seamldr: Cannot update TDX module if any CPU is offline"),
    ]
    profile.retriesLoaderNoEntropy = true
    profile.savesVMCS = true
    profile.cancel = .flagHonouredByWrite
    profile.seamcallErrorFormat = .v3
    profile.kconfig = "INTEL_TDX_MODULE_UPDATE, TDX_HOST_SERVICES"
    return profile
  }()
}
