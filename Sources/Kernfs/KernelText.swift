/// How the kernel's store methods read their text.
public enum KernelText {
  /// The bytes up to the first NUL: what a C string function sees of a store buffer.
  public static func string(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    bytes.prefix { $0 != 0 }
  }

  /// Whether the text is `word`, one newline at its end aside (`sysfs_streq`).
  public static func isEqual(_ bytes: [UInt8], to word: StaticString) -> Bool {
    var text = string(bytes)
    if text.last == UInt8(ascii: "\n") { text = text.dropLast() }
    return word.withUTF8Buffer { text.elementsEqual($0) }
  }

  /// As ``isEqual(_:to:)`` of a literal.
  public static func isEqual(_ bytes: [UInt8], to word: some StringProtocol) -> Bool {
    var text = string(bytes)
    if text.last == UInt8(ascii: "\n") { text = text.dropLast() }
    return text.elementsEqual(word.utf8)
  }

  /// A leading decimal number: one '-' or none, then digits; no blanks, no '+', no 0x; 0 where there are no digits.
  /// The value wraps at 64 bits and is cut to 32 (`simple_strtol` into an int).
  public static func integer(_ bytes: [UInt8]) -> Int32 {
    var digits = string(bytes)
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative { digits = digits.dropFirst() }
    var value: UInt64 = 0
    for byte in digits {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { break }
      value = value &* 10 &+ UInt64(byte - UInt8(ascii: "0"))
    }
    let number = Int32(truncatingIfNeeded: value)
    return isNegative ? 0 &- number : number
  }

  /// A truth value by its first one or two characters (`kstrtobool`); nil for what is none. Kernels from 6.18 on also
  /// know e(nable) and d(isable).
  public static func boolean(_ bytes: [UInt8], knowsEnable: Bool) -> Bool? {
    let text = string(bytes).prefix(2).map { $0 | 0x20 }
    guard let first = text.first, let original = bytes.first else { return nil }
    if original == UInt8(ascii: "1") { return true }
    if original == UInt8(ascii: "0") { return false }
    switch first {
    case UInt8(ascii: "y"), UInt8(ascii: "t"): return true
    case UInt8(ascii: "n"), UInt8(ascii: "f"): return false
    case UInt8(ascii: "e"): return knowsEnable ? true : nil
    case UInt8(ascii: "d"): return knowsEnable ? false : nil
    case UInt8(ascii: "o"):
      switch text.dropFirst().first {
      case UInt8(ascii: "n"): return true
      case UInt8(ascii: "f"): return false
      case _: return nil
      }
    case _: return nil
    }
  }
}
