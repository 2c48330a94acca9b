import Cryptography

/// Fields of TDINFO that a binding leaves out of the hash: IGNORE_TDINFO (module source 1.5.01).
struct TDInfoFields: OptionSet, Sendable {
  let rawValue: UInt16

  static let attributes = Self(rawValue: 1 << 0)
  static let xfam = Self(rawValue: 1 << 1)
  static let mrtd = Self(rawValue: 1 << 2)
  static let mrConfigID = Self(rawValue: 1 << 3)
  static let mrOwner = Self(rawValue: 1 << 4)
  static let mrOwnerConfig = Self(rawValue: 1 << 5)
  /// RTMR0; the other three follow.
  static let rtmr0 = Self(rawValue: 1 << 6)
  static let servtdHash = Self(rawValue: 1 << 10)

  /// The bytes of TDINFO that the fields are, one range for each bit.
  private static let ranges: [Range<Int>] = [
    TDInfo.Offset.attributes..<TDInfo.Offset.xfam, TDInfo.Offset.xfam..<TDInfo.Offset.mrtd,
    TDInfo.Offset.mrtd..<TDInfo.Offset.mrConfigID, TDInfo.Offset.mrConfigID..<TDInfo.Offset.mrOwner,
    TDInfo.Offset.mrOwner..<TDInfo.Offset.mrOwnerConfig, TDInfo.Offset.mrOwnerConfig..<TDInfo.Offset.rtmr0,
    rtmr(0), rtmr(1), rtmr(2), rtmr(3),
    TDInfo.Offset.servtdHash..<(TDInfo.Offset.servtdHash + TDMeasurement.digestSize),
  ]

  private static func rtmr(_ index: Int) -> Range<Int> {
    let start = TDInfo.Offset.rtmr0 + TDMeasurement.digestSize * index
    return start..<(start + TDMeasurement.digestSize)
  }

  /// The bytes of TDINFO of the fields in the set.
  var bytes: [Range<Int>] {
    Self.ranges.enumerated().filter { rawValue >> UInt16($0.offset) & 1 != 0 }.map(\.element)
  }
}

extension TD {
  /// TEE_INFO_HASH: SHA-384 of TDINFO (tdx-module.md 7.1), the `ignored` fields being zero.
  func infoHash(ignoring ignored: TDInfoFields = []) -> [UInt8] {
    var info = TDInfo.bytes(of: self)
    for range in ignored.bytes { info.replaceSubrange(range, with: repeatElement(0, count: range.count)) }
    return SHA384.digest(of: info)
  }
}
