import SystemPackage
import Testing

@testable import Platform
@testable import TDXHost

/// Words for `td/NAME/step`: every word with every operand, and every spelling of an operand, against README's table told a second
/// time.
@Suite("Malformed steps of TDs", .timeLimit(.minutes(20)))
struct MalformedStepTests {
  /// README, "TDs", and the list that `step` reads as at first.
  static let words: [String: [String]] = [
    "init": [
      "attributes", "xfam", "max_vcpus", "mrconfigid", "mrowner", "mrownerconfig", "debug", "migratable", "wide",
      "import",
    ],
    "vcpu": ["count", "lp", "rcx"], "add-page": ["gpa", "count", "pattern", "source", "measure"],
    "extend": ["gpa", "chunks"],
    "add": ["gpa", "count", "pattern", "source"], "image": ["pages"], "finalize": [], "enter": ["vcpu", "lp"],
    "accept": ["gpa", "count", "vcpu", "lp"], "read": ["gpa", "count", "vcpu", "lp"],
    "write": ["gpa", "data", "vcpu", "lp"], "rtmr": ["index", "data", "vcpu", "lp"], "info": ["vcpu", "lp"],
    "vmcall": ["leaf", "vcpu", "lp"], "halt": ["vcpu", "lp"], "aug": ["gpa", "count"], "block": ["gpa"], "track": [],
    "unblock": ["gpa"], "remove": ["gpa"], "zap": ["gpa"], "flush": ["vcpu"], "rd": ["field"],
    "bind": ["service", "attributes"], "prebind": ["hash", "attributes"], "export-start": ["lp"],
    "export-interrupt": ["lp"], "export-resume": [], "export-pause": [], "export-state": ["lp"], "export-abort": [],
    "migrate": ["to"],
  ]
  static let flags: Set<String> = ["debug", "migratable", "wide", "measure", "import"]
  static let operands: [String] = Set(words.values.joined()).sorted()

  /// Taken, or refused as EINVAL with a reason of one line that names `word`.
  private static func difference(_ text: String, isRight: Bool, names word: String) -> String? {
    do throws(TDError) {
      _ = try TDStep(text)
      return isRight ? nil : "is taken"
    } catch {
      if isRight { return "\(error.reason)" }
      let isOneLine = error.reason.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
      let isTold =
        error.errno == .invalidArgument && isOneLine && error.reason.contains(word) && error.reason.utf8.count < 1000
      return isTold ? nil : "\(error.errno): \(error.reason.prefix(200))"
    }
  }

  @Test("every word with every operand: taken, not taken, twice, with a value that a flag has not, without one")
  func operands() {
    var cases = 0
    for (word, taken) in Self.words.sorted(by: { $0.key < $1.key }) {
      for operand in Self.operands {
        let isTaken = taken.contains(operand)
        let isFlag = Self.flags.contains(operand)
        let rows: [(String, Bool)] = [
          ("\(word) \(operand)", isTaken && isFlag), ("\(word) \(operand)=", isTaken && !isFlag),
          ("\(word) \(operand)=1", isTaken && !isFlag), ("\(word) \(operand)=1 \(operand)=1", false),
          ("\(word) \(operand) \(operand)", false), ("\(word) =\(operand)", false),
          ("\(word) \(operand.uppercased())=1", false),
          ("\(word) \(operand)s=1", false), ("\(word) -\(operand)=1", false), ("\(word) \(operand) = 1", false),
          ("  \(word)\t\n \(operand)=1 ", isTaken && !isFlag),
        ]
        for (text, isRight) in rows {
          cases += 1
          // A reason speaks of the word, or of the operand that is wrong.
          let named = taken.contains(operand) ? operand : word
          if let difference = Self.difference(text, isRight: isRight, names: named) {
            Issue.record("\(text.debugDescription): \(difference)")
            return
          }
        }
      }
    }
    print("malformed inputs: operands of TD steps: \(cases) cases")
    #expect(cases >= 9000)
  }

