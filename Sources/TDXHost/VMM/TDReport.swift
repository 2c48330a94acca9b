import Basics

/// TDREPORT_STRUCT as TDG.MR.REPORT writes it: 1024 bytes, read in place (tdx-module.md 7.1).
public struct TDReport: Equatable, Sendable {
  /// Bytes of a report.
  public static let size = 1024
  /// Bytes of REPORTDATA.
  public static let reportDataSize = 64

  /// A field: where it is, and how long.
  public struct Field: Hashable, Sendable {
    /// Its name as the specification spells it.
    public let name: String
    /// Offset of its first byte.
    public let offset: Int
    /// Its bytes.
    public let size: Int

    private init(_ name: String, _ offset: Int, _ size: Int) {
      self.name = name
      self.offset = offset
      self.size = size
    }

    /// Type 0x81, subtype, version, reserved.
    public static let type = Field("REPORTTYPE", 0, 4)
    /// Security version of the CPU.
    public static let cpuSVN = Field("CPUSVN", 16, 16)
    /// SHA-384 of TEE_TCB_INFO.
    public static let tcbInfoHash = Field("TEE_TCB_INFO_HASH", 32, 48)
    /// SHA-384 of TDINFO.
    public static let infoHash = Field("TEE_INFO_HASH", 80, 48)
    /// What the asker gave.
    public static let reportData = Field("REPORTDATA", 128, 64)
    /// HMAC-SHA-256 of bytes 0…223.
    public static let mac = Field("MAC", 224, 32)
    /// Which fields of TEE_TCB_INFO are valid.
    public static let valid = Field("VALID", 256, 8)
    /// Security version of the module under which the TD was made.
    public static let teeTCBSVN = Field("TEE_TCB_SVN", 264, 16)
    /// Hash of that module.
    public static let mrSEAM = Field("MRSEAM", 280, 48)
    /// Hash of its signer; zero is Intel.
    public static let mrSignerSEAM = Field("MRSIGNERSEAM", 328, 48)
    /// Attributes of that module.
    public static let seamAttributes = Field("SEAM_ATTRIBUTES", 376, 8)
    /// Security version of the module that runs now.
    public static let teeTCBSVN2 = Field("TEE_TCB_SVN2", 384, 16)
    /// ATTRIBUTES of the TD.
    public static let attributes = Field("ATTRIBUTES", 512, 8)
    /// XFAM of the TD.
    public static let xfam = Field("XFAM", 520, 8)
    /// What was built.
    public static let mrtd = Field("MRTD", 528, 48)
    /// Of TD_PARAMS.
    public static let mrConfigID = Field("MRCONFIGID", 576, 48)
    /// Of TD_PARAMS.
    public static let mrOwner = Field("MROWNER", 624, 48)
    /// Of TD_PARAMS.
    public static let mrOwnerConfig = Field("MROWNERCONFIG", 672, 48)
    /// The hash over the service TDs that are bound.
    public static let servTDHash = Field("SERVTD_HASH", 912, 48)

    /// RTMR `index`, 0…3.
    public static func rtmr(_ index: Int) -> Field { Field("RTMR\(index)", 720 + 48 * min(max(index, 0), 3), 48) }

    /// All of them in order.
    public static let all: [Field] = [
      type, cpuSVN, tcbInfoHash, infoHash, reportData, mac, valid, teeTCBSVN, mrSEAM, mrSignerSEAM, seamAttributes,
      teeTCBSVN2, attributes, xfam, mrtd, mrConfigID, mrOwner, mrOwnerConfig, rtmr(0), rtmr(1), rtmr(2), rtmr(3),
      servTDHash,
    ]
  }

  /// The 1024 bytes.
  public let bytes: [UInt8]

  /// The report in `bytes`; nil when there are not 1024.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.size else { return nil }
    self.bytes = bytes
  }

  /// The bytes of a field.
  public subscript(_ field: Field) -> ArraySlice<UInt8> { bytes.dropFirst(field.offset).prefix(field.size) }

  /// An integer field.
  public func integer(_ field: Field) -> UInt64 { UInt64(littleEndianBytes: self[field]) }
}
