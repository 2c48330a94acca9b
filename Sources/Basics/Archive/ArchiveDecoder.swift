/// Makes values of nodes. Every mismatch is an error that names the place.
struct ArchiveDecoder: Decoder {
  let node: ArchiveNode
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  /// The value of `node`.
  static func value<Value: Decodable>(
    _ type: Value.Type, of node: ArchiveNode, at path: [any CodingKey]
  ) throws -> Value {
    if type == [UInt8].self {
      switch node {
      case .bytes(let bytes): if let value = bytes as? Value { return value }
      case .null, .bool, .unsigned, .signed, .double, .string, .list, .members: break
      }
      throw mismatch("bytes", path)
    }
    if let integer = type as? any (FixedWidthInteger & Decodable).Type {
      if let value = integer.init(node) as? Value { return value }
      throw mismatch("\(type)", path)
    }
    if let collection = type as? any ArchivedCollection.Type {
      guard case .list(let nodes) = node else { throw mismatch("a list", path) }
      if let value = try collection.archived(nodes, at: path) as? Value { return value }
      throw mismatch("\(type)", path)
    }
    return try Value(from: ArchiveDecoder(node: node, codingPath: path))
  }

  static func mismatch(_ expected: String, _ path: [any CodingKey]) -> ArchiveError {
    ArchiveError("\(text(path)): \(expected) is expected and not there")
  }

  private static func text(_ path: [any CodingKey]) -> String {
    path.isEmpty ? "the archive" : path.map(\.stringValue).joined(separator: ".")
  }

  /// What an error of a type's own decoding says.
  static func text(_ error: any Error) -> String {
    switch error {
    case DecodingError.dataCorrupted(let context), DecodingError.keyNotFound(_, let context),
      DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\(text(context.codingPath)): \(context.debugDescription)"
    default: "\(error)"
    }
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .members(let members) = node else { throw Self.mismatch("members", codingPath) }
    return KeyedDecodingContainer(KeyedArchiveDecoder(codingPath: codingPath, members: members))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .list(let nodes) = node else { throw Self.mismatch("a list", codingPath) }
    return UnkeyedArchiveDecoder(codingPath: codingPath, nodes: nodes)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { self }
}

extension FixedWidthInteger {
  /// The integer that `node` holds, if it fits.
  fileprivate init?(_ node: ArchiveNode) {
    switch node {
    case .unsigned(let value): self.init(exactly: value)
    case .signed(let value): self.init(exactly: value)
    case .null, .bool, .double, .string, .bytes, .list, .members: return nil
    }
  }
}

extension ArchiveDecoder: SingleValueDecodingContainer {
  func decodeNil() -> Bool { node == .null }

  func decode(_ type: Bool.Type) throws -> Bool {
    guard case .bool(let value) = node else { throw Self.mismatch("yes or no", codingPath) }
    return value
  }

  func decode(_ type: String.Type) throws -> String {
    guard case .string(let value) = node else { throw Self.mismatch("a text", codingPath) }
    return value
  }

  func decode(_ type: Double.Type) throws -> Double {
    guard case .double(let value) = node else { throw Self.mismatch("a number", codingPath) }
    return value
  }

  func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    try Self.value(type, of: node, at: codingPath)
  }
}

private struct KeyedArchiveDecoder<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let codingPath: [any CodingKey]
  let members: [(name: String, value: ArchiveNode)]

  var allKeys: [Key] { members.compactMap { Key(stringValue: $0.name) } }

  func contains(_ key: Key) -> Bool { members.contains { $0.name == key.stringValue } }

  private func decoder(_ name: String, _ key: Key?) throws -> ArchiveDecoder {
    let path = codingPath + (key.map { [$0] } ?? [])
    guard let member = members.first(where: { $0.name == name }) else {
      throw ArchiveDecoder.mismatch("member '\(name)'", codingPath)
    }
    return ArchiveDecoder(node: member.value, codingPath: path)
  }

  private func decoder(_ key: Key) throws -> ArchiveDecoder { try decoder(key.stringValue, key) }

  func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).decodeNil() }
  func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try decoder(key).decode(type) }
  func decode(_ type: String.Type, forKey key: Key) throws -> String { try decoder(key).decode(type) }
  func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try decoder(key).decode(type) }
  func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try decoder(key).decode(type) }
  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    try decoder(key).decode(type)
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> {
    try decoder(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoder(key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder { try decoder("super", nil) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }
}

private struct UnkeyedArchiveDecoder: UnkeyedDecodingContainer {
  let codingPath: [any CodingKey]
  let nodes: [ArchiveNode]
  var currentIndex = 0

  var count: Int? { nodes.count }
  var isAtEnd: Bool { currentIndex >= nodes.count }

  private mutating func next() throws -> ArchiveDecoder {
    guard currentIndex < nodes.count else { throw ArchiveDecoder.mismatch("one more value", codingPath) }
    defer { currentIndex += 1 }
    return ArchiveDecoder(node: nodes[currentIndex], codingPath: codingPath)
  }

  mutating func decodeNil() throws -> Bool {
    guard currentIndex < nodes.count else { throw ArchiveDecoder.mismatch("one more value", codingPath) }
    guard nodes[currentIndex] == .null else { return false }
    currentIndex += 1
    return true
  }

  mutating func decode(_ type: Bool.Type) throws -> Bool { try next().decode(type) }
  mutating func decode(_ type: String.Type) throws -> String { try next().decode(type) }
  mutating func decode(_ type: Double.Type) throws -> Double { try next().decode(type) }
  mutating func decode(_ type: Float.Type) throws -> Float { try next().decode(type) }
  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try next().decode(type) }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> {
    try next().container(keyedBy: type)
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }

  mutating func superDecoder() throws -> any Decoder { try next() }
}
