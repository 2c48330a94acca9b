/// A host physical address: key-id bits at the top, the address of a byte below.
public struct PhysicalAddress: RawRepresentable, Hashable, Sendable {
  /// The 64 bits as an operand holds them.
  public let rawValue: UInt64

  /// An address with the bits `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// The address `address` with `keyID` in its top bits.
  public init(_ address: UInt64, keyID: UInt16) {
    rawValue = address | UInt64(keyID) << Self.addressBits
  }

  private static let addressBits = MachineConfiguration.maxPA - MachineConfiguration.keyIDBits

  /// The address without its key-id bits.
  public var withoutKeyID: UInt64 { rawValue & ((1 << Self.addressBits) - 1) }

  /// The KeyID that the top bits below MAXPA select.
  public var keyID: UInt16 {
    UInt16(truncatingIfNeeded: (rawValue & ((1 << MachineConfiguration.maxPA) - 1)) >> Self.addressBits)
  }

  /// Whether any bit at or above MAXPA is set.
  public var exceedsMaxPA: Bool { rawValue >> MachineConfiguration.maxPA != 0 }

  /// Whether the address is a multiple of `alignment`, a power of two.
  public func isAligned(to alignment: UInt64) -> Bool { rawValue & (alignment &- 1) == 0 }
}
