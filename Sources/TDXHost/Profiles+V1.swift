/// v1, the RFC of 2025-05-23: a bus of its own below /sys/devices/virtual, built in.
extension ABIProfile {
  /// v1.
  public static let v1: ABIProfile = {
    var profile = v2
    profile.name = "v1"
    profile.root = "devices/virtual/tdx"
    profile.device = "tdx_tsm"
    profile.attachment = .virtualBus("tdx")
    profile.files = [
      HostFile("tdx_tsm/version", mode: 0o444, .version(.unpadded)),
      HostFile("seamldr/version", mode: 0o444, .seamldrVersion(.unpadded)),
      HostFile("seamldr/num_remaining_updates", mode: 0o444, .numRemainingUpdates),
    ]
    profile.seamldrReadError = .cached
    profile.visibility = VisibilityRule(
      device: [.init(.loaderInfo, line: "virt/tdx: failed to get seamldr info %d", level: .error)])
    profile.preflight = [
      .allocation,
      .remainingUpdates,
      .image(.moduleOffsetInside),
      .image(.lengthMatchesSize),
      .image(.signature(at: 8), line: "seamldr: invalid signature"),
      .image(.checksum, line: "seamldr: invalid checksum"),
      .image(.partSizes(sigstruct: .max, module: 496 * 4096)),
      .image(.sigstructSize(4096)),
    ]
    profile.layout = .tdxBlob(
      sigstructPages: .refused(above: 1), modulePages: .refused(above: 496), roundsModuleUp: true)
    profile.stopMachine = .plain
    profile.seamcallErrorFormat = .v1
    profile.successLog = .versions(.unpadded)
    profile.kconfig = "INTEL_TDX_MODULE_UPDATE (built in)"
    return profile
  }()
}
