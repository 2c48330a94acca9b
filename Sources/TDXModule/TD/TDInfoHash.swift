import Basics
import Crypto

/// Fields of TDINFO that a binding leaves out of the hash: IGNORE_TDINFO (module source 1.5.01).
struct TDInfoFields: OptionSet, Sendable {
  let rawValue: UInt16

  static let attributes = Self(rawValue: 1 << 0)
  static let xfam = Self(rawValue: 1 << 1)
  static let mrtd = Self(rawValue: 1 << 2)
  static let mrConfigID = Self(rawValue: 1 << 3)
  static let mrOwner = Self(rawValue: 1 << 4)
  static let mrOwnerConfig = Self(rawValue: 1 << 5)
  /// RTMR0, followed by the other three.
  static let rtmr0 = Self(rawValue: 1 << 6)
  static let servtdHash = Self(rawValue: 1 << 10)

  /// RTMR `index`.
  static func rtmr(_ index: Int) -> Self { Self(rawValue: rtmr0.rawValue << UInt16(index & 3)) }
}

extension TD {
  /// TEE_INFO_HASH: SHA-384 of the 512 bytes of TDINFO (tdx-module.md 7.1), the `ignored` fields being zero.
  func infoHash(ignoring ignored: TDInfoFields = []) -> [UInt8] {
    func field(_ bytes: [UInt8], _ field: TDInfoFields) -> [UInt8] {
      ignored.contains(field) ? [UInt8](repeating: 0, count: bytes.count) : bytes
    }
    var info = field(parameters.attributes.rawValue.littleEndianBytes, .attributes)
    info += field(parameters.xfam.littleEndianBytes, .xfam)
    info += field(measurement.mrtd, .mrtd)
    info += field(parameters.mrConfigID, .mrConfigID)
    info += field(parameters.mrOwner, .mrOwner)
    info += field(parameters.mrOwnerConfig, .mrOwnerConfig)
    for (index, rtmr) in measurement.rtmrs.enumerated() { info += field(rtmr, .rtmr(index)) }
    info += field(measurement.servtdHash, .servtdHash)
    info += [UInt8](repeating: 0, count: max(0, 512 - info.count))
    return Array(SHA384.hash(data: info))
  }
}
