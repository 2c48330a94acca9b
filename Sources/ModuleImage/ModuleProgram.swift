/// What the code of a TDX module "knows" about itself. tdxfs executes no x86 code, so the P-SEAMLDR hands this to the
/// machine together with the image's bytes; TDH.SYS.RD and the rest of the module's behaviour follow from it.
public struct ModuleProgram: Equatable, Sendable, Codable {
  /// How the version was found (pseamldr.md 6.4, methods 1 to 5).
  public enum VersionSource: String, Sendable, Codable {
    /// 1: SHA-384 of the image in the table of releases; exact.
    case releaseHash
    /// 2: bytes 1000…1003 of the sigstruct; signed.
    case sigstruct
    /// 3: the one constant block of the image.
    case constantBlock
    /// 4: the SVN in the table of releases, with date or CPU list to break ties.
    case svnTable
    /// 5: none of these; major and minor follow from the major SVN, update is 0.
    case unknown
  }

  /// Version that TDH.SYS.RD reports.
  public var version: ModuleVersion
  /// How it was found.
  public var versionSource: VersionSource
  /// Build date, decimal yyyymmdd.
  public var buildDate: UInt32
  /// Build number.
  public var buildNumber: UInt16
  /// Internal version.
  public var internalVersion: UInt16
  /// Built-in MODULE_HV, which TDH.SYS.INIT compares with the sigstruct's (tdx-module.md 4.4).
  public var moduleHV: UInt16
  /// Built-in MIN_UPDATE_HV.
  public var minUpdateHV: UInt16
  /// Built-in NO_DOWNGRADE.
  public var noDowngrade: Bool
  /// CRYPTO_LIB_COMPAT_VERSION; nil for modules without it.
  public var cryptoVersion: UInt16?
  /// TDX_FEATURES0.
  public var features0: UInt64
  /// SYS_ATTRIBUTES bit 31: debug-signed module.
  public var isDebug: Bool
  /// The public release whose other metadata the module has: itself, or the highest known below it in its line.
  public var metadataRelease: ModuleVersion

  /// TDX_FEATURES0 bit 47: TDH.SYS.SHUTDOWN knows AVOID_COMPAT_SENSITIVE, and TD builds are counted.
  public var hasUpdateCompatibility: Bool { features0 >> 47 & 1 != 0 }

  /// The program of a public release, as the BIOS loads it.
  public init(release: ModuleRelease) {
    version = release.version
    versionSource = .releaseHash
    buildDate = release.buildDate
    buildNumber = release.buildNumber
    internalVersion = release.internalVersion
    moduleHV = release.moduleHV
    minUpdateHV = release.minUpdateHV
    noDowngrade = release.noDowngrade
    cryptoVersion = release.cryptoVersion
    features0 = release.features0
    isDebug = false
    metadataRelease = release.version
  }
}
