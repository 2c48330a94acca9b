import Basics

/// An integer field of a wire layout: where it lies, how wide it is, and what the specification calls it.
public struct WireField<Value: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
  /// Byte offset.
  public let offset: Int
  /// The field's name as the specification spells it.
  public let name: String

  /// The field `name` at `offset`.
  public init(offset: Int, name: String) {
    self.offset = offset
    self.name = name
  }
}

extension ByteReader {
  /// The value of `field`.
  public func value<Value>(of field: WireField<Value>) throws(ByteReaderError) -> Value {
    try integer(at: field.offset)
  }
}

extension [UInt8] {
  /// Stores `value` in `field`; bytes that are too short for it stay as they are.
  mutating func store<Value>(_ value: Value, in field: WireField<Value>) {
    store(value, at: field.offset)
  }
}
