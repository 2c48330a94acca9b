import Kernfs
import SystemPackage
import Testing

@testable import FirmwareUpload

/// groundtruth 4 and kernel-abi 2.2, 2.6: how `loading`, `timeout` and `cancel` read their text.
@Suite(.timeLimit(.minutes(20)))
struct ParsingTests {
  static let page: String = "1 " + String(repeating: "x", count: 4094)

  static let numbers: [(String, Int32)] = [
    ("1", 1), ("1\n", 1), ("1 ", 1), ("01", 1), ("1junk", 1), ("1abc", 1), ("1.0", 1), ("1\n0\n", 1), ("1\r\n", 1),
    ("1\0", 1), ("1\0 0", 1), ("4294967297", 1), ("18446744073709551617", 1), ("9223372036854775809", 1), (page, 1),
    ("-1", -1), ("-1\n", -1), ("4294967295", -1), ("0", 0), ("0\n", 0), (" 1", 0), ("\t1", 0), ("\n1", 0), ("+1", 0),
    (" -1", 0), ("- 1", 0), ("--1", 0), ("-0", 0), ("-", 0), ("", 0), ("0x1", 0), ("abc", 0), ("true", 0), ("y", 0),
    ("\n", 0), ("\u{0}01", 0), ("2", 2), ("-2", -2), ("10", 10), ("010", 10), ("4294967296", 0),
    ("2147483648", Int32.min), ("-2147483648", Int32.min), ("-4294967297", -1),
  ]

  @Test("Numbers: a decimal prefix, and nothing is an error", arguments: numbers)
  func number(text: String, expected: Int32) {
    #expect(KernelText.integer(Array(text.utf8)) == expected)
  }

  struct Word: Sendable {
    let text: String
    let old: Bool?
    let new: Bool?
    init(_ text: String, _ both: Bool?) { (self.text, old, new) = (text, both, both) }
    init(_ text: String, old: Bool?, new: Bool?) { (self.text, self.old, self.new) = (text, old, new) }
  }

  static let words: [Word] = [
    Word("1", true), Word("1\n", true), Word("1junk", true), Word("y", true), Word("Y", true), Word("yes", true),
    Word("t", true), Word("T", true), Word("true", true), Word("on", true), Word("ON", true), Word("oN", true),
    Word("On", true), Word("onjunk", true), Word("0", false), Word("0\n", false), Word("n", false), Word("N", false),
    Word("f", false), Word("false", false), Word("F", false), Word("off", false), Word("OFF", false),
    Word("of", false), Word("2", nil), Word("-1", nil), Word(" 1", nil), Word("\n", nil), Word("abc", nil),
    Word("o", nil), Word("ojunk", nil), Word("", nil), Word("\0", nil), Word("\u{0}1", nil), Word("\u{11}", nil),
    Word("e", old: nil, new: true), Word("Enable", old: nil, new: true), Word("d", old: nil, new: false),
    Word("Disable", old: nil, new: false),
  ]

  @Test("Truth values: the first character or two", arguments: words)
  func truth(word: Word) {
    #expect(KernelText.boolean(Array(word.text.utf8), knowsEnable: false) == word.old)
    #expect(KernelText.boolean(Array(word.text.utf8), knowsEnable: true) == word.new)
  }

  @Test(
    "cancel on an idle device: ENODEV for true words, EINVAL for the rest; the driver hears of the true ones",
    arguments: words)
  func cancelIdle(word: Word) throws {
    guard !word.text.isEmpty else { return }
    for (knowsEnable, meaning) in [(false, word.old), (true, word.new)] {
      let bench = Bench(knowsEnable: knowsEnable)
      #expect(throws: meaning == true ? Errno.operationNotSupportedByDevice : .invalidArgument) {
        try bench.put("cancel", word.text)
      }
      #expect(bench.driver.state.withLock { $0.cancels } == (meaning == true ? 1 : 0))
    }
  }

  @Test(
    "timeout: a number, never less than 0, seen in uevent",
    arguments: [
      ("30", "30\n"), ("-5", "0\n"), ("abc", "0\n"), (" 7", "0\n"), ("5junk", "5\n"), ("2147483647\n", "2147483647\n"),
    ])
  func timeout(text: String, expected: String) throws {
    let bench = Bench()
    #expect(try bench.get("timeout") == "60\n")
    #expect(try bench.get("uevent") == "FIRMWARE=fw1\nTIMEOUT=60\nASYNC=0\n")
    #expect(try bench.put("timeout", text) == text.utf8.count)
    #expect(try bench.get("timeout") == expected)
    #expect(try bench.get("uevent") == "FIRMWARE=fw1\nTIMEOUT=\(expected)ASYNC=0\n")
  }
}