  @Test("every word in every wrong spelling")
  func words() {
    var cases = 0
    for word in Self.words.keys.sorted() {
      let texts = [
        word.uppercased(), word.prefix(1).uppercased() + word.dropFirst(), word + "s", "x" + word, word + "=",
        "=" + word, word + "=1", word + "\0",
        "\0" + word,
        "-" + word, "--" + word, "'\(word)'", word + ",", word + ";", word + "\u{301}", "\u{FEFF}" + word,
        String(word.dropLast()),
        String(word.dropFirst()), String(word.reversed()), String(repeating: word, count: 1000), word + "\u{1B}[0m",
        "\u{7F}" + word,
      ]
      for text in texts where Self.words[text] == nil {
        cases += 1
        if let difference = Self.difference(text, isRight: false, names: "is no word") {
          Issue.record("\(text.debugDescription.prefix(80)): \(difference)")
          return
        }
      }
    }
    for text in ["", " ", "\n", "\t \n"] {
      cases += 1
      if let difference = Self.difference(text, isRight: false, names: "no word") { Issue.record("\(difference)") }
    }
    print("malformed inputs: words of TD steps: \(cases) cases")
    #expect(cases >= 690)
  }

  @Test("numbers: decimal digits, or 0x and hexadecimal digits, up to 64 bits; nothing else")
  func numbers() throws {
    let right: [String: UInt64] = [
      "0": 0, "1": 1, "007": 7, "4096": 4096, "0x0": 0, "0x1000": 4096, "0xfF": 255, "18446744073709551615": .max,
      "0xffffffffffffffff": .max, "0x00000000000000000001": 1,
    ]
    var wrong = [
      "", "+1", "-1", "-0", "+0", "0x", "0x+1", "0x-0", "0x-1", "0x 1", "x1", "1x", "0x1g", "1.0", "1e3", "1_000",
      "0b1", "0o7",
      "'1'", "1,", "1;", "٣", "１", "0x１", "1\u{301}", "1\0", "\0" + "1", "18446744073709551616", "0x10000000000000000",
      "99999999999999999999999999", "nan", "0x0x1", "--1", "0x--1", "1-", "1+1", "ff", "\u{1B}1", "1\u{7F}",
      String(repeating: "9", count: 4000),
    ]
    for value in right.keys where value.count < 20 {
      wrong += [value + "z", "z" + value, "+" + value, "-" + value, value + "-"]
    }
    var cases = 0
    for operand in [TDOperand.gpa, .count, .lp, .rcx, .vcpu, .leaf, .field, .chunks, .pages, .source] {
      let word = try #require(TDWord.allCases.first { $0.operands.contains(operand) })
      for (text, value) in right {
        cases += 1
        let step = try TDStep("\(word.rawValue) \(operand.rawValue)=\(text)")
        if try step.number(operand) != value { Issue.record("\(operand.rawValue)=\(text)") }
      }
      for text in wrong {
        // A blank ends the operand, and what follows is another one.
        if text.contains(" ") { continue }
        cases += 1
        guard let step = try? TDStep("\(word.rawValue) \(operand.rawValue)=\(text)") else { continue }
        do throws(TDError) {
          let value = try step.number(operand)
          Issue.record("\(operand.rawValue)=\(text.debugDescription.prefix(60)) is \(value ?? 0)")
          return
        } catch {
          let isTold = error.errno == .invalidArgument && error.reason.hasPrefix("\(operand.rawValue)=")
          if !isTold || error.reason.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
            Issue.record("\(operand.rawValue)=\(text.debugDescription.prefix(60)): \(error.reason)")
            return
          }
        }
      }
    }
    print("malformed inputs: numbers of TD steps: \(cases) cases")
    #expect(cases >= 850)
  }

  /// What has to be refused, whatever state the TD is in: README's limits, and what no machine of 2 LPs has.
  static let impossible: [String] =
    [
      "vcpu count=18446744073709551615", "vcpu lp=2", "vcpu lp=1024", "vcpu lp=18446744073709551615", "enter vcpu=1",
      "enter vcpu=576",
      "enter vcpu=18446744073709551615", "enter lp=2", "enter lp=9223372036854775808", "flush vcpu=7", "halt vcpu=9",
      "info vcpu=65536",
      "rtmr index=4 data=00", "rtmr index=18446744073709551615 data=00", "rtmr index=0", "rtmr data=0 index=0",
      "rtmr data=zz index=0",
      "rtmr index=0 data=" + String(repeating: "00", count: 49), "extend chunks=0x8000000000000000",
      "add-page pattern=256",
      "add-page pattern=x", "add-page source=0", "add-page count=1048577", "add count=18446744073709551615",
      "aug count=18446744073709551615", "add-page pattern=1 source=0", "write gpa=0x1000", "write data=00",
      "write gpa=0x1000 data=0",
      "prebind", "prebind hash=00", "prebind hash=" + String(repeating: "00", count: 47), "prebind hash=xyz",
      "bind service=nobody",
      "migrate", "migrate to=nobody", "migrate to=a", "rd", "rd field=x", "init max_vcpus=65536",
      "init mrconfigid=0",
      "init mrowner=" + String(repeating: "00", count: 49), "image", "image pages=1",
    ]

  @Test(
    "operands at their borders, in every state of a TD: done or refused with its errno, never more than that",
    arguments: ["open", "running"])
  func borders(state: String) throws {
    let bench = try Bench(["lps": "2", "memory": "1"])
    let td = try BenchTD(on: bench.machine)
    try td.step("vcpu", "add")
    if state == "running" { try td.step("finalize", "enter") }
    var cases = 0
    let errnos: Set<Errno> = [.invalidArgument, .resourceBusy, .noMemory, .ioError, .noSuchFileOrDirectory, .noSpace]
    func check(_ text: String, mustFail: Bool) -> Bool {
      cases += 1
      guard let refusal = td.refusal(of: text) else {
        if mustFail { Issue.record("\(state), \(text.prefix(60)): is done") }
        return !mustFail
      }
      let isOneLine = refusal.reason.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
      let isRight = errnos.contains(refusal.errno) && isOneLine && refusal.reason.hasPrefix("td/a/step: ")
      if !isRight { Issue.record("\(state), \(text.prefix(60)): \(refusal.errno) \(refusal.reason.prefix(200))") }
      return isRight
    }
    for text in Self.impossible { guard check(text, mustFail: true) else { return } }
    // Addresses: unaligned, shared, beyond 48 and 52 bits, at the end of 64.
    let addresses: [UInt64] = [
      1, 0xFFF, 0x1001, 1 << 47, 1 << 48, 1 << 51, 1 << 52, 1 << 63, .max - 0xFFF, .max,
    ]
    for word in ["add-page", "add", "extend", "aug", "block", "unblock", "remove", "zap", "accept", "read"] {
      for address in addresses {
        for rest in ["", " count=2", " count=0"]
        where !rest.isEmpty == (Self.words[word]?.contains("count") ?? false) || rest.isEmpty {
          // A guest that reads at a bad address is a story of its own.
          let mustFail = word != "read" && word != "accept" && rest != " count=0"
          guard check("\(word) gpa=0x\(String(address, radix: 16))\(rest)", mustFail: mustFail) else { return }
        }
      }
    }
    for field in addresses + [0, 0x9110_0003_0000_0009] {
      guard check("rd field=0x\(String(field, radix: 16))", mustFail: false) else { return }
      guard check("vmcall leaf=0x\(String(field, radix: 16))", mustFail: state == "open") else { return }
    }
    // The machine is none the worse for it.
    #expect(bench.status("sys_state") == "SYS_READY")
    #expect(try bench.update(to: Images.forge("1.5.28")) == (state == "open" ? "transferring:device-busy\n" : ""))
    print("malformed inputs: borders of TD steps, \(state): \(cases) cases")
    #expect(cases >= 250)
  }
}
