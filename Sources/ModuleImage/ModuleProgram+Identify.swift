import Basics

extension ModuleProgram {
  /// Finds out what a module is that nobody names: methods 1 to 5 of pseamldr.md 6.4, in that order.
  ///
  /// `image` are the module's pages; `hash` is their SHA-384 where the caller has it already.
  public static func identify(sigstruct: SEAMSigstruct, image: [UInt8], hash: [UInt8]? = nil) -> ModuleProgram {
    let block = ConstantBlock.find(in: image, sigstruct: sigstruct)
    let identity =
      byReleaseHash(hash ?? ImageDigest.sha384(image)) ?? bySigstruct(sigstruct) ?? block.map(byConstantBlock)
      ?? bySVNTable(sigstruct) ?? unknown(sigstruct)
    return ModuleProgram(identity, sigstruct: sigstruct, block: block)
  }

  /// What one of the methods found.
  private struct Identity {
    var version: ModuleVersion
    var source: VersionSource
    var buildDate: UInt32?
    var buildNumber: UInt16
    var internalVersion: UInt16
  }

  private static func byReleaseHash(_ hash: [UInt8]) -> Identity? {
    ReleaseTable.release(seamHash: hash).map { identity(of: $0, source: .releaseHash) }
  }

  /// Bytes 1000…1007 of the sigstruct, which only the 2.0 line has: u16 update, u8 minor, u8 major; u16 build number,
  /// u16 internal version.
  private static func bySigstruct(_ sigstruct: SEAMSigstruct) -> Identity? {
    let word = sigstruct[SEAMSigstruct.moduleVersion]
    guard word != 0 else { return nil }
    let info = sigstruct[SEAMSigstruct.releaseInfo]
    return Identity(
      version: ModuleVersion(UInt16(word >> 24), UInt16(word >> 16 & 0xFF), UInt16(word & 0xFFFF)),
      source: .sigstruct, buildDate: BuildDate.decimal(bcd: sigstruct[SEAMSigstruct.date]),
      buildNumber: UInt16(info & 0xFFFF), internalVersion: UInt16(info >> 16))
  }

  private static func byConstantBlock(_ block: ConstantBlock) -> Identity {
    Identity(
      version: block.version, source: .constantBlock, buildDate: block.buildDate, buildNumber: block.buildNumber,
      internalVersion: block.internalVersion)
  }

  /// The SVN in the table of releases. Two SVNs have two releases each: 3.4 differs in the date, 1.13 in the CPU list.
  private static func bySVNTable(_ sigstruct: SEAMSigstruct) -> Identity? {
    let candidates = ReleaseTable.all.filter {
      $0.majorSVN == sigstruct[SEAMSigstruct.majorSVN] && $0.minorSVN == sigstruct[SEAMSigstruct.minorSVN]
    }
    let cpus = Set(sigstruct.cpuidTable.map { $0 & ~0xF })
    let sameDate = candidates.filter { BuildDate.bcd(decimal: $0.buildDate) == sigstruct[SEAMSigstruct.date] }
    let sameCPUs = candidates.filter { Set($0.cpus.map { $0 & ~0xF }) == cpus }
    let only = [candidates, sameDate, sameCPUs].first { $0.count == 1 }
    return only?.first.map { identity(of: $0, source: .svnTable) }
  }

  /// Major and minor follow from the major SVN: 1 is the 1.5 line and 3 the 2.0 line; 0 was TDX 1.0, and 2 was never
  /// used. The update is not known and can't be guessed.
  private static func unknown(_ sigstruct: SEAMSigstruct) -> Identity {
    let version: ModuleVersion
    switch sigstruct[SEAMSigstruct.majorSVN] {
    case 0: version = ModuleVersion(1, 0, 0)
    case 1, 2: version = ModuleVersion(1, 5, 0)
    default: version = ModuleVersion(2, 0, 0)
    }
    return Identity(
      version: version, source: .unknown, buildDate: BuildDate.decimal(bcd: sigstruct[SEAMSigstruct.date]),
      buildNumber: 0, internalVersion: 0)
  }

  private static func identity(of release: ModuleRelease, source: VersionSource) -> Identity {
    Identity(
      version: release.version, source: source, buildDate: release.buildDate, buildNumber: release.buildNumber,
      internalVersion: release.internalVersion)
  }

  private init(_ identity: Identity, sigstruct: SEAMSigstruct, block: ConstantBlock?) {
    let release = ReleaseTable.metadata(for: identity.version)
    self.init(release: release)
    version = identity.version
    versionSource = identity.source
    buildDate = identity.buildDate ?? release.buildDate
    buildNumber = identity.buildNumber
    internalVersion = identity.internalVersion
    isDebug = sigstruct.isDebugSigned
    // A genuine image that we have seen has what the table says. In the others the code and the signed description agree,
    // unless a forged image's block says that they shall not.
    if identity.source != .releaseHash || release.imagePages == nil {
      let handoff = block?.handoff ?? sigstruct.handoffRange
      moduleHV = handoff.moduleHV
      minUpdateHV = handoff.minUpdateHV
      noDowngrade = handoff.noDowngrade
    }
  }
}

extension ReleaseTable {
  /// The release whose metadata a module `version` has: itself, or the highest known below it in its line, else the
  /// lowest of its line. A line that is not known counts as the newest release of 1.5 or, from major 2 on, of 2.0.
  public static func metadata(for version: ModuleVersion) -> ModuleRelease {
    if let release = nearest(to: version) { return release }
    let line = version.major < 2 ? ModuleVersion(1, 5, .max) : ModuleVersion(2, 0, .max)
    return nearest(to: line) ?? all[0]
  }
}
