import Kernfs
import SystemPackage
import Testing

@testable import TestFirmware

/// Texts of every spelling for the knobs of the test driver, against the kernel's kstrtou8, kstrtol and kstrtobool, told a second
/// time.
@Suite("Malformed texts for knobs", .timeLimit(.minutes(20)))
struct MalformedKnobTests {
  /// What a parser of the kernel says.
  enum Outcome: Equatable {
    case value(String)
    case invalid, range
  }

  /// `_kstrtoull` with base 10: digits, one newline behind them or none, and the end. Too many bits are seen before what follows
  /// the digits.
  private static func unsigned(_ text: ArraySlice<UInt8>) -> (value: UInt64?, outcome: Outcome?) {
    let digits = text.prefix { (0x30...0x39).contains($0) }
    if digits.isEmpty { return (nil, .invalid) }
    var value: UInt64 = 0
    for digit in digits {
      let (product, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = product.addingReportingOverflow(UInt64(digit - 0x30))
      if first || second { return (nil, .range) }
      value = sum
    }
    let rest = text.dropFirst(digits.count)
    return rest.isEmpty || Array(rest) == [0x0A] ? (value, nil) : (nil, .invalid)
  }

  private static func plusDropped(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    text.first == UInt8(ascii: "+") ? text.dropFirst() : text
  }

  /// `kstrtou8`: one '+' or none in front.
  static func u8(_ text: ArraySlice<UInt8>) -> Outcome {
    let (value, outcome) = unsigned(plusDropped(text))
    if let outcome { return outcome }
    return (value ?? 0) <= 255 ? .value("\(value ?? 0)\n") : .range
  }

  /// `kstrtol` into a size_t: '-', or '+', or none.
  static func size(_ text: ArraySlice<UInt8>) -> Outcome {
    if text.first == UInt8(ascii: "-") {
      let (value, outcome) = unsigned(text.dropFirst())
      if let outcome { return outcome }
      let magnitude = value ?? 0
      return magnitude <= 1 << 63 ? .value("\(0 &- magnitude)\n") : .range
    }
    let (value, outcome) = unsigned(plusDropped(text))
    if let outcome { return outcome }
    return (value ?? 0) < 1 << 63 ? .value("\(value ?? 0)\n") : .range
  }

  /// `kstrtobool` before 6.18: the first character, or two.
  static func bool(_ text: ArraySlice<UInt8>) -> Outcome {
    let word = String(decoding: text.prefix(2), as: UTF8.self)
    let first = String(word.prefix(1))
    if ["y", "Y", "t", "T", "1"].contains(first) || word.lowercased() == "on" { return .value("1\n") }
    if ["n", "N", "f", "F", "0"].contains(first) || word.lowercased() == "of" { return .value("0\n") }
    return .invalid
  }

  static let texts: [[UInt8]] = {
    var texts: [[UInt8]] = (0..<256).map { [UInt8($0)] }
    let letters = Array("0129-+ \t\n\r\0xXyYnNoOfFtTeEdD.".utf8) + [0x7F, 0x80, 0xFF]
    for first in letters {
      for second in letters { texts.append([first, second]) }
    }
    let starts = ["", " ", "\t", "\n", "+", "-", "--", "+-", "-+", "++", "0x", "0X", "0", "000", "\0", "'"]
    let numbers = [
      "0", "1", "7", "010", "9", "127", "128", "254", "255", "256", "257", "300", "65535", "65536", "4294967295",
      "4294967296",
      "9223372036854775807", "9223372036854775808", "9223372036854775809", "18446744073709551615",
      "18446744073709551616",
      "99999999999999999999999999", "1e3", "\u{661}", "one",
    ]
    let ends = ["", "\n", "\n\n", " ", "\r\n", "\0", "\01", "x", ".0", "L", " 1", "\n1"]
    for start in starts {
      for number in numbers {
        for end in ends { texts.append(Array((start + number + end).utf8)) }
      }
    }
    for word in ["yes", "no", "true", "false", "on", "off", "of", "o", "enable", "disable"] {
      for start in ["", " ", "\n", "-"] {
        for end in ["", "\n", " ", "\0", "x"] {
          texts.append(Array((start + word + end).utf8))
          texts.append(Array((start + word.uppercased() + end).utf8))
        }
      }
    }
    for count in [4095, 4096, 5000] {
      texts.append([UInt8](repeating: 0x30, count: count))
      texts.append([UInt8](repeating: 0x20, count: count))
      texts.append([UInt8](repeating: 0x31, count: count))
    }
    return texts
  }()

  static let knobs: [(name: String, parse: @Sendable (ArraySlice<UInt8>) -> Outcome)] = [
    ("config_num_requests", { u8($0) }), ("config_read_fw_idx", { u8($0) }), ("config_buf_size", { size($0) }),
    ("config_file_offset", { size($0) }), ("config_into_buf", { bool($0) }), ("config_partial", { bool($0) }),
    ("config_sync_direct", { bool($0) }), ("config_send_uevent", { bool($0) }),
  ]

  @Test("the value that is shown, or the errno, and after a refusal the value before", arguments: knobs.map(\.name))
  func knob(name: String) throws {
    let parse = try #require(Self.knobs.first { $0.name == name }?.parse)
    let bench = Bench()
    var before = try bench.text(name)
    var cases = 0
    for text in Self.texts {
      // The store sees a C string of at most a page.
      let seen = text.prefix(4096).prefix { $0 != 0 }
      let expected = parse(seen)
      let found: Outcome
      do throws(Errno) {
        _ = try bench.put(name, text)
        found = .value(try bench.text(name))
      } catch {
        switch error {
        case .invalidArgument: found = .invalid
        case .outOfRange: found = .range
        case let other:
          Issue.record("\(name), \(text.prefix(30)): \(other)")
          return
        }
      }
      cases += 1
      let shown = try bench.text(name)
      if found != expected || (shown != before && expected != .value(shown)) {
        let told = String(decoding: text.prefix(40), as: UTF8.self).debugDescription
        Issue.record("\(name), \(told): \(found) in place of \(expected), shown is \(shown)")
        return
      }
      before = shown
    }
    print("malformed inputs: texts for \(name): \(cases) cases")
    #expect(cases >= 5800)
  }
}
