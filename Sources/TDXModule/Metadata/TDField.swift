/// The fields of a TD, TDR and TDCS, in the module's order (tdx-module.md 6.9; module source 1.5.01).
///
/// Left out are those that describe what tdxfs does not have: virtual VMX MSRs, XSAVE layout, MSR bitmaps, links of migration
/// streams, the raw tables of the secure EPT, and L2 VMs.
enum TDField: MetadataField {
  case fatal, numTDCX, childCount, lifecycleState, tdcxPA, tdUUID
  case hkid, pkgConfigBitmap
  case handoffVersion, seamdbIndex, seamdbNonce
  case numVCPUs, numAssocVCPUs, opState, numL2VMs
  case attributes, xfam, maxVCPUs, gpaw, eptp, tscOffset, tscMultiplier, tscFrequency, virtualTSC, numCPUIDValues
  case notifyEnables, hpLockTimeout, vmControls, configFlags, tdControls
  case tdEpoch, refcount
  case mrtd, mrConfigID, mrOwner, mrOwnerConfig, rtmr
  case cpuidValues
  case migDecKeySet, exportCount, importCount, migEpoch, bwEpoch, totalMBCount, migDecKey, migDecWorkingKey, migEncKey
  case migEncWorkingKey, migVersion, migWorkingVersion, dirtyCount, migCount, numMigs, numMigratedVCPUs, preImportUUID
  case servtdHash, servtdNum, servtdBindings

  static let context: UInt64 = 1

  func description(_ traits: ModuleTraits) -> MetadataDescription {
    switch self {
    case .fatal: .init(0x8010_0000_0000_0001)
    case .numTDCX: .init(0x8010_0002_0000_0002)
    case .childCount: .init(0x8010_0003_0000_0004)
    case .lifecycleState: .init(0x8010_0002_0000_0005)
    case .tdcxPA: .init(0x8010_0003_0000_0010, UInt64(traits.maxTDCX))
    case .tdUUID: .init(0x8010_0003_0000_0020, elements: 4, guest: .all)
    case .hkid: .init(0x8110_0001_0000_0001)
    case .pkgConfigBitmap: .init(0x8110_0003_0000_0002)
    case .handoffVersion: .init(0x8210_0001_0000_0000)
    case .seamdbIndex: .init(0x8210_0003_0000_0001)
    case .seamdbNonce: .init(0x8210_0003_0000_0002, elements: 4, host: .none)
    case .numVCPUs: .init(0x9010_0002_0000_0001, guest: .all)
    case .numAssocVCPUs: .init(0x9010_0002_0000_0002)
    case .opState: .init(0x9010_0002_0000_0004)
    case .numL2VMs: .init(0x9010_0001_0000_0005, guest: .all)
    case .attributes: .init(0x1110_0003_0000_0000, guest: .all)
    case .xfam: .init(0x1110_0003_0000_0001, guest: .all)
    case .maxVCPUs: .init(0x1110_0002_0000_0002, guest: .all)
    case .gpaw: .init(0x1110_0000_0000_0003, guest: .all)
    case .eptp: .init(0x1110_0003_0000_0004)
    case .tscOffset: .init(0x1110_0003_0000_000A)
    case .tscMultiplier: .init(0x1110_0003_0000_000B)
    case .tscFrequency: .init(0x1110_0001_0000_000C, guest: .all)
    case .virtualTSC: .init(0x1110_0003_0000_000D, host: .none)
    case .numCPUIDValues: .init(0x9110_0001_0000_000E)
    case .notifyEnables:
      .init(
        0x9110_0003_0000_0010, host: .none, debugger: .init(read: .max, write: 1), guest: .init(read: 1, write: 1))
    case .hpLockTimeout: .init(0x9110_0003_0000_0011, host: .readWrite)
    case .vmControls: .init(0x9110_0003_0000_0012, 4, host: .init(read: .max, write: 1))
    case .configFlags: .init(0x1110_0003_0000_0016, guest: .all)
    case .tdControls:
      .init(0x1110_0003_0000_0017, host: .none, debugger: .all, guest: .init(read: .max, write: 1))
    case .tdEpoch: .init(0x9210_0003_0000_0000)
    case .refcount: .init(0x9210_0001_0000_0001, 2)
    case .mrtd: .init(0x1310_0003_0000_0000, elements: 6, guest: .all)
    case .mrConfigID: .init(0x1310_0003_0000_0010, elements: 6, guest: .all)
    case .mrOwner: .init(0x1310_0003_0000_0018, elements: 6, guest: .all)
    case .mrOwnerConfig: .init(0x1310_0003_0000_0020, elements: 6, guest: .all)
    case .rtmr: .init(0x1310_0003_0000_0040, 4, elements: 6, host: .none, debugger: .all, guest: .all)
    case .cpuidValues:
      .init(0x9410_0003_0000_0000, UInt64(traits.cpuidConfiguration.count), elements: 2)
    case .migDecKeySet: .init(0x9810_0000_0000_0001)
    case .exportCount: .init(0x9810_0002_0000_0002)
    case .importCount: .init(0x9810_0002_0000_0003)
    case .migEpoch: .init(0x9810_0002_0000_0004)
    case .bwEpoch: .init(0x9810_0003_0000_0005)
    case .totalMBCount: .init(0x9810_0003_0000_0006)
    case .migDecKey: .init(0x9810_0003_0000_0010, elements: 4, host: .none, debugger: .all)
    case .migDecWorkingKey: .init(0x9810_0003_0000_0014, elements: 4, host: .none, debugger: .all)
    case .migEncKey: .init(0x9810_0003_0000_0018, elements: 4, host: .none, debugger: .all)
    case .migEncWorkingKey: .init(0x9810_0003_0000_001C, elements: 4, host: .none, debugger: .all)
    case .migVersion: .init(0x9810_0001_0000_0020)
    case .migWorkingVersion: .init(0x9810_0001_0000_0021)
    case .dirtyCount: .init(0x9810_0003_0000_0030)
    case .migCount: .init(0x9810_0003_0000_0031)
    case .numMigs: .init(0x9810_0001_0000_0032)
    case .numMigratedVCPUs: .init(0x9810_0002_0000_0034)
    case .preImportUUID: .init(0x9810_0003_0000_0040, elements: 4, guest: .all)
    case .servtdHash: .init(0x9910_0003_0000_0000, elements: 6, guest: .all)
    case .servtdNum: .init(0x9910_0001_0000_0006, guest: .all)
    case .servtdBindings:
      .init(0x9910_0003_0000_0080, UInt64(ServiceTDBindings.maximum), elements: 16, guest: .all)
    }
  }

  /// CPUID_VALUES: bit 0 the element, 7:1 the subleaf, 8 = there are none, 15:9 the leaf, 16 its bit 31 (tdx-module.md 5.2).
  func codes(_ traits: ModuleTraits) -> [UInt64]? {
    guard self == .cpuidValues else { return nil }
    return traits.cpuidConfiguration.flatMap { entry in
      let subleaf = entry.subleaf == .max ? 1 << 8 : UInt64(entry.subleaf & 0x7F) << 1
      let code = subleaf | UInt64(entry.leaf & 0x7F) << 9 | UInt64(entry.leaf >> 31) << 16
      return [code, code | 1]
    }
  }
}
