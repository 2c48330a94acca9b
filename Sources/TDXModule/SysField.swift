import SEAM

/// The global metadata fields in the module's order: class by class, by field code (tdx-module.md 5.3).
enum SysField: CaseIterable, Sendable {
  case numPkgs, pkgFMS
  case vendorID, buildDate, buildNum, minorVersion, majorVersion, updateVersion, internalVersion
  case moduleHV, minUpdateHV, noDowngrade, numHandoffPages, handoffDataValid, handoffDataHV, handoffDataSize
  case sysAttributes, numTDXFeatures, tdxFeatures0
  case numCMRs, cmrBase, cmrSize
  case maxTDMRs, maxReservedPerTDMR, pamt4KEntrySize, pamt2MEntrySize, pamt1GEntrySize, pamtPageBitmapEntryBits
  case minDynamicPAMTNumHKIDBits
  case tdrBaseSize, tdcsBaseSize, tdcsSizePerL2VM, tdvpsBaseSize, tdvpsSizePerL2VM
  case attributesFixed0, attributesFixed1, xfamFixed0, xfamFixed1, numCPUIDConfig, configFlagsFixed0
  case configFlagsFixed1, maxVCPUsPerTD, minVirtMaxPA, maxEventFilters, cpuidConfigLeaves, cpuidConfigValues
  case ia32ArchCapabilitiesConfigMask, numAllowedFMS, numDisallowedFMS, allowedFMS, disallowedFMS
  case migAttributes, minExportVersion, maxExportVersion, minImportVersion, maxImportVersion, maxMigs
  case numImmutableStatePages, numTDStatePages, numVPStatePages, memScan30, memScan31, memScan32
  case maxServTDs, servTDAttrFixed0, servTDAttrFixed1
  case guestL2GPAAttrMask, vmCtlsFixed0, vmCtlsFixed1, vcpuL2CtlsFixed0, vcpuL2CtlsFixed1, vcpuL2DebugCtlsFixed0
  case vcpuL2DebugCtlsFixed1

  /// Where a field stands and who may read it.
  struct Description: Sendable {
    /// Id of the first element of the first field.
    let id: MetadataFieldID
    /// Fields of the array; 1 for a plain field.
    let fields: UInt64
    /// Elements of each.
    let elements: UInt64
    /// Whether a guest may read it with TDG.SYS.RD.
    let isGuestReadable: Bool

    init(_ id: UInt64, _ fields: UInt64 = 1, elements: UInt64 = 1, guest: Bool = false) {
      self.id = MetadataFieldID(rawValue: id)
      self.fields = fields
      self.elements = elements
      isGuestReadable = guest
    }

    /// Elements in all.
    var count: UInt64 { fields * elements }

    /// Whether `other` names one of the elements.
    func contains(_ other: MetadataFieldID) -> Bool {
      other.classCode == id.classCode && other.code >= id.code && other.code - id.code < count
    }
  }

