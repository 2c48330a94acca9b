/// Why bytes are no archive, or none of what was asked for. The description is for people.
public struct ArchiveError: Error, Equatable, CustomStringConvertible, Sendable {
  /// What is wrong.
  public let description: String

  /// The error `description`.
  public init(_ description: String) {
    self.description = description
  }
}

/// Reads what an ``ArchiveWriter`` wrote. The bytes are not trusted: lengths are checked before they are used, and nesting is
/// bounded.
struct ArchiveReader {
  private let reader: ByteReader
  private var position = 0
  private var names: [String] = []

  /// Nesting beyond which an archive is refused: recursion ends far before the stack does.
  private static let maxDepth = 96
  /// Values for which room is made before they are read: an announced count may be a lie.
  private static let reserved = 1024

  init(_ bytes: [UInt8]) {
    reader = ByteReader(bytes)
  }

  /// The one node that the bytes hold.
  static func node(_ bytes: [UInt8]) throws(ArchiveError) -> ArchiveNode {
    var reader = Self(bytes)
    let node = try reader.node(depth: 0)
    guard reader.position == bytes.count else {
      throw ArchiveError("\(bytes.count - reader.position) bytes follow the end of the archive")
    }
    return node
  }

  private mutating func node(depth: Int) throws(ArchiveError) -> ArchiveNode {
    guard depth < Self.maxDepth else { throw ArchiveError("values are nested too deeply") }
    let start = position
    guard let tag = ArchiveNode.Tag(rawValue: try byte()) else {
      throw ArchiveError("no value begins at byte \(start)")
    }
    switch tag {
    case .null: return .null
    case .no: return .bool(false)
    case .yes: return .bool(true)
    case .unsigned: return .unsigned(try number())
    case .signed:
      let value = try number()
      return .signed(Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1))
    case .double: return .double(Double(bitPattern: try number()))
    case .string: return .string(try text())
    case .bytes: return .bytes(Array(try slice()))
    case .list:
      let count = try self.count()
      var nodes: [ArchiveNode] = []
      nodes.reserveCapacity(min(count, Self.reserved))
      for _ in 0..<count { nodes.append(try node(depth: depth + 1)) }
      return .list(nodes)
    case .members:
      let count = try self.count()
      var members: [(name: String, value: ArchiveNode)] = []
      members.reserveCapacity(min(count, Self.reserved))
      for _ in 0..<count {
        let name = try self.name()
        members.append((name, try node(depth: depth + 1)))
      }
      return .members(members)
    }
  }

  private mutating func name() throws(ArchiveError) -> String {
    let number = try self.number()
    if number < UInt64(names.count) { return names[Int(number)] }
    guard number == UInt64(names.count) else { throw ArchiveError("name \(number) comes before it was told") }
    let name = try text()
    names.append(name)
    return name
  }

  private mutating func text() throws(ArchiveError) -> String {
    guard let text = String(validating: try slice(), as: UTF8.self) else {
      throw ArchiveError("a text before byte \(position) is not UTF-8")
    }
    return text
  }

  /// Number of nodes, each of which needs a byte at least.
  private mutating func count() throws(ArchiveError) -> Int {
    let count = try number()
    guard count <= UInt64(reader.count - position) else {
      throw ArchiveError("\(count) values are announced at byte \(position), and the archive ends before")
    }
    return Int(count)
  }

  private mutating func slice() throws(ArchiveError) -> ArraySlice<UInt8> {
    let count = try self.count()
    guard let slice = try? reader.slice(at: position, count: count) else { throw ArchiveError("the archive is cut") }
    position += count
    return slice
  }

  private mutating func number() throws(ArchiveError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try byte()
      guard shift < 63 || shift == 63 && byte <= 1 else {
        throw ArchiveError("a number at byte \(position) is too large")
      }
      value |= UInt64(byte & 0x7F) << shift
      guard byte & 0x80 != 0 else { return value }
      shift += 7
    }
  }

  private mutating func byte() throws(ArchiveError) -> UInt8 {
    guard position < reader.count else { throw ArchiveError("the archive is cut at byte \(position)") }
    defer { position += 1 }
    return reader.bytes[position]
  }
}
