/// The id of a metadata field (tdx-module.md 5.2).
struct MetadataFieldID: RawRepresentable, Equatable, Sendable {
  var rawValue: UInt64

  init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// No field: all ones.
  static let none = Self(rawValue: .max)

  private static let contextMask: UInt64 = 7 << 52

  /// Bits 23:0.
  var code: UInt64 {
    get { rawValue & 0xFF_FFFF }
    set { rawValue = rawValue & ~0xFF_FFFF | newValue & 0xFF_FFFF }
  }
  /// Bits 33:32: 0 = 1 byte, 1 = 2, 2 = 4, 3 = 8.
  var elementSizeCode: UInt64 { rawValue >> 32 & 3 }
  /// Bits 37:34: number of elements minus one, in the header of a sequence.
  var lastElementInField: UInt64 {
    get { rawValue >> 34 & 0xF }
    set { rawValue = rawValue & ~(0xF << 34) | (newValue & 0xF) << 34 }
  }
  /// Bits 46:38: number of fields minus one, in the header of a sequence.
  var lastFieldInSequence: UInt64 {
    get { rawValue >> 38 & 0x1FF }
    set { rawValue = rawValue & ~(0x1FF << 38) | (newValue & 0x1FF) << 38 }
  }
  /// Bits 61:56.
  var classCode: UInt64 { rawValue >> 56 & 0x3F }

  /// All ones, the context aside: "the first field".
  var isNull: Bool { rawValue | Self.contextMask == .max }

  /// The id in the context of the platform, 0.
  var inSystemContext: Self { Self(rawValue: rawValue & ~Self.contextMask) }

  /// Whether bits 31:24, 49:47, 55 and 62 are zero.
  var hasReservedBits: Bool { rawValue & (0xFF << 24 | 7 << 47 | 1 << 55 | 1 << 62) != 0 }

  /// Whether the id can name one element: no reserved bits, no lengths.
  var isSingleElement: Bool { !hasReservedBits && lastElementInField == 0 && lastFieldInSequence == 0 }
}
