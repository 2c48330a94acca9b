/// Why untrusted bytes could not be read as asked.
public enum ByteReaderError: Error, Equatable, Sendable {
  /// `count` bytes at `offset` do not lie inside the `available` bytes.
  case outOfBounds(offset: Int, count: Int, available: Int)
}

/// The one reader of untrusted bytes: every access is checked against the
/// bounds, and nothing traps. All integers are little-endian.
public struct ByteReader: Sendable {
  /// The bytes that are read.
  public let bytes: [UInt8]

  /// A reader over `bytes`.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// Number of bytes there are.
  public var count: Int { bytes.count }

  /// The `count` bytes at `offset`.
  public func slice(at offset: Int, count: Int) throws(ByteReaderError) -> ArraySlice<UInt8> {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
      throw .outOfBounds(offset: offset, count: count, available: bytes.count)
    }
    return bytes[offset..<(offset + count)]
  }

  /// The little-endian integer at `offset`.
  @inlinable
  public func integer<T: FixedWidthInteger & UnsignedInteger>(
    at offset: Int, as type: T.Type = T.self
  ) throws(ByteReaderError) -> T {
    T(littleEndianBytes: try slice(at: offset, count: MemoryLayout<T>.size))
  }
}

extension FixedWidthInteger where Self: UnsignedInteger {
  /// The integer whose little-endian representation is `bytes`; bytes beyond
  /// the width of the type are ignored, missing ones count as zero.
  @inlinable
  public init(littleEndianBytes bytes: some Sequence<UInt8>) {
    var value: Self = 0
    var shift = 0
    for byte in bytes {
      guard shift < Self.bitWidth else { break }
      value |= Self(truncatingIfNeeded: byte) << Self(truncatingIfNeeded: shift)
      shift += 8
    }
    self = value
  }

  /// The little-endian representation.
  @inlinable
  public var littleEndianBytes: [UInt8] {
    (0..<(Self.bitWidth / 8)).map { UInt8(truncatingIfNeeded: self >> Self(truncatingIfNeeded: 8 * $0)) }
  }
}

extension [UInt8] {
  /// Stores `value` little-endian at `offset`. An offset that does not leave
  /// room for it stores nothing.
  @inlinable
  public mutating func store(_ value: some FixedWidthInteger & UnsignedInteger, at offset: Int) {
    store(value.littleEndianBytes, at: offset)
  }

  /// Stores `bytes` at `offset`. An offset that does not leave room for them
  /// stores nothing.
  @inlinable
  public mutating func store(_ source: some Collection<UInt8>, at offset: Int) {
    guard offset >= 0, offset <= count, source.count <= count - offset else { return }
    var position = offset
    for byte in source {
      self[position] = byte
      position += 1
    }
  }
}
