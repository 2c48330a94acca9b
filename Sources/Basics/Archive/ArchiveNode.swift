/// A value of an archive: what an `Encodable` value becomes before it is bytes.
///
/// Bytes: a tag, then a variable-length number (7 bits a byte, low bits first) or a length and what follows. Names of members
/// are kept once, in the order in which they come first.
enum ArchiveNode: Equatable {
  case null
  case bool(Bool)
  case unsigned(UInt64)
  case signed(Int64)
  case double(Double)
  case string(String)
  case bytes([UInt8])
  case list([ArchiveNode])
  case members([(name: String, value: ArchiveNode)])

  static func == (left: ArchiveNode, right: ArchiveNode) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.unsigned(let left), .unsigned(let right)): left == right
    case (.signed(let left), .signed(let right)): left == right
    case (.double(let left), .double(let right)): left == right
    case (.string(let left), .string(let right)): left == right
    case (.bytes(let left), .bytes(let right)): left == right
    case (.list(let left), .list(let right)): left == right
    case (.members(let left), .members(let right)): left.elementsEqual(right) { $0 == $1 }
    case (.null, _), (.bool, _), (.unsigned, _), (.signed, _), (.double, _), (.string, _), (.bytes, _), (.list, _),
      (.members, _):
      false
    }
  }

  enum Tag: UInt8 {
    case null = 0
    case no, yes, unsigned, signed, double, string, bytes, list, members
  }
}

/// Writes nodes as bytes.
struct ArchiveWriter {
  private(set) var bytes: [UInt8] = []
  private var names: [String: UInt64] = [:]

  mutating func write(_ node: ArchiveNode) {
    switch node {
    case .null: tag(.null)
    case .bool(let value): tag(value ? .yes : .no)
    case .unsigned(let value): write(.unsigned, value)
    // Zigzag: small negative numbers are short too.
    case .signed(let value): write(.signed, UInt64(bitPattern: value << 1 ^ value >> 63))
    case .double(let value): write(.double, value.bitPattern)
    case .string(let value):
      write(.string, UInt64(value.utf8.count))
      bytes.append(contentsOf: value.utf8)
    case .bytes(let value):
      write(.bytes, UInt64(value.count))
      bytes.append(contentsOf: value)
    case .list(let nodes):
      write(.list, UInt64(nodes.count))
      for node in nodes { write(node) }
    case .members(let members):
      write(.members, UInt64(members.count))
      for (name, value) in members {
        write(name: name)
        write(value)
      }
    }
  }

  /// The number of the name; a new one is followed by its text.
  private mutating func write(name: String) {
    if let number = names[name] { return append(number: number) }
    let number = UInt64(names.count)
    names[name] = number
    append(number: number)
    append(number: UInt64(name.utf8.count))
    bytes.append(contentsOf: name.utf8)
  }

  private mutating func tag(_ tag: ArchiveNode.Tag) { bytes.append(tag.rawValue) }

  private mutating func write(_ tag: ArchiveNode.Tag, _ number: UInt64) {
    self.tag(tag)
    append(number: number)
  }

  private mutating func append(number: UInt64) {
    var rest = number
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }
}
