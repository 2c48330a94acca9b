import ModuleImage

/// What somebody wants of a forged image. What is not given is as in the public release, or in the highest known one below an
/// unknown version.
struct ForgeWishes {
  /// The version that the image tells.
  let version: ModuleVersion
  let cpus: [UInt32]?
  /// The SVN, major.minor or minor alone.
  let svn: String?
  /// MODULE_HV, MIN_UPDATE_HV, and whether it hands off versions below its own.
  let hv: UInt16?
  let minHV: UInt16?
  let downgrade: Bool?
  /// MODULE_HV in the module's constants, where it shall differ.
  let builtInHV: UInt16?
  let isDebugSigned: Bool
  let pages: Int?

  /// The image to be.
  func forge() throws -> ImageForge {
    var forge = try ImageForge(version: version)
    if let cpus { forge.cpus = cpus }
    if let svn {
      let (major, minor) = try ImageArguments.svn(svn)
      forge.svn = ModuleSVN(major: major ?? forge.svn.major, minor: minor)
    }
    if let hv { forge.handoff.moduleHV = hv }
    if let minHV { forge.handoff.minUpdateHV = minHV }
    if let downgrade { forge.handoff.noDowngrade = !downgrade }
    if let builtInHV {
      forge.builtInHandoff = HandoffRange(
        moduleHV: builtInHV, minUpdateHV: min(builtInHV, forge.handoff.minUpdateHV),
        noDowngrade: forge.handoff.noDowngrade)
    }
    forge.isDebugSigned = isDebugSigned
    if let pages { forge.pages = pages }
    return forge
  }
}
