import Basics
import Cryptography

/// SERVTD_ATTR: how a service TD is bound (module source 1.5.01; SERVTD_ATTR_FIXED0 in tdx-module.md 5.3).
struct ServiceTDAttributes: RawRepresentable, Equatable, Sendable, Codable {
  let rawValue: UInt64

  /// INSTANCE_BINDING: the very TD that was bound, not one that is measured like it.
  var isInstanceBinding: Bool { rawValue & 1 != 0 }
  /// IGNORE_TDINFO: bits 47:32.
  var ignored: TDInfoFields { TDInfoFields(rawValue: UInt16(truncatingIfNeeded: rawValue >> 32)) }
  /// Whether only bits of SERVTD_ATTR_FIXED0 are set; FIXED1 is 0.
  var isValid: Bool { rawValue & ~Self.fixed0 == 0 }

  static let fixed0: UInt64 = 0x0000_07FF_0000_0001
}

/// The binding slots for service TDs of one TD, in its TDCS.
struct ServiceTDBindings: Sendable, Codable {
  /// SERVTD_BINDING_STATE of a slot in use.
  enum State: UInt8, Sendable, Codable {
    case preBound = 1
    case bound = 2
  }

  /// A slot in use.
  struct Binding: Equatable, Sendable, Codable {
    var state: State
    /// SERVTD_TYPE; 0, a migration TD, is the only one.
    var type: UInt16
    var attributes: ServiceTDAttributes
    /// TEE_INFO_HASH of the service TD, without what the attributes say to ignore.
    var infoHash: [UInt8]
    /// TD_UUID of the service TD; all zero while it is pre-bound.
    var uuid: [UInt64] = [0, 0, 0, 0]
  }

  /// MAX_SERV_TDS.
  static let maximum = 1
  /// SERVTD_TYPE of a migration TD.
  static let migrationType: UInt16 = 0

  /// The slots; nil is SERVTD_NOT_BOUND.
  var slots = [Binding?](repeating: nil, count: maximum)

  /// Whether any slot is in use, pre-bound or bound. Then a TDREPORT has version 1.
  var hasBinding: Bool { slots.contains { $0 != nil } }

  /// SERVTD_HASH of the slots as they are now: TDH.MR.FINALIZE fixes it (tdx-module.md 6.7).
  func hash() -> [UInt8] {
    let used = slots.compactMap { $0 }.sorted {
      $0.type == $1.type ? $0.infoHash.lexicographicallyPrecedes($1.infoHash) : $0.type < $1.type
    }
    guard !used.isEmpty else { return [UInt8](repeating: 0, count: TDMeasurement.digestSize) }
    let entries = used.flatMap { $0.infoHash + $0.type.littleEndianBytes + $0.attributes.rawValue.littleEndianBytes }
    return SHA384.digest(of: entries)
  }
}
