/// The two ways in which firmware writes a date: decimal yyyymmdd (module metadata) and BCD 0xYYYYMMDD (sigstruct).
public enum BuildDate {
  /// The decimal date of a BCD one; nil where a digit is above 9.
  public static func decimal(bcd: UInt32) -> UInt32? {
    var value: UInt32 = 0
    for shift in stride(from: UInt32(28), through: 0, by: -4) {
      let digit = bcd >> shift & 0xF
      guard digit <= 9 else { return nil }
      value = value * 10 + digit
    }
    return value
  }

  /// The BCD date of a decimal one, of which the last eight digits count.
  public static func bcd(decimal: UInt32) -> UInt32 {
    var rest = decimal
    var value: UInt32 = 0
    for shift in stride(from: UInt32(0), through: 28, by: 4) {
      value |= (rest % 10) << shift
      rest /= 10
    }
    return value
  }
}
