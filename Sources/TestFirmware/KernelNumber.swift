import Kernfs
import SystemPackage

/// Whole texts as numbers, as the `kstrto*` family reads them: digits, and one newline at the end or none.
enum KernelNumber {
  /// `kstrtou8(…, 10, …)`
  /// - Throws: EINVAL for what is no number, ERANGE for one that does not fit.
  static func byte(_ bytes: [UInt8]) throws(Errno) -> UInt8 {
    let value = try magnitude(sign(of: KernelText.string(bytes), allowsMinus: false).digits)
    guard let byte = UInt8(exactly: value) else { throw .outOfRange }
    return byte
  }

  /// `kstrtol(…, 10, …)`
  /// - Throws: EINVAL for what is no number, ERANGE for one that does not fit.
  static func long(_ bytes: [UInt8]) throws(Errno) -> Int {
    let (isNegative, digits) = sign(of: KernelText.string(bytes), allowsMinus: true)
    let value = try magnitude(digits)
    if isNegative {
      guard value <= UInt(Int.max) + 1 else { throw .outOfRange }
      return Int(truncatingIfNeeded: 0 &- value)
    }
    guard let long = Int(exactly: value) else { throw .outOfRange }
    return long
  }

  private static func sign(
    of text: ArraySlice<UInt8>, allowsMinus: Bool
  ) -> (isNegative: Bool, digits: ArraySlice<UInt8>) {
    switch text.first {
    case UInt8(ascii: "-") where allowsMinus: (true, text.dropFirst())
    case UInt8(ascii: "+"): (false, text.dropFirst())
    case _: (false, text)
    }
  }

  /// `_kstrtoull`: that the digits are too many is seen before what follows them.
  private static func magnitude(_ text: ArraySlice<UInt8>) throws(Errno) -> UInt {
    let digits = text.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    var value: UInt = 0
    for byte in digits {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt(byte - UInt8(ascii: "0")))
      guard !overflow, !carry else { throw .outOfRange }
      value = sum
    }
    let rest = text.dropFirst(digits.count)
    guard !digits.isEmpty, rest.isEmpty || rest.elementsEqual([UInt8(ascii: "\n")]) else { throw .invalidArgument }
    return value
  }
}
