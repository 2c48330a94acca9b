import Testing

@testable import Platform

/// Every option of a machine in every wrong spelling. What is right is README's table: numbers are decimal digits, words are as
/// they stand there, lists have items between their colons.
@Suite("Malformed options", .timeLimit(.minutes(20)))
struct MalformedOptionTests {
  /// What an option takes.
  enum Grammar {
    case number(UInt64, UInt64)
    case words([String])
    case list([String])
    case release
    case loader
  }

  static let grammar: [(name: String, grammar: Grammar)] = [
    ("abi", .words((1...10).map { "v\($0)" } + ["merged", "selector"])),
    ("device", .words(["tdx_host", "test_firmware"])), ("layout", .words(["device", "sys"])),
    ("cpu", .words(["spr", "emr", "srf", "gnr", "gnrd"])), ("module", .release), ("seamldr", .loader),
    ("lps", .number(1, 1024)), ("memory", .number(1, 1024)), ("updates", .number(0, 65535)),
    ("erratum", .list(["seamret_invd_vmcs"])), ("td_preserving", .words(["on", "off"])),
    (
      "alias",
      .list([
        "seamldr_upload", "tdx_module", "seamldr/", "seamldr_version", "num_remaining_updates",
        "/sys/firmware/tdx/tdx_module/",
      ])
    ),
    ("seed", .number(0, .max)), ("clock", .words(["real", "virtual"])), ("order", .words(["ascending", "seed"])),
    ("control", .words(["on", "off"])),
  ]

  /// Updates of the public releases of both lines (pseamldr.md 6.3).
  private static let updates: [String: [Int]] = [
    "1.5": [1, 5, 6, 8, 9, 13, 16, 20, 24, 25, 28, 34], "2.0": [2, 4, 5, 8, 12, 14, 16, 18],
  ]

  private static func digits(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// The number that the digits are; nil for more than 64 bits.
  private static func value(_ text: Substring) -> UInt64? {
    guard digits(text) else { return nil }
    var value: UInt64 = 0
    for byte in text.utf8 {
      let (product, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = product.addingReportingOverflow(UInt64(byte - 0x30))
      if first || second { return nil }
      value = sum
    }
    return value
  }

  static func isRight(_ text: String, _ grammar: Grammar) -> Bool {
    switch grammar {
    case .number(let low, let high): return value(text[...]).map { low <= $0 && $0 <= high } ?? false
    case .words(let words): return words.contains(text)
    case .list(let items):
      // A slash at the end, and /sys/ at the beginning, may be there or not.
      func bare(_ text: some StringProtocol) -> String {
        var text = text.hasPrefix("/sys/") ? String(text.dropFirst(5)) : String(text)
        if items.count > 1, text.hasSuffix("/") { text.removeLast() }
        return text
      }
      return text.split(separator: ":", omittingEmptySubsequences: false).allSatisfy {
        items.map(bare).contains(bare($0))
      }
    case .release, .loader:
      let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { value($0) }
      guard parts.count == 3, let major = parts[0], let minor = parts[1], let update = parts[2] else { return false }
      guard let known = updates["\(major).\(minor)"] else { return false }
      if case .loader = grammar { return update <= 65535 }
      return known.contains(Int(clamping: update))
    }
  }

  /// `text` spelled wrongly, and now and then still rightly.
  static func spellings(of text: String) -> [String] {
    let long = String(repeating: text, count: 3000)
    return [
      text, " " + text, text + " ", "\t" + text, text + "\n", "\n" + text, text + "\r\n", text.uppercased(),
      text.prefix(1).uppercased() + text.dropFirst(), text + text, text + "\0", "\0" + text, "\0", text + "\0junk",
      text + ",", text + "=",
      "=" + text,
      "'\(text)'", "\"\(text)\"", "+" + text, "-" + text, "0x" + text, "0X" + text, "0" + text, "00000000000" + text,
      text + "x", text + "0", ":" + text, text + ":", text + ":" + text, text + "::" + text, text + ":junk",
      "junk:" + text,
      ":", "::", text + ".", "." + text, text + "\u{301}", "\u{200B}" + text, text + "\u{FEFF}",
      String(text.dropLast()),
      String(text.dropFirst()), String(text.reversed()), long, text + String(repeating: " ", count: 5000), "junk", "-",
      "+",
      "0x", "null", "*", "%s%n", "../../etc/passwd", "\u{1B}[31m" + text, text + "\u{7F}", "\u{85}", "\u{2028}" + text,
    ]
  }

  static func values(of grammar: Grammar) -> [String] {
    switch grammar {
    case .words(let words), .list(let words): return words
    case .release:
      return updates.flatMap { line, updates in updates.map { "\(line).\($0 < 10 ? "0" : "")\($0)" } } + [
        "1.5.07", "2.1.02", "0.0.0",
      ]
    case .loader: return ["1.5.02", "2.0.00", "1.5.65535", "1.5.65536", "3.0.00", "1.4.02"]
    case .number(let low, let high):
      return [
        "\(low)", "\(low &+ 1)", "\(low &- 1)", "\(high)", "\(high &- 1)", "\(high &+ 1)", "4", "2147483647",
        "2147483648", "4294967296",
        "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "-0", "1e3",
        "4.0",
        "1_000", "\u{664}", "\u{FF14}", "four", "0b100", String(repeating: "9", count: 100),
      ]
    }
  }

  @Test("are refused in one line that begins with the option; right ones are taken", arguments: grammar.map(\.name))
  func option(name: String) throws {
    let grammar = try #require(Self.grammar.first { $0.name == name }?.grammar)
    var cases = 0
    var taken = 0
    for text in Self.values(of: grammar).flatMap(Self.spellings) {
      var options = MachineOptions()
      let isRight = Self.isRight(text, grammar)
      cases += 1
      do throws(OptionError) {
        let isKnown = try options.set(name, to: text)
        taken += 1
        if !isRight || !isKnown {
          Issue.record("\(name)=\(text.debugDescription.prefix(80)) is taken")
          return
        }
      } catch {
        let line = error.description
        let isOneLine = line.unicodeScalars.allSatisfy {
          $0.value >= 0x20 && $0.value != 0x7F && $0.value != 0x85 && $0.value != 0x2028
        }
        let begins = line.hasPrefix("\(name)=") || line.hasPrefix("option '\(name)' needs a value")
        if isRight || !isOneLine || !begins || line.utf8.count > 600 {
          Issue.record("\(name)=\(text.debugDescription.prefix(80)): \(line.debugDescription.prefix(200))")
          return
        }
      }
    }
    print("malformed inputs: spellings of \(name)=: \(cases) cases, \(taken) of them right")
    #expect(cases >= 57)
    #expect(taken > 0)
  }

  @Test("no value at all, and names that there are not")
  func names() {
    var cases = 0
    for (name, _) in Self.grammar {
      var options = MachineOptions()
      for value in [nil, ""] as [String?] {
        cases += 1
        do throws(OptionError) {
          _ = try options.set(name, to: value)
          Issue.record("\(name) without a value is taken")
        } catch {
          #expect(error.description.hasPrefix("option '\(name)' needs a value: \(name)="))
        }
      }
      for spelling in Self.spellings(of: name)
      where spelling != name && MachineOptions.names.contains(spelling) == false {
        cases += 1
        #expect((try? options.set(spelling, to: "1")) == false, "\(spelling.prefix(40))")
      }
      #expect(options == MachineOptions())
    }
    print("malformed inputs: names of options: \(cases) cases")
    #expect(cases >= 850)
  }
}
