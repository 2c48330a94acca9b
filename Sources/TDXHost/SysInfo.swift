import ModuleImage

/// What Linux keeps of the module's global metadata (`struct tdx_sys_info`). Read at boot; an update refreshes as little
/// of it as the profile says, so KVM goes on with the capabilities of the module that booted.
public struct SysInfo: Equatable, Sendable, Codable {
  /// `version`
  public var version = ModuleVersion(0, 0, 0)
  /// `features.tdx_features0`
  public var features: TDXFeatures0 = []
  /// `tdmr.max_tdmrs`
  public var maxTDMRs: UInt16 = 0
  /// `tdmr.max_reserved_per_tdmr`
  public var maxReservedPerTDMR: UInt16 = 0
  /// `tdmr.pamt_4k_entry_size`, `…2m…`, `…1g…`
  public var pamtEntrySizes: [UInt16] = [0, 0, 0]
  /// `td_ctrl.tdr_base_size`
  public var tdrBaseSize: UInt16 = 0
  /// `td_ctrl.tdcs_base_size`
  public var tdcsBaseSize: UInt16 = 0
  /// `td_ctrl.tdvps_base_size`
  public var tdvpsBaseSize: UInt16 = 0
  /// `td_conf.attributes_fixed0`
  public var attributesFixed0: UInt64 = 0
  /// `td_conf.attributes_fixed1`
  public var attributesFixed1: UInt64 = 0
  /// `td_conf.xfam_fixed0`
  public var xfamFixed0: UInt64 = 0
  /// `td_conf.xfam_fixed1`
  public var xfamFixed1: UInt64 = 0
  /// `td_conf.num_cpuid_config`
  public var numCPUIDConfig: UInt16 = 0
  /// `td_conf.max_vcpus_per_td`
  public var maxVCPUsPerTD: UInt16 = 0
  /// `td_conf.cpuid_config_leaves`
  public var cpuidConfigLeaves: [UInt64] = []
  /// `td_conf.cpuid_config_values`: two words a leaf.
  public var cpuidConfigValues: [[UInt64]] = []
  /// `handoff.module_hv`; only the profiles that read it at boot have it.
  public var moduleHV: UInt16 = 0

  /// Entries of the kernel's `cpuid_config_leaves` and `cpuid_config_values`.
  public static let maxCPUIDConfig: UInt16 = 128

  /// Nothing known.
  public init() {}

  /// Takes the value of one field of fixed place; unknown fields are left out.
  mutating func store(_ value: UInt64, of field: MetadataField) {
    let short = UInt16(truncatingIfNeeded: value)
    switch field {
    case .minorVersion: version.minor = short
    case .majorVersion: version.major = short
    case .updateVersion: version.update = short
    case .tdxFeatures0: features = TDXFeatures0(rawValue: value)
    case .maxTDMRs: maxTDMRs = short
    case .maxReservedPerTDMR: maxReservedPerTDMR = short
    case .pamt4KEntrySize: pamtEntrySizes[0] = short
    case .pamt2MEntrySize: pamtEntrySizes[1] = short
    case .pamt1GEntrySize: pamtEntrySizes[2] = short
    case .tdrBaseSize: tdrBaseSize = short
    case .tdcsBaseSize: tdcsBaseSize = short
    case .tdvpsBaseSize: tdvpsBaseSize = short
    case .attributesFixed0: attributesFixed0 = value
    case .attributesFixed1: attributesFixed1 = value
    case .xfamFixed0: xfamFixed0 = value
    case .xfamFixed1: xfamFixed1 = value
    case .numCPUIDConfig: numCPUIDConfig = short
    case .maxVCPUsPerTD: maxVCPUsPerTD = short
    case .moduleHV: moduleHV = short
    default: break
    }
  }

  /// `get_tdx_sys_info_version`, in its order.
  public static let versionFields: [MetadataField] = [.minorVersion, .majorVersion, .updateVersion]

  /// The fields of fixed place after the version, in the order of `get_tdx_sys_info`.
  static let bootFields: [MetadataField] = [
    .tdxFeatures0,
    .maxTDMRs, .maxReservedPerTDMR, .pamt4KEntrySize, .pamt2MEntrySize, .pamt1GEntrySize,
    .tdrBaseSize, .tdcsBaseSize, .tdvpsBaseSize,
    .attributesFixed0, .attributesFixed1, .xfamFixed0, .xfamFixed1,
    .numCPUIDConfig, .maxVCPUsPerTD,
  ]
}
