import Basics

/// The KeyIDs that TDs can have (`tdx_guest_keyid_pool`, an IDA): the private ones but the first, which is the module's own.
public struct KeyIDPool: Equatable, Sendable {
  private let first: UInt32
  private var isTaken: [Bool]
  /// No KeyID below this index is free.
  private var lowestFree = 0
  /// KeyIDs that TDs have, or that were leaked.
  public private(set) var inUse = 0

  /// The pool of a machine with these private KeyIDs (`tdx_guest_keyid_start`, `tdx_nr_guest_keyids`).
  public init(privateKeyIDs: Range<UInt32>) {
    first = privateKeyIDs.lowerBound &+ 1
    isTaken = Array(repeating: false, count: max(0, privateKeyIDs.count - 1))
  }

  /// KeyIDs that are free.
  public var free: Int { isTaken.count - inUse }

  /// The lowest free KeyID (`tdx_guest_keyid_alloc`); nil when there is none (ENOSPC).
  public mutating func allocate() -> UInt16? {
    guard let index = isTaken[lowestFree...].firstIndex(of: false) else { return nil }
    isTaken[index] = true
    lowestFree = index + 1
    inUse += 1
    return UInt16(truncatingIfNeeded: first &+ UInt32(truncatingIfNeeded: index))
  }

  /// Gives `keyID` back (`tdx_guest_keyid_free`).
  public mutating func give(back keyID: UInt16) {
    let index = Int(keyID) - Int(first)
    guard isTaken.indices.contains(index), isTaken[index] else { return }
    isTaken[index] = false
    lowestFree = min(lowestFree, index)
    inUse -= 1
  }
}

extension KeyIDPool: Codable {
  private enum Key: CodingKey {
    case first, count, taken
  }

  /// Which are taken; the rest follows.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(first, forKey: .first)
    try container.encode(isTaken.count, forKey: .count)
    try container.encode(isTaken.indices.filter { isTaken[$0] }, forKey: .taken)
  }

  /// Reads what ``encode(to:)`` wrote.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    first = try container.decode(UInt32.self, forKey: .first)
    let count = try container.decode(Int.self, forKey: .count)
    try ArchiveCheck.range(count, 0...Int(UInt16.max), "the number of KeyIDs")
    isTaken = Array(repeating: false, count: count)
    for index in try container.decode([Int].self, forKey: .taken) {
      try ArchiveCheck.require(isTaken.indices.contains(index) && !isTaken[index], "a taken KeyID")
      isTaken[index] = true
      inUse += 1
    }
    lowestFree = isTaken.firstIndex(of: false) ?? count
  }

  /// Whether it is a pool of these private KeyIDs.
  func check(_ privateKeyIDs: Range<UInt32>) throws(ArchiveError) {
    let expected = Self(privateKeyIDs: privateKeyIDs)
    try ArchiveCheck.require(
      first == expected.first && isTaken.count == expected.isTaken.count, "the KeyIDs that TDs can have")
  }
}
