/// What one step of the probe has printed: the fields of a JSON object as they stand in the text. Both sides are written
/// by the same program, so equal values are equal texts.
struct TraceLine: CustomStringConvertible {
  struct Malformed: Error {
    let line: String
  }

  let fields: [String: String]

  var name: String { text("case") }
  var step: Int { Int(fields["step"] ?? "") ?? -1 }

  /// A case whose answers depend on who comes first; never compared.
  var isRacy: Bool { name.hasSuffix("~") }

  /// `line` without its volatile part.
  init(_ line: Substring) throws {
    var scanner = Scanner(rest: line.utf8[...])
    guard let fields = scanner.object() else { throw Malformed(line: String(line)) }
    self.fields = fields.filter { $0.key != "vol" }
  }

  /// The names of the fields that are not the same in both.
  func differences(from other: TraceLine) -> Set<String> {
    Set(fields.keys).union(other.fields.keys).filter { fields[$0] != other.fields[$0] }
  }

  var description: String {
    let told = ["case", "step", "desc", "who", "op", "file", "args", "ret", "errno"]
    let rest = fields.filter { !told.contains($0.key) }.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let call = "\(text("who")) \(text("op")) \(text("file"))(\(text("args").prefix(70)))"
    return "\(call) = \(text("ret")) \(text("errno")) \(rest.joined(separator: " "))"
  }

  private func text(_ field: String) -> String {
    guard let value = fields[field] else { return "" }
    return value.hasPrefix("\"") ? String(value.dropFirst().dropLast()) : value
  }

  /// Cuts an object into its fields without looking into them.
  private struct Scanner {
    var rest: Substring.UTF8View

    mutating func object() -> [String: String]? {
      guard take("{") else { return nil }
      var fields: [String: String] = [:]
      repeat {
        guard let name = value(), name.hasPrefix("\""), take(":"), let value = value() else { return nil }
        fields[String(name.dropFirst().dropLast())] = value
      } while take(",")
      return take("}") ? fields : nil
    }

    /// A string, a number, or something in balanced brackets.
    private mutating func value() -> String? {
      var depth = 0
      var isString = false
      var isEscaped = false
      var index = rest.startIndex
      while index < rest.endIndex {
        let byte = rest[index]
        if isString {
          if isEscaped {
            isEscaped = false
          } else if byte == UInt8(ascii: "\\") {
            isEscaped = true
          } else if byte == UInt8(ascii: "\"") {
            isString = false
          }
        } else {
          switch byte {
          case UInt8(ascii: "\""): isString = true
          case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
          case UInt8(ascii: "}") where depth > 0, UInt8(ascii: "]") where depth > 0: depth -= 1
          case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "}"), UInt8(ascii: "]"):
            if depth == 0 {
              defer { rest = rest[index...] }
              return String(rest[..<index])
            }
          case _: break
          }
        }
        rest.formIndex(after: &index)
      }
      return nil
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard let first = rest.first, first == UInt8(ascii: character) else { return false }
      rest.removeFirst()
      return true
    }
  }
}

/// All that the probe has printed in one run.
struct Trace {
  struct Step: Hashable {
    let name: String
    let number: Int
  }

  private(set) var lines: [Step: TraceLine] = [:]
  /// In the order of the file.
  private(set) var steps: [Step] = []

  init(_ text: String) throws {
    for text in text.split(separator: "\n") {
      let line = try TraceLine(text)
      let step = Step(name: line.name, number: line.step)
      if lines.updateValue(line, forKey: step) == nil { steps.append(step) }
    }
  }
}
