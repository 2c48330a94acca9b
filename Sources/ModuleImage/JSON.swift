/// A JSON value to be written: enough for the mapping file and for `inspect --json`. Members keep their order.
public indirect enum JSON: Equatable, Sendable {
  /// A string.
  case string(String)
  /// A whole number.
  case number(Int)
  /// true or false.
  case bool(Bool)
  /// null.
  case null
  /// A list.
  case array([JSON])
  /// Names and values, in this order.
  case object([Member])

  /// A name and its value.
  public struct Member: Equatable, Sendable {
    /// Name.
    public let name: String
    /// Value.
    public let value: JSON

    /// The member `name`.
    public init(_ name: String, _ value: JSON) {
      self.name = name
      self.value = value
    }
  }

  /// The text, indented by two spaces a level; lists of plain values stay on one line.
  public var text: String { text(indent: 0) }

  private func text(indent: Int) -> String {
    let inner = String(repeating: "  ", count: indent + 1)
    let outer = String(repeating: "  ", count: indent)
    switch self {
    case .string(let value): return Self.quoted(value)
    case .number(let value): return "\(value)"
    case .bool(let value): return value ? "true" : "false"
    case .null: return "null"
    case .array(let values) where values.allSatisfy(\.isPlain):
      return "[" + values.map { $0.text(indent: 0) }.joined(separator: ", ") + "]"
    case .array(let values):
      return "[\n" + values.map { inner + $0.text(indent: indent + 1) }.joined(separator: ",\n") + "\n\(outer)]"
    case .object(let members):
      let lines = members.map { inner + Self.quoted($0.name) + ": " + $0.value.text(indent: indent + 1) }
      return members.isEmpty ? "{}" : "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
    }
  }

  private var isPlain: Bool {
    switch self {
    case .string, .number, .bool, .null: true
    case .array, .object: false
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
