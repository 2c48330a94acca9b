/// v6, 2026-03-26.
extension ABIProfile {
  /// v6. Of the header only version and sizes are looked at.
  public static let v6: ABIProfile = {
    var profile = v7
    profile.name = "v6"
    profile.preflight = [
      .allocation,
      .image(.largerThan(4096)),
      .image(.largerThanModuleOffset),
      .image(.version(0x100), line: "seamldr: unsupported blob version: %x"),
      .image(.moduleOffsetInside),
      .image(.lengthMatchesSize),
      .image(.partSizes(sigstruct: 4 * 4096, module: 496 * 4096)),
    ]
    profile.shutdownFailure = .busyElseSilentIOError
    profile.refresh = .allMetadata(kept: .version)
    profile.stopMachine = .plain
    return profile
  }()
}
