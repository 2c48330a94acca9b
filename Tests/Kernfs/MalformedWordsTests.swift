import Basics
import SystemPackage
import Testing

@testable import Kernfs

/// Texts of every spelling for `uevent`, `power/control` and `power/async`, against the kernel's own parsers told a second time
/// (kernel-abi.md 1.1, 1.2).
@Suite("Malformed words for device attributes", .timeLimit(.minutes(20)))
struct MalformedWordsTests {
  private static let actions = ["add", "remove", "change", "move", "online", "offline", "bind", "unbind"]

  /// `isalnum` of the kernel: its table is that of Latin-1.
  private static func isAlnum(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0xFF: true
    default: false
    }
  }

  private static func isHex(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
    default: false
    }
  }

  /// `kobject_synth_uevent`: whether an event is sent.
  static func isEvent(_ text: [UInt8]) -> Bool {
    var text = text
    if text.last == 0x0A || text.last == 0 { text.removeLast() }
    let word = text.prefix { $0 != 0x20 }
    guard actions.contains(where: { Array($0.utf8) == Array(word) }) else { return false }
    if word.count == text.count { return true }
    let arguments = Array(text[(word.count + 1)...])
    if arguments.count < 36 { return false }
    for index in 0..<36 {
      let isDash = [8, 13, 18, 23].contains(index)
      if isDash ? arguments[index] != 0x2D : !isHex(arguments[index]) { return false }
    }
    // Each pair: a blank, letters and digits, '=', letters and digits, none of them empty.
    var place = 36
    func skipWord() -> Bool {
      let start = place
      while place < arguments.count, isAlnum(arguments[place]) { place += 1 }
      return place > start
    }
    while place < arguments.count {
      if arguments[place] != 0x20 { return false }
      place += 1
      if !skipWord() || place >= arguments.count || arguments[place] != 0x3D { return false }
      place += 1
      if !skipWord() { return false }
    }
    return true
  }

  static let events: [[UInt8]] = {
    var texts: [[UInt8]] = (1..<256).map { [UInt8($0)] }
    let uuid = "fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed"
    var arguments = [
      "", " ", "  ", " \(uuid)", "  \(uuid)", " \(uuid) ", " \(uuid)\n", " \(uuid)x", " \(uuid.uppercased())",
    ]
    for index in 0..<36 {
      let place = uuid.index(uuid.startIndex, offsetBy: index)
      for character in ["-", "g", "G", " ", "_", "0"] {
        arguments.append(" " + uuid[..<place] + character + uuid[uuid.index(after: place)...])
      }
      arguments.append(" " + uuid[..<place])
      arguments.append(" " + uuid[..<place] + uuid[uuid.index(after: place)...])
    }
    let pairs = [
      "A=1", "A=", "=1", "=", "A", "AB=cd", "A=1 B=2", "A=1  B=2", "A=1 B", "A=1 B=", "A=1 =2", "A= B=1", "A=1\tB=2",
      "A==1",
      "A=1=2", "A_B=1", "A=a_b", "A=1,", "A=1\n", "A=1 ", "1=1", "a=Z9", "A=-1", "A=\u{E9}", "=", "==", " A=1",
      "A=1\nB=2",
    ]
    for pair in pairs { arguments += [" \(uuid) \(pair)", " \(uuid)\(pair)", " \(pair)", " \(pair) \(uuid)"] }
    for action in actions + [
      "Add", "ADD", "adds", "ad", "a", " add", "\tadd", "+add", "add,", "remove add", "0", "1", "unbinding",
    ] {
      for argument in arguments {
        for end in ["", "\n", "\n\n"] { texts.append(Array((action + argument + end).utf8)) }
      }
    }
    // A pair with every byte in its key, and in its value.
    for byte in UInt8(1)...255 {
      texts.append(Array("add \(uuid) A".utf8) + [byte] + Array("=1".utf8))
      texts.append(Array("add \(uuid) A=1".utf8) + [byte] + Array("2".utf8))
    }
    return texts
  }()

  @Test("uevent: the count, or EINVAL with the kernel's line")
  func uevent() throws {
    let lines = Guarded<[String]>([])
    let attribute = UeventAttribute(logPrefix: "firmware tdx_module") { line in lines.withLock { $0.append(line) } }
    let tree = Tree(clock: Clock().now) { file("uevent", attribute) }
    let opened = try tree.open("uevent", .writing)
    var cases = 0
    var sent = 0
    for text in Self.events {
      let isEvent = Self.isEvent(text)
      lines.withLock { $0 = [] }
      let found: String
      do throws(Errno) {
        if case .consumed(let count) = try tree.write(opened, at: 0, text, by: root) {
          found = "\(count)"
        } else {
          found = "waits"
        }
      } catch { found = error == .invalidArgument ? "EINVAL" : "\(error)" }
      cases += 1
      if isEvent { sent += 1 }
      let log = isEvent ? [] : ["firmware tdx_module: uevent: failed to send synthetic uevent: -22"]
      if found != (isEvent ? "\(text.count)" : "EINVAL") || lines.withLock({ $0 }) != log {
        Issue.record("\(String(decoding: text, as: UTF8.self).debugDescription): \(found)")
        return
      }
    }
    print("malformed inputs: texts for uevent: \(cases) cases, \(sent) of them events")
    #expect(cases >= 25_000)
    #expect(sent > 200)
  }

  @Test("power/control and power/async: their words with one newline or none; the rest is EINVAL and changes nothing")
  func power() throws {
    var cases = 0
    for (name, words, first) in [
      ("control", ["auto", "on"], "auto\n"), ("async", ["enabled", "disabled"], "disabled\n"),
    ] {
      let tree = Tree(clock: Clock().now) { PowerDirectory.directory(.advancedDebug) }
      let opened = try tree.open("power/\(name)", .writing)
      var shown = first
      var texts: [[UInt8]] = (1..<256).map { [UInt8($0)] }
      let around = ["", " ", "\t", "\n", "\n\n", "\r\n", "\0", "\0junk", "x", "-", "+", "'", "0", "=", "\u{301}"]
      for word in words + ["", "off", "1", "0", "enable", "disable", "autoon"] {
        for before in around {
          for behind in around {
            texts.append(Array((before + word + behind).utf8))
            texts.append(Array((before + word.uppercased() + behind).utf8))
          }
        }
      }
      for text in texts where !text.isEmpty {
        // sysfs_streq: a C string, and one newline at its end or none.
        var seen = Array(text.prefix { $0 != 0 })
        if seen.last == 0x0A { seen.removeLast() }
        let word = words.first { Array($0.utf8) == seen }
        let found: String
        do throws(Errno) {
          if case .consumed(let count) = try tree.write(opened, at: 0, text, by: root) {
            found = "\(count)"
          } else {
            found = "waits"
          }
        } catch { found = error == .invalidArgument ? "EINVAL" : "\(error)" }
        if let word { shown = word + "\n" }
        cases += 1
        let now = try tree.read(try tree.open("power/\(name)"), 4096)
        if found != (word == nil ? "EINVAL" : "\(text.count)") || now != shown {
          Issue.record("\(name), \(String(decoding: text, as: UTF8.self).debugDescription): \(found), shows \(now)")
          return
        }
      }
    }
    print("malformed inputs: texts for power/control and power/async: \(cases) cases")
    #expect(cases >= 6000)
  }
}
