import Kernfs
import SystemPackage
import Testing

@testable import FirmwareUpload

/// Texts of every spelling for `loading`, `cancel` and `timeout`, and `data` at every border, against ``KernelModel``.
@Suite("Malformed texts", .timeLimit(.minutes(20)))
struct MalformedTextTests {
  /// Every byte alone; every pair and triple of those that mean something; signs, digits and what follows them.
  static let texts: [[UInt8]] = {
    var texts: [[UInt8]] = (0..<256).map { [UInt8($0)] }
    let two = Array("0129-+ \t\n\0xXaAyYnNoOfFtTeEdD".utf8) + [0x0B, 0x0C, 0x0D, 0x7F, 0x80, 0xA0, 0xB1, 0xFF]
    for first in two {
      for second in two { texts.append([first, second]) }
    }
    let three = Array("01-+ \n\0".utf8)
    for first in three {
      for second in three {
        for third in three { texts.append([first, second, third]) }
      }
    }
    let signs = ["", " ", "\t", "\n", "+", "-", "--", "+-", "0x", "0X", "0b", "0", "00", "\0", "\u{FEFF}", "'", "\\"]
    let numbers = [
      "0", "1", "2", "7", "10", "010", "1e3", "2147483647", "2147483648", "4294967295", "4294967296", "4294967297",
      "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
      "18446744073709551617", "99999999999999999999999999", "\u{661}", "true", "one",
    ]
    let ends = ["", "\n", " ", "\0", "\01", "junk", "\r\n", ".0", "\n0\n", "L", String(repeating: "0", count: 80)]
    for sign in signs {
      for number in numbers {
        for end in ends { texts.append(Array((sign + number + end).utf8)) }
      }
    }
    for fill in ["0", "1", " ", "\n", "\0", "x"] {
      for count in [4094, 4095, 4096, 4097, 9000] {
        texts.append(Array("1".utf8) + Array(String(repeating: fill, count: count - 1).utf8))
        texts.append(Array(String(repeating: fill, count: count - 1).utf8) + Array("1".utf8))
      }
    }
    return texts
  }()

  /// `texts`, and with other letters.
  static let words: [[UInt8]] = {
    var words = texts
    for word in [
      "yes", "no", "true", "false", "on", "off", "of", "o", "enable", "disable", "y", "n", "t", "f", "e", "d",
    ] {
      for spelling in [word, word.uppercased(), String(word.prefix(1)).uppercased() + word.dropFirst()] {
        for start in ["", " ", "\n", "\0", "-", "+"] {
          for end in ["", "\n", " ", "\0", "junk", "\n\n"] { words.append(Array((start + spelling + end).utf8)) }
        }
      }
    }
    return words
  }()

