/// v9, 2026-05-13: the first with image version 0x200.
extension ABIProfile {
  /// v9. Page counts are clamped in silence, but SEAMLDR_PARAMS says how many pages the image announced.
  public static let v9: ABIProfile = {
    var profile = v10
    profile.name = "v9"
    profile.preflight = [
      .allocation,
      .image(.pageCountsMatchSize),
      .image(.version(0x200)),
      .image(.signature(at: 4)),
      .image(.reserved(20..<4096)),
    ]
    profile.layout = .tdxImage(sigstructPages: .clamped(to: 1), modulePages: .clamped(to: 496))
    profile.params.modulePagesAsAnnounced = true
    profile.kconfig = "TDX_HOST_SERVICES (tristate with prompt, default m; selects FW_LOADER, FW_UPLOAD)"
    return profile
  }()
}
