/// A directory as Intel's repository of binaries has it, out of forged twins of all public releases.
public enum ImageCatalog {
  /// One file of the directory.
  public struct File: Equatable, Sendable {
    /// Path below the directory, with `/` between its parts.
    public let path: String
    /// Content.
    public let bytes: [UInt8]
  }

  /// `joined_files/M.m/tdx_module_M.m.uu.blob`.
  public static func path(of version: ModuleVersion) -> String {
    "joined_files/\(version.major).\(version.minor)/tdx_module_\(version).blob"
  }

  /// All files: an image for each release of the table, and `mapping_file.json`.
  public static func files(format: ModuleImageFile.Format) throws(ForgeError) -> [File] {
    var files: [File] = []
    for release in ReleaseTable.all {
      let bytes = try ImageForge(version: release.version).file(format: format)
      files.append(File(path: path(of: release.version), bytes: bytes))
    }
    files.append(File(path: "mapping_file.json", bytes: Array((mappingFile.text + "\n").utf8)))
    return files
  }

  /// `mapping_file.json` in its newest revision (pseamldr.md 7.1 and 7.3).
  public static var mappingFile: JSON {
    func versions(_ list: [ModuleVersion]) -> JSON { .array(list.map { .string($0.description) }) }
    let releases = ReleaseTable.all.map { release in
      JSON.object([
        .init("version", .string(release.version.description)),
        .init(
          "min_module_version_for_td_preserving", .string(release.minVersionForTDPreserving.description)),
        .init("strict_compat_versions", versions(release.strictCompatVersions)),
        .init("min_seamldr_versions", versions(release.minSEAMLDRVersions)),
        .init("tdx_feature0", .string("0x" + String(release.features0, radix: 16, uppercase: true))),
      ])
    }
    return .object([
      .init(
        "Header",
        .object([
          .init("Copyright", .string("Made by tdxfs; the images beside it are not Intel's")),
          .init("Info", .string("Forged twins of the public TDX module releases, signed with the \(DevKey.name)")),
          .init("Version", .string("1.0")),
        ])),
      .init("tdx_module_releases", .array(releases)),
    ])
  }
}