  /// Id, array shape and guest mask.
  var description: Description {
    switch self {
    case .numPkgs: .init(0x0000_0002_0000_0000)
    case .pkgFMS: .init(0x0000_0002_0000_0001, 8)
    case .vendorID: .init(0x0800_0002_0000_0000, guest: true)
    case .buildDate: .init(0x8800_0002_0000_0001)
    case .buildNum: .init(0x8800_0001_0000_0002)
    case .minorVersion: .init(0x0800_0001_0000_0003, guest: true)
    case .majorVersion: .init(0x0800_0001_0000_0004, guest: true)
    case .updateVersion: .init(0x0800_0001_0000_0005)
    case .internalVersion: .init(0x0800_0001_0000_0006)
    case .moduleHV: .init(0x8900_0001_0000_0000)
    case .minUpdateHV: .init(0x8900_0001_0000_0001)
    case .noDowngrade: .init(0x8900_0000_0000_0002)
    case .numHandoffPages: .init(0x8900_0001_0000_0003)
    case .handoffDataValid: .init(0x8900_0000_0000_0004)
    case .handoffDataHV: .init(0x8900_0001_0000_0005)
    case .handoffDataSize: .init(0x8900_0002_0000_0006)
    case .sysAttributes: .init(0x0A00_0002_0000_0000, guest: true)
    case .numTDXFeatures: .init(0x0A00_0000_0000_0001, guest: true)
    case .tdxFeatures0: .init(0x0A00_0003_0000_0008, guest: true)
    case .numCMRs: .init(0x9000_0001_0000_0000)
    case .cmrBase: .init(0x9000_0003_0000_0080, 32)
    case .cmrSize: .init(0x9000_0003_0000_0100, 32)
    case .maxTDMRs: .init(0x9100_0001_0000_0008)
    case .maxReservedPerTDMR: .init(0x9100_0001_0000_0009)
    case .pamt4KEntrySize: .init(0x9100_0001_0000_0010)
    case .pamt2MEntrySize: .init(0x9100_0001_0000_0011)
    case .pamt1GEntrySize: .init(0x9100_0001_0000_0012)
    case .pamtPageBitmapEntryBits: .init(0x9100_0000_0000_0013)
    case .minDynamicPAMTNumHKIDBits: .init(0x9100_0000_0000_0014)
    case .tdrBaseSize: .init(0x9800_0001_0000_0000)
    case .tdcsBaseSize: .init(0x9800_0001_0000_0100)
    case .tdcsSizePerL2VM: .init(0x9800_0001_0000_0101)
    case .tdvpsBaseSize: .init(0x9800_0001_0000_0200)
    case .tdvpsSizePerL2VM: .init(0x9800_0001_0000_0201)
    case .attributesFixed0: .init(0x1900_0003_0000_0000)
    case .attributesFixed1: .init(0x1900_0003_0000_0001)
    case .xfamFixed0: .init(0x1900_0003_0000_0002)
    case .xfamFixed1: .init(0x1900_0003_0000_0003)
    case .numCPUIDConfig: .init(0x9900_0001_0000_0004)
    case .configFlagsFixed0: .init(0x9900_0003_0000_0006)
    case .configFlagsFixed1: .init(0x9900_0003_0000_0007)
    case .maxVCPUsPerTD: .init(0x9900_0001_0000_0008)
    case .minVirtMaxPA: .init(0x9900_0000_0000_0009)
    case .maxEventFilters: .init(0x9900_0001_0000_000A)
    case .cpuidConfigLeaves: .init(0x9900_0003_0000_0400, 32)
    case .cpuidConfigValues: .init(0x9900_0003_0000_0500, 32, elements: 2)
    case .ia32ArchCapabilitiesConfigMask: .init(0x9900_0003_0000_0600)
    case .numAllowedFMS: .init(0x9900_0001_0000_0800)
    case .numDisallowedFMS: .init(0x9900_0001_0000_0801)
    case .allowedFMS: .init(0x9900_0003_0000_0810, 64)
    case .disallowedFMS: .init(0x9900_0003_0000_0850, 64)
    case .migAttributes: .init(0xA000_0003_0000_0000, guest: true)
    case .minExportVersion: .init(0x2000_0001_0000_0001, guest: true)
    case .maxExportVersion: .init(0x2000_0001_0000_0002, guest: true)
    case .minImportVersion: .init(0x2000_0001_0000_0003, guest: true)
    case .maxImportVersion: .init(0x2000_0001_0000_0004, guest: true)
    case .maxMigs: .init(0xA000_0001_0000_0010)
    case .numImmutableStatePages: .init(0xA000_0000_0000_0020)
    case .numTDStatePages: .init(0xA000_0000_0000_0021)
    case .numVPStatePages: .init(0xA000_0000_0000_0022)
    case .memScan30: .init(0xA000_0000_0000_0030)
    case .memScan31: .init(0xA000_0001_0000_0031)
    case .memScan32: .init(0xA000_0001_0000_0032)
    case .maxServTDs: .init(0xA100_0001_0000_0000)
    case .servTDAttrFixed0: .init(0xA100_0003_0000_0001)
    case .servTDAttrFixed1: .init(0xA100_0003_0000_0002)
    case .guestL2GPAAttrMask: .init(0xA200_0001_0000_0000, guest: true)
    case .vmCtlsFixed0: .init(0xA200_0003_0000_0001)
    case .vmCtlsFixed1: .init(0xA200_0003_0000_0002)
    case .vcpuL2CtlsFixed0: .init(0xA200_0003_0000_0003)
    case .vcpuL2CtlsFixed1: .init(0xA200_0003_0000_0004)
    case .vcpuL2DebugCtlsFixed0: .init(0xA200_0003_0000_0005)
    case .vcpuL2DebugCtlsFixed1: .init(0xA200_0003_0000_0006)
    }
  }

  /// Whether a module with `traits` has the field.
  func isPresent(_ traits: ModuleTraits) -> Bool {
    switch self {
    case .maxVCPUsPerTD: traits.isAtLeast1505
    case .pamtPageBitmapEntryBits, .minDynamicPAMTNumHKIDBits: traits.has(.dynamicPAMT)
    case .minVirtMaxPA: traits.has(.maxPAVirtualization)
    case .maxEventFilters: traits.has(.eventFiltering)
    case .memScan30, .memScan31, .memScan32: traits.has(.scanExportRestore)
    default: true
    }
  }

  /// The field among those of a module with `traits` that `id` names an element of.
  static func field(_ id: MetadataFieldID, _ traits: ModuleTraits) -> SysField? {
    allCases.first { $0.description.contains(id) && $0.isPresent(traits) }
  }

  /// The next field of a module with `traits`, of those that a guest may read if it is `forGuest`.
  func next(_ traits: ModuleTraits, forGuest: Bool = false) -> SysField? {
    guard let index = Self.allCases.firstIndex(of: self) else { return nil }
    return Self.allCases[(index + 1)...].first { $0.isPresent(traits) && (!forGuest || $0.description.isGuestReadable) }
  }

  /// The first field.
  static func first(_ traits: ModuleTraits, forGuest: Bool = false) -> SysField? {
    allCases.first { $0.isPresent(traits) && (!forGuest || $0.description.isGuestReadable) }
  }
}
