import Basics

/// Makes images that are signed with the tdxfs development key: of any version, CPU list, SVN and handoff range.
///
/// A forge begins as the twin of a public release, or of the highest known one below a version that is not known; every
/// value can then be changed. The bytes follow from the values alone (pseamldr.md 6.4, "Images that tdxfs forges").
public struct ImageForge: Equatable, Sendable {
  /// The version that the image will tell.
  public let version: ModuleVersion
  /// SEAMSVN.
  public var svn: ModuleSVN
  /// The CPUID table, at most 255 entries; may be empty only when debug-signed.
  public var cpus: [UInt32]
  /// MODULE_HV, MIN_UPDATE_HV and NO_DOWNGRADE of the sigstruct.
  public var handoff: HandoffRange
  /// The same in the module's own constants; nil where they are those of the sigstruct. Only images of the lines 1.5 and
  /// 2.0 tell them.
  public var builtInHandoff: HandoffRange?
  /// Whether MODULE_TYPE says debug-signed.
  public var isDebugSigned = false
  /// Pages of the module, 1 to 496.
  public var pages: Int
  /// Build date, decimal yyyymmdd.
  public var buildDate: UInt32
  /// Build number.
  public var buildNumber: UInt16
  /// Internal version.
  public var internalVersion: UInt16

  private let release: ModuleRelease

  /// Pages of an image of which the real size is not known.
  public static let defaultPages = 115

  /// A forge for `version`: 1.5.uu, or anything from 2.0 on.
  public init(version: ModuleVersion) throws(ForgeError) {
    guard version.isSameLine(as: ModuleVersion(1, 5, 0)) || version.major >= 2 else { throw .unknownLine(version) }
    guard version.major <= 255, version.minor <= 255 else { throw .versionTooHigh(version) }
    let release = ReleaseTable.metadata(for: version)
    self.version = version
    self.release = release
    svn = release.svn
    cpus = release.cpus
    handoff = HandoffRange(
      moduleHV: release.moduleHV, minUpdateHV: release.minUpdateHV, noDowngrade: release.noDowngrade)
    pages = (release.version == version ? release.imagePages : nil) ?? Self.defaultPages
    buildDate = release.buildDate
    buildNumber = release.buildNumber
    internalVersion = release.internalVersion
  }

  /// The sigstruct and the module's pages.
  public func forge() throws(ForgeError) -> (sigstruct: SEAMSigstruct, module: [UInt8]) {
    try check()
    let places = entryPoints
    let block = ConstantBlock(
      buildNumber: buildNumber, internalVersion: internalVersion, buildDate: buildDate, minorSVN: svn.minor,
      version: version, handoff: builtInHandoff ?? handoff)
    let module = ForgedModule(block: block, pages: pages, entryPoint: places.rip).bytes
    var sigstruct = SEAMSigstruct()
    describe(in: &sigstruct)
    sigstruct[SEAMSigstruct.ripOffset] = places.rip
    sigstruct[SEAMSigstruct.gdtIDTOffset] = places.gdtIDT
    sigstruct[SEAMSigstruct.faultWrapperOffset] = places.gdtIDT == 0 ? 0 : places.rip + Self.wrapperDistance
    sigstruct.replace(SEAMSigstruct.seamHashRange, with: ImageDigest.sha384(module))
    guard sigstruct.signWithDevKey() else { throw .signingFailed }
    return (sigstruct, module)
  }

  /// The whole file.
  public func file(format: ModuleImageFile.Format) throws(ForgeError) -> [UInt8] {
    let (sigstruct, module) = try forge()
    return ModuleImageFile.bytes(format: format, sigstruct: sigstruct, module: module)
  }

  private var isVersion1: Bool { version.major < 2 }

  /// Whether a reader finds the constant block, and with it the built-in handoff versions.
  private var tellsBuiltIns: Bool {
    version.isSameLine(as: ModuleVersion(1, 5, 0)) || version.isSameLine(as: ModuleVersion(2, 0, 0))
  }

  private func check() throws(ForgeError) {
    guard (1...ModuleImageFile.maxModulePages).contains(pages) else { throw .pages(pages) }
    guard cpus.count <= SEAMSigstruct.maxCPUIDEntries else { throw .tooManyCPUs(cpus.count) }
    guard !cpus.isEmpty || isDebugSigned else { throw .noCPUs }
    guard handoff.minUpdateHV <= handoff.moduleHV else { throw .handoffRange(handoff) }
    if let builtInHandoff {
      guard tellsBuiltIns else { throw .builtInsNotTold(version) }
      guard builtInHandoff.minUpdateHV <= builtInHandoff.moduleHV else { throw .handoffRange(builtInHandoff) }
    }
  }

