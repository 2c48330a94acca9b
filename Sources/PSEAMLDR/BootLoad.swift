import Basics
import ModuleImage
import SEAM

/// Why the BIOS could not load a module at power-on.
public struct BootLoadError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The module.
  public let module: ModuleVersion
  /// The loader that refused it.
  public let loader: ModuleVersion
  /// What the loader found; nil where RDRAND gave nothing at the loader's very first entry.
  public let refusal: InstallRefusal?

  /// One sentence for people: what happened, to what, and what to do.
  public var description: String {
    let reason = refusal?.reason ?? "RDRAND gave no entropy"
    return "P-SEAMLDR \(loader) does not load TDX module \(module): \(reason)\(advice)"
  }

  private var advice: String {
    switch refusal?.check {
    case .manifest(.unsupportedCPU): "; choose another module (module=) or processor (cpu=)"
    case .manifest(.reservedNotZero):
      "; choose a loader of the 2.0 line (seamldr=) or a module of the 1.5 line (module=)"
    default: ""
    }
  }
}

extension PSEAMLDR {
  /// What the BIOS does at power-on: a LOAD of `release` on all LPs, afterwards everything is as INSTALL leaves it.
  ///
  /// The image of a release need not be at hand: its sigstruct is made up from the table, passes the loader's rules but
  /// for key and signature, and the code region stays empty.
  public mutating func bootLoad(release: ModuleRelease, machine: inout Machine) throws(BootLoadError) {
    guard drawCanary(&machine) else {
      throw BootLoadError(module: release.version, loader: version, refusal: nil)
    }
    do throws(InstallRefusal) {
      try load(release, machine: &machine)
    } catch {
      throw BootLoadError(module: release.version, loader: version, refusal: error)
    }
  }

  private mutating func load(_ release: ModuleRelease, machine: inout Machine) throws(InstallRefusal) {
    let sigstruct = SEAMSigstruct(ofRelease: release)
    data.snapshot = machine.seamExtend
    try checkManifest(
      sigstruct, scenario: .load, imageSize: release.imageSize, signers: nil, machine: machine)
    let bases = try drawBases(&machine)
    let memory = try planMemory(sigstruct, imageSize: release.imageSize, keepsTDs: false, machine.configuration)

    data.initDone = true
    for package in data.packages.indices {
      data.packages[package].lps = machine.configuration.logicalProcessors(in: package)
    }
    clearModuleRange(keeping: nil, machine: &machine)
    try publish(
      ModuleProgram(release: release), sigstruct: sigstruct, memory: memory, bases: bases, machine: &machine)
  }
}

extension ModuleRelease {
  /// Size of the image in bytes; a usual one where the binary was not at hand.
  fileprivate var imageSize: Int { (imagePages ?? 150) * PhysicalMemory.pageSize }
}

extension SEAMSigstruct {
  /// What the sigstruct of `release` says, unsigned (pseamldr.md 2.4 and 6.1).
  fileprivate init(ofRelease release: ModuleRelease) {
    self.init()
    self[Self.headerType] = 6
    self[Self.headerLength] = 0xE1
    self[Self.headerVersion] = 0x10000
    self[Self.moduleVendor] = 0x8086
    self[Self.date] = BuildDate.bcd(decimal: release.buildDate)
    self[Self.sizeInDwords] = 0x200
    self[Self.keySize] = 0x60
    self[Self.modulusSize] = 0x60
    self[Self.exponentSize] = 1
    self[Self.exponent] = 0x10001
    replace(Self.seamHashRange, with: [UInt8](hexadecimal: release.seamHash) ?? [])
    svn = release.svn
    self[Self.numStackPages] = 1
    self[Self.numTLSPages] = 1
    self[Self.numKeyholePages] = 127
    self[Self.numGlobalDataPages] = release.majorSVN >= 3 ? 33 : 21
    self[Self.moduleHV] = release.moduleHV
    self[Self.minUpdateHV] = release.minUpdateHV
    self[Self.noDowngrade] = release.noDowngrade ? 1 : 0
    self[Self.numHandoffPages] = release.handoffPages
    if let points = release.entryPoints {
      self[Self.ripOffset] = points.rip
      self[Self.gdtIDTOffset] = points.gdtIDT
      self[Self.faultWrapperOffset] = points.rip &+ 0x160
    }
    if release.version.major >= 2 {
      self[Self.moduleVersion] =
        UInt32(release.version.major) << 24 | UInt32(release.version.minor) << 16 | UInt32(release.version.update)
      self[Self.releaseInfo] = UInt32(release.internalVersion) << 16 | UInt32(release.buildNumber)
    }
    self[Self.cpuidTableSize] = UInt32(clamping: release.cpus.count)
    let table = release.cpus.prefix(Self.maxCPUIDEntries).flatMap(\.littleEndianBytes)
    replace(Self.cpuidTableOffset..<(Self.cpuidTableOffset + table.count), with: table)
  }
}
