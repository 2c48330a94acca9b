import Basics

/// TD_PARAMS: what a TD is made of (`struct td_params`; tdx-module.md 6.3).
public struct TDParameters: Equatable, Sendable, Codable {
  /// Bytes that TDH.MNG.INIT reads.
  public static let size = 1024
  /// Bytes of a measurement register.
  public static let hashSize = 48

  /// ATTRIBUTES.
  public var attributes: TDAttributes
  /// XFAM: the extended features that the guest may use, laid out as XCR0 and IA32_XSS.
  public var xfam: UInt64
  /// MAX_VCPUS.
  public var maxVCPUs: UInt16
  /// NUM_L2_VMS.
  public var l2VMs: UInt8 = 0
  /// The guest has 52 bits of physical address and five levels of EPT, instead of 48 and four.
  public var hasWideGPA = false
  /// TSC_FREQUENCY in units of 25 MHz; 80 is 2 GHz.
  public var tscFrequency: UInt16 = 80
  /// MRCONFIGID; cut or filled up with zeros to 48 bytes.
  public var mrConfigID: [UInt8] = []
  /// MROWNER, ditto.
  public var mrOwner: [UInt8] = []
  /// MROWNERCONFIG, ditto.
  public var mrOwnerConfig: [UInt8] = []

  /// Parameters of a TD of these attributes and features.
  public init(attributes: TDAttributes, xfam: UInt64, maxVCPUs: UInt16) {
    self.attributes = attributes
    self.xfam = xfam
    self.maxVCPUs = maxVCPUs
  }

  /// What a monitor asks for that was told nothing: SEPT_VE_DISABLE, as Linux guests require it, the features that no
  /// TD is without, and a vCPU for every CPU at most (`tdx_vm_init`).
  public init(info: SysInfo, presentCPUs: Int) {
    self.init(
      attributes: TDAttributes(rawValue: TDAttributes.septVEDisable.rawValue & info.attributesFixed0)
        .union(TDAttributes(rawValue: info.attributesFixed1)),
      xfam: info.xfamFixed1, maxVCPUs: min(info.maxVCPUsPerTD, UInt16(clamping: presentCPUs)))
  }

  /// Levels of the secure EPT's tables, root included.
  public var eptLevels: Int { hasWideGPA ? 5 : 4 }

  /// EPTP_CONTROLS: write-back, and the levels less one (`setup_tdparams_eptp_controls`).
  private var eptpControls: UInt64 { 6 | UInt64(eptLevels - 1) << 3 }

  /// The structure as TDH.MNG.INIT reads it. CPUID values are all zero: the guest gets none of the bits that a host may
  /// choose.
  public var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.size)
    bytes.store(attributes.rawValue, at: 0)
    bytes.store(xfam, at: 8)
    bytes.store(maxVCPUs, at: 16)
    bytes.store(l2VMs, at: 18)
    bytes.store(eptpControls, at: 24)
    bytes.store(UInt64(hasWideGPA ? 1 : 0), at: 32)
    bytes.store(tscFrequency, at: 40)
    bytes.store(mrConfigID.prefix(Self.hashSize), at: 80)
    bytes.store(mrOwner.prefix(Self.hashSize), at: 128)
    bytes.store(mrOwnerConfig.prefix(Self.hashSize), at: 176)
    return bytes
  }
}

/// ATTRIBUTES of a TD (tdx-module.md 6.3).
public struct TDAttributes: OptionSet, Hashable, Sendable, Codable {
  /// The 64 bits.
  public let rawValue: UInt64

  /// Attributes `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Bit 0, DEBUG: the host may read and write the TD.
  public static let debug = Self(rawValue: 1 << 0)
  /// Bit 28, SEPT_VE_DISABLE: a pending page leaves the TD instead of making a #VE.
  public static let septVEDisable = Self(rawValue: 1 << 28)
  /// Bit 29, MIGRATABLE.
  public static let migratable = Self(rawValue: 1 << 29)
}