  /// FAULT_WRAPPER_OFFSET - RIP_OFFSET in all real images (pseamldr.md 6.1).
  private static let wrapperDistance: UInt32 = 0x160

  /// RIP_OFFSET and GDT_IDT_OFFSET: those of the release where they fit into the image, else the first free byte and the
  /// last page. A single page has no room for descriptor tables, which a sigstruct may do without.
  private var entryPoints: (rip: UInt32, gdtIDT: UInt32) {
    let size = pages * ModuleImageFile.pageSize
    let real = release.entryPoints ?? (isVersion1 ? (0x3A35C, 0x50000) : (0x4F2F0, 0x69000))
    if Int(real.gdtIDT) <= size - ModuleImageFile.pageSize, Int(real.rip + Self.wrapperDistance) <= size - 512 {
      return real
    }
    let last = pages > 1 ? UInt32(size - ModuleImageFile.pageSize) : 0
    return (ForgedModule.smallestEntryPoint, last)
  }

  /// Everything that the sigstruct says but for places, hash and signature.
  private func describe(in sigstruct: inout SEAMSigstruct) {
    sigstruct[SEAMSigstruct.headerType] = 6
    sigstruct[SEAMSigstruct.headerLength] = 0xE1
    sigstruct[SEAMSigstruct.headerVersion] = 0x10000
    sigstruct[SEAMSigstruct.moduleType] = isDebugSigned ? 1 << 31 : 0
    sigstruct[SEAMSigstruct.moduleVendor] = 0x8086
    sigstruct[SEAMSigstruct.date] = BuildDate.bcd(decimal: buildDate)
    sigstruct[SEAMSigstruct.sizeInDwords] = 0x200
    sigstruct[SEAMSigstruct.keySize] = 0x60
    sigstruct[SEAMSigstruct.modulusSize] = 0x60
    sigstruct[SEAMSigstruct.exponentSize] = 1
    sigstruct.svn = svn
    sigstruct[SEAMSigstruct.numStackPages] = 1
    sigstruct[SEAMSigstruct.numTLSPages] = 1
    sigstruct[SEAMSigstruct.numKeyholePages] = 127
    sigstruct[SEAMSigstruct.numGlobalDataPages] = isVersion1 ? 21 : 33
    sigstruct.handoffRange = handoff
    sigstruct[SEAMSigstruct.numHandoffPages] = release.handoffPages
    if !isVersion1 {
      sigstruct[SEAMSigstruct.moduleVersion] =
        UInt32(version.major) << 24 | UInt32(version.minor) << 16 | UInt32(version.update)
      sigstruct[SEAMSigstruct.releaseInfo] = UInt32(internalVersion) << 16 | UInt32(buildNumber)
    }
    sigstruct[SEAMSigstruct.cpuidTableSize] = UInt32(cpus.count)
    let table = SEAMSigstruct.cpuidTableOffset..<(SEAMSigstruct.cpuidTableOffset + 4 * cpus.count)
    sigstruct.replace(table, with: cpus.flatMap(\.littleEndianBytes))
  }
}

/// Why an image could not be forged.
public enum ForgeError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Below 2.0, an image can tell no other version than 1.5.uu.
  case unknownLine(ModuleVersion)
  /// Major or minor above 255.
  case versionTooHigh(ModuleVersion)
  /// Not 1 to 496 pages.
  case pages(Int)
  /// More than 255 CPUs.
  case tooManyCPUs(Int)
  /// No CPU, and not debug-signed.
  case noCPUs
  /// The lowest handoff version is above the highest.
  case handoffRange(HandoffRange)
  /// Only images of 1.5 and 2.0 tell built-in handoff versions.
  case builtInsNotTold(ModuleVersion)
  /// The library refused the development key.
  case signingFailed

  /// One sentence for people.
  public var description: String {
    switch self {
    case .unknownLine(let version):
      "no image can tell the version \(version): it is neither of the 1.5 line nor 2.0 or above"
    case .versionTooHigh(let version): "no image can tell the version \(version): major and minor go up to 255"
    case .pages(let pages): "an image has 1 to 496 pages, not \(pages)"
    case .tooManyCPUs(let count): "an image lists at most 255 CPUs, not \(count)"
    case .noCPUs: "an image that is not debug-signed must list a CPU"
    case .handoffRange(let range):
      "the lowest handoff version \(range.minUpdateHV) is above the module's own \(range.moduleHV)"
    case .builtInsNotTold(let version):
      "an image of \(version) can't tell built-in handoff versions; those of 1.5 and 2.0 can"
    case .signingFailed: "the development key could not sign"
    }
  }
}
