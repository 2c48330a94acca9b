/// Extra names that can be laid over any profile (`alias=`): the same device under a name that another kernel has for it.
public enum Alias: String, CaseIterable, Sendable {
  /// The upload, as v1 to v3 and Intel's selector call it.
  case seamldrUpload = "seamldr_upload"
  /// The upload, as v4 and later call it.
  case tdxModule = "tdx_module"
  /// The directory with `version` and `num_remaining_updates` of v1 to v7.
  case seamldr = "seamldr/"
  /// The P-SEAMLDR's version, as v8 and later have it.
  case seamldrVersion = "seamldr_version"
  /// The remaining updates, as v8 and later have them.
  case numRemainingUpdates = "num_remaining_updates"
  /// What out-of-tree TDX kernels of 2022 to 2024 showed of the module. Needs `layout=sys`.
  case sysFirmware = "/sys/firmware/tdx/tdx_module/"

  /// The alias of this name; a slash at the end, and `/sys/` at the beginning, may be there or not.
  public init?(name: String) {
    guard let alias = Self.allCases.first(where: { Self.bare($0.rawValue) == Self.bare(name) }) else { return nil }
    self = alias
  }

  private static func bare(_ name: String) -> Substring {
    var name = name[...]
    if name.hasPrefix("/sys/") { name = name.dropFirst(5) }
    if name.hasSuffix("/") { name = name.dropLast() }
    return name
  }
}
