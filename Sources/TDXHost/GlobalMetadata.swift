/// A global metadata field of the TDX module that Linux reads (kernel-abi.md 6; `tdx_global_metadata.c`).
public struct MetadataField: RawRepresentable, Hashable, Sendable {
  /// The field id, RDX of TDH.SYS.RD.
  public let rawValue: UInt64

  /// The field `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  private init(_ rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// MINOR_VERSION, 2 bytes.
  public static let minorVersion = Self(0x0800_0001_0000_0003)
  /// MAJOR_VERSION, 2 bytes.
  public static let majorVersion = Self(0x0800_0001_0000_0004)
  /// UPDATE_VERSION, 2 bytes.
  public static let updateVersion = Self(0x0800_0001_0000_0005)
  /// TDX_FEATURES0, 8 bytes.
  public static let tdxFeatures0 = Self(0x0A00_0003_0000_0008)
  /// MODULE_HV, 2 bytes.
  public static let moduleHV = Self(0x8900_0001_0000_0000)
  /// MAX_TDMRS, 2 bytes.
  public static let maxTDMRs = Self(0x9100_0001_0000_0008)
  /// MAX_RESERVED_PER_TDMR, 2 bytes.
  public static let maxReservedPerTDMR = Self(0x9100_0001_0000_0009)
  /// PAMT_4K_ENTRY_SIZE, 2 bytes.
  public static let pamt4KEntrySize = Self(0x9100_0001_0000_0010)
  /// PAMT_2M_ENTRY_SIZE, 2 bytes.
  public static let pamt2MEntrySize = Self(0x9100_0001_0000_0011)
  /// PAMT_1G_ENTRY_SIZE, 2 bytes.
  public static let pamt1GEntrySize = Self(0x9100_0001_0000_0012)
  /// TDR_BASE_SIZE, 2 bytes.
  public static let tdrBaseSize = Self(0x9800_0001_0000_0000)
  /// TDCS_BASE_SIZE, 2 bytes.
  public static let tdcsBaseSize = Self(0x9800_0001_0000_0100)
  /// TDVPS_BASE_SIZE, 2 bytes.
  public static let tdvpsBaseSize = Self(0x9800_0001_0000_0200)
  /// ATTRIBUTES_FIXED0, 8 bytes.
  public static let attributesFixed0 = Self(0x1900_0003_0000_0000)
  /// ATTRIBUTES_FIXED1, 8 bytes.
  public static let attributesFixed1 = Self(0x1900_0003_0000_0001)
  /// XFAM_FIXED0, 8 bytes.
  public static let xfamFixed0 = Self(0x1900_0003_0000_0002)
  /// XFAM_FIXED1, 8 bytes.
  public static let xfamFixed1 = Self(0x1900_0003_0000_0003)
  /// NUM_CPUID_CONFIG, 2 bytes.
  public static let numCPUIDConfig = Self(0x9900_0001_0000_0004)
  /// MAX_VCPUS_PER_TD, 2 bytes; 1.5.01 does not have it.
  public static let maxVCPUsPerTD = Self(0x9900_0001_0000_0008)

  /// CPUID_CONFIG_LEAVES[`index`], 8 bytes.
  public static func cpuidConfigLeaf(_ index: UInt16) -> Self { Self(0x9900_0003_0000_0400 + UInt64(index)) }

  /// CPUID_CONFIG_VALUES[`index`][`half`], 8 bytes; half 0 is EAX and EBX, half 1 is ECX and EDX.
  public static func cpuidConfigValue(_ index: UInt16, half: UInt64) -> Self {
    Self(0x9900_0003_0000_0500 + 2 * UInt64(index) + (half & 1))
  }
}

/// TDX_FEATURES0 as Linux looks at it.
public struct TDXFeatures0: OptionSet, Hashable, Sendable, Codable {
  /// The 64 bits.
  public let rawValue: UInt64

  /// Features `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Bit 1, `TDX_FEATURES0_TD_PRESERVING`: runtime updates are possible.
  public static let tdPreserving = Self(rawValue: 1 << 1)
  /// Bit 18, `TDX_FEATURES0_NO_RBP_MOD`: required at boot.
  public static let noRBPMod = Self(rawValue: 1 << 18)
  /// Bit 20, `TDX_FEATURES0_TOPOLOGY_ENUM`: TDH.VP.INIT takes an x2APIC id.
  public static let topologyEnum = Self(rawValue: 1 << 20)
  /// Bit 36, `TDX_FEATURES0_DYNAMIC_PAMT`.
  public static let dynamicPAMT = Self(rawValue: 1 << 36)
  /// Bit 47, `TDX_FEATURES0_UPDATE_COMPAT`: SHUTDOWN knows AVOID_COMPAT_SENSITIVE.
  public static let updateCompatibility = Self(rawValue: 1 << 47)
}
