/// Writes numbers and bytes one behind the other: for tables with so many entries that an archive's names and tags would be
/// most of it. Numbers take a byte for every seven bits, the lowest first.
public struct Packer: Sendable {
  /// What was written.
  public private(set) var bytes: [UInt8] = []

  /// Nothing written.
  public init() {}

  /// `bytes`, as if they had been written.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Writes a number.
  public mutating func append(_ number: UInt64) {
    var rest = number
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Writes `slice` as it is, without its length.
  public mutating func append(bytes slice: some Collection<UInt8>) { bytes.append(contentsOf: slice) }

  /// Writes `text` with its length.
  public mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }
}

/// Reads what a ``Packer`` wrote. The bytes are not trusted.
public struct Unpacker: Sendable {
  private let reader: ByteReader
  /// How many bytes were read.
  public private(set) var position = 0

  /// A reader of `bytes`.
  public init(_ bytes: [UInt8]) {
    reader = ByteReader(bytes)
  }

  /// Whether everything was read.
  public var isAtEnd: Bool { position >= reader.count }

  /// The next number.
  public mutating func number() throws(ArchiveError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < reader.count {
      let byte = reader.bytes[position]
      position += 1
      guard shift < 63 || shift == 63 && byte <= 1 else { throw ArchiveError("a packed number is too large") }
      value |= UInt64(byte & 0x7F) << shift
      guard byte & 0x80 != 0 else { return value }
      shift += 7
    }
    throw ArchiveError("a packed table is cut")
  }

  /// The next number, which fits into the type that is asked for.
  public mutating func number<T: FixedWidthInteger>(as type: T.Type) throws(ArchiveError) -> T {
    let number = try number()
    guard let value = T(exactly: number) else { throw ArchiveError("a packed number is out of range: \(number)") }
    return value
  }

  /// The next `count` bytes.
  public mutating func bytes(_ count: Int) throws(ArchiveError) -> [UInt8] {
    guard let slice = try? reader.slice(at: position, count: count) else { throw ArchiveError("a packed table is cut") }
    position += count
    return Array(slice)
  }

  /// The next text.
  public mutating func text() throws(ArchiveError) -> String {
    let count = try number(as: Int.self)
    guard let text = String(validating: try bytes(count), as: UTF8.self) else {
      throw ArchiveError("a packed text is not UTF-8")
    }
    return text
  }
}
