import Basics

/// One bit for every LP that the loader has room for, by x2APIC id, and how many are set.
public struct LPBitmap: Equatable, Sendable {
  /// x2APIC ids that the loader has room for.
  public static let capacity: UInt32 = 1024

  private var words = [UInt64](repeating: 0, count: Int(capacity / 64))
  /// Bits that are set.
  public private(set) var count = 0

  /// No bit set.
  public init() {}

  /// Whether the bit of `id` is set; false for an id that there is no room for.
  public func contains(_ id: UInt32) -> Bool {
    id < Self.capacity && words[Int(id / 64)] >> UInt64(id % 64) & 1 != 0
  }

  /// Sets the bit of `id`, and says whether it was clear before.
  public mutating func insert(_ id: UInt32) -> Bool {
    guard id < Self.capacity, !contains(id) else { return false }
    words[Int(id / 64)] |= 1 << UInt64(id % 64)
    count += 1
    return true
  }

  /// Clears all bits.
  public mutating func removeAll() {
    guard count > 0 else { return }
    for index in words.indices { words[index] = 0 }
    count = 0
  }
}

extension LPBitmap: Codable {
  /// The ids whose bits are set.
  public func encode(to encoder: any Encoder) throws {
    try (0..<Self.capacity).filter(contains).encode(to: encoder)
  }

  /// Reads what ``encode(to:)`` wrote. An error for an id that there is no room for, or that comes twice.
  public init(from decoder: any Decoder) throws {
    self.init()
    for id in try [UInt32](from: decoder) {
      try ArchiveCheck.require(insert(id), "the bit of x2APIC id \(id) in a bitmap of the P-SEAMLDR")
    }
  }
}