  static func told(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.prefix(40), as: UTF8.self).debugDescription
      + (bytes.count > 40 ? " (\(bytes.count) bytes)" : "")
  }

  /// What the device is doing when the text comes.
  enum State: String, CaseIterable, Sendable {
    case unknown, loading, receiving
  }

  @Test("loading: what every text means in every state", arguments: State.allCases)
  func loading(state: State) {
    var pair = UploadPair()
    var cases = 0
    for text in Self.texts {
      var before: [String?] = []
      if state != .unknown {
        before.append(pair.write(Array("1".utf8), to: .loading))
        before.append(pair.write(Array("image".utf8), to: .data))
      }
      if state == .receiving { before.append(pair.write(Array("0".utf8), to: .loading)) }
      let difference = before.compactMap { $0 }.first ?? pair.write(text, to: .loading) ?? pair.difference()
      cases += 1
      if let difference {
        Issue.record("\(state), \(Self.told(text)): \(difference)")
        return
      }
      _ = pair.runWorker()
      if pair.model.isLoading { _ = pair.write(Array("-1".utf8), to: .loading) }
      // A log of thousands of lines takes long to compare.
      pair.model.log = []
      pair.bench.lines.withLock { $0 = [] }
    }
    print("malformed inputs: texts for loading, \(state.rawValue): \(cases) cases")
    #expect(cases >= 5700)
  }

  @Test(
    "cancel: what every text means, idle and busy, before and after 6.18", arguments: [false, true], [false, true])
  func cancel(isBusy: Bool, knowsEnable: Bool) {
    var pair = UploadPair(knowsEnable: knowsEnable)
    if isBusy {
      for (text, file) in [("1", KernelModel.File.loading), ("image", .data), ("0", .loading)] {
        #expect(pair.write(Array(text.utf8), to: file) == nil)
      }
    }
    var cases = 0
    var found: [String: Int] = [:]
    for text in Self.words {
      let cancels = pair.bench.driver.state.withLock { $0.cancels }
      let expected = Self.cancelOutcome(Array(text.prefix(4096)), isBusy: isBusy, knowsEnable: knowsEnable)
      let outcome: String
      do throws(Errno) {
        outcome = "\(try pair.bench.put("cancel", text))"
      } catch { outcome = error.symbol }
      let asked = pair.bench.driver.state.withLock { $0.cancels } - cancels
      cases += 1
      found[expected.count > 4 ? expected : "count", default: 0] += 1
      if outcome != expected || asked != (expected == "EINVAL" ? 0 : 1) {
        Issue.record("\(Self.told(text)): \(outcome) in place of \(expected), the driver was asked \(asked) times")
        return
      }
    }
    print("malformed inputs: texts for cancel, \(isBusy ? "busy" : "idle"): \(cases) cases \(found)")
    #expect(cases >= 7400)
    #expect(found.count == 2)
  }

  /// kernel-abi.md 2.6: the first character or two decide.
  private static func cancelOutcome(_ text: [UInt8], isBusy: Bool, knowsEnable: Bool) -> String {
    let first = text.isEmpty ? "" : String(UnicodeScalar(text[0]))
    let second = text.count < 2 ? "" : String(UnicodeScalar(text[1]))
    let isTrue: Bool =
      switch first {
      case "y", "Y", "t", "T", "1": true
      case "e", "E": knowsEnable
      case "o", "O": second == "n" || second == "N"
      default: false
      }
    if !isTrue { return "EINVAL" }
    return isBusy ? "\(text.count)" : "ENODEV"
  }

  @Test("timeout: every text is a number, a negative one is 0")
  func timeout() throws {
    let bench = Bench()
    var cases = 0
    for text in Self.texts {
      let taken = Array(text.prefix(4096))
      let isNegative = taken.first == UInt8(ascii: "-")
      var value: Int64 = 0
      for byte in isNegative ? taken.dropFirst() : taken[...] {
        guard (0x30...0x39).contains(byte) else { break }
        value = (value * 10 + Int64(byte) - 0x30) % (1 << 32)
      }
      let number = Int32(truncatingIfNeeded: isNegative ? -value : value)
      let count = try bench.put("timeout", text)
      let shown = try bench.get("timeout")
      cases += 1
      if count != taken.count || shown != "\(max(0, number))\n" {
        Issue.record("\(Self.told(text)): \(count) bytes taken, reads \(shown)")
        return
      }
    }
    print("malformed inputs: texts for timeout: \(cases) cases")
    #expect(cases >= 5700)
  }

  @Test(
    "data: every offset and size at every border, in every state, with and without CAP_SYS_RAWIO",
    arguments: State.allCases)
  func data(state: State) {
    var pair = UploadPair()
    let limit = Int64(UploadPair.limit)
    var offsets: Set<Int64> = [.min, -4097, -4096, -1, 0, 1, .max, .max - 1, .max - 4096]
    for border in [4096, 8192, limit - 4096, limit, 1 << 31, 1 << 32, 1 << 52] {
      offsets.formUnion([border - 4097, border - 1, border, border + 1])
    }
    var cases = 0
    for offset in offsets.sorted() {
      for count in [1, 2, 4095, 4096, 4097, 8192] {
        for caller in [root, nobody] {
          if state != .unknown { _ = pair.write(Array("1".utf8), to: .loading) }
          if state == .receiving {
            _ = pair.write(Array("image".utf8), to: .data)
            _ = pair.write(Array("0".utf8), to: .loading)
          }
          let bytes = [UInt8](repeating: 0x5A, count: count)
          let difference =
            pair.write(bytes, to: .data, at: offset, by: caller) ?? (cases % 4 == 0 ? pair.difference() : nil)
          cases += 1
          if let difference {
            Issue.record("\(state), \(count) bytes at \(offset) by \(caller.uid): \(difference)")
            return
          }
          _ = pair.runWorker()
          _ = pair.write(Array("1".utf8), to: .loading)
          _ = pair.write(Array("-1".utf8), to: .loading)
        }
      }
    }
    print("malformed inputs: data at offsets, \(state.rawValue): \(cases) cases")
    #expect(cases >= 300)
  }
}
