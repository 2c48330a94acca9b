extension Sequence<UInt8> {
  /// Lower-case hexadecimal digits, two a byte, in order.
  public var hexadecimal: String {
    var text: [UInt8] = []
    for byte in self {
      text.append(digit(byte >> 4))
      text.append(digit(byte & 0xF))
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension FixedWidthInteger where Self: UnsignedInteger {
  /// Lower-case hexadecimal digits, zero-filled to the width of the type, without prefix (`%016llx` for UInt64).
  public var paddedHexadecimal: String { littleEndianBytes.reversed().hexadecimal }
}

extension [UInt8] {
  /// The bytes that `hexadecimal` digits stand for, upper or lower case; nil
  /// for an odd number of digits or for anything that is not a digit.
  public init?(hexadecimal text: some StringProtocol) {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = nibble(digits[index]), let low = nibble(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    self = bytes
  }
}

private func digit(_ nibble: UInt8) -> UInt8 {
  nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
}

private func nibble(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
  default: nil
  }
}
