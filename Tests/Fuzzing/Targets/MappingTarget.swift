import Basics
import ControlTree
import ModuleImage
import Platform

/// JSON from outside: what is read is what a writer would write, and a recording is taken apart or refused with a reason.
enum MappingTarget {
  static func run(_ input: [UInt8]) throws {
    var choice = FuzzInput(input)
    switch choice.byte() % 4 {
    case 0: try roundTrip(changed(ImageCatalog.mappingFile.text, &choice))
    case 1: try roundTrip(choice.text(words, longest: 64))
    case 2: try roundTrip(choice.remaining())
    default: try recording(changed(Self.sample, &choice))
    }
  }

  private static let words = [
    "{", "}", "[", "]", ":", ",", "\"", "\"a\"", "\\u", "\\ud83d", "\\ude00", "\\n", "null", "true", "false", "-", "0",
    "1",
    "1e", "E+308", ".5", "9223372036854775807", "-9223372036854775808", "18446744073709551616", " ", "\n", "\t",
    "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]",
  ]

  /// What a machine writes of an update, a TD and a reboot.
  private static let sample: String = {
    guard let bench = FuzzBench("abi=v8,lps=1,memory=1,clock=virtual,seed=7") else { return "" }
    bench.update(to: FuzzImages.small.first ?? [])
    bench.write("reboot\n", to: ".tdxfs/power")
    return String(decoding: bench.machine.traceLines(), as: UTF8.self)
  }()

  /// `text` with some bytes changed, cut out or put in.
  private static func changed(_ text: String, _ choice: inout FuzzInput) -> [UInt8] {
    var bytes = Array(text.utf8)
    for _ in 0..<16 where !choice.isAtEnd && !bytes.isEmpty {
      let place = Int(choice.number(UInt16.self)) % bytes.count
      switch choice.byte() % 4 {
      case 0: bytes[place] = choice.byte()
      case 1: bytes.removeSubrange(place..<min(bytes.count, place + 1 + choice.below(64)))
      case 2: bytes.insert(contentsOf: (choice.element(of: words) ?? "").utf8, at: place)
      default: bytes.insert(contentsOf: choice.bytes(choice.below(8)), at: place)
      }
    }
    return bytes
  }

  private static func roundTrip(_ text: [UInt8]) throws {
    guard let value = JSONValue(text: text) else { return }
    _ = (value.array, value.string, value.integer, value["TDXModules"])
    guard let json = JSON(value) else { return }
    let again = JSONValue(text: json.text.utf8)
    try Finding.unless(again == value, "what is written of a JSON value is another value: \(json.text)")
  }

  private static func recording(_ text: [UInt8]) throws {
    do throws(RecordingError) {
      let recording = try Recording(text: text) { _ in nil }
      try? Finding.unless(!recording.lines.isEmpty, "an empty recording")
    } catch {
      try Finding.unless(!error.description.isEmpty, "a recording is refused without a reason")
    }
  }
}

extension JSON {
  /// `value` as what tdxfs writes; nil where it holds something that tdxfs never writes.
  fileprivate init?(_ value: JSONValue) {
    switch value {
    case .null, .bool, .number: return nil
    case .integer(let number): self = .number(number)
    case .string(let text): self = .string(text)
    case .array(let values):
      var items: [JSON] = []
      for value in values {
        guard let item = JSON(value) else { return nil }
        items.append(item)
      }
      self = .array(items)
    case .object(let members):
      var items: [Member] = []
      for member in members {
        guard let item = JSON(member.value) else { return nil }
        items.append(Member(member.name, item))
      }
      self = .object(items)
    }
  }
}
