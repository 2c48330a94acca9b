/// Values as bytes and back, by `Codable`: what snapshots of a machine are made of.
public enum Archive {
  /// `value` as bytes.
  public static func encode(_ value: some Encodable) throws -> [UInt8] {
    var writer = ArchiveWriter()
    writer.write(try ArchiveEncoder.node(of: value, at: []))
    return writer.bytes
  }

  /// The value in `bytes`. An error says where they are wrong; nothing traps.
  public static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws(ArchiveError) -> Value {
    let node = try ArchiveReader.node(bytes)
    do {
      return try ArchiveDecoder.value(type, of: node, at: [])
    } catch let error as ArchiveError {
      throw error
    } catch {
      throw ArchiveError(ArchiveDecoder.text(error))
    }
  }
}

/// Makes nodes of values.
final class ArchiveEncoder: Encoder {
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }
  private var storage = Storage.nothing

  private enum Storage {
    case nothing
    case single(ArchiveNode)
    case members(MembersEncoder)
    case list(ListEncoder)
  }

  init(_ codingPath: [any CodingKey]) {
    self.codingPath = codingPath
  }

  /// The node of `value`. Arrays of bytes are one node, not one for each byte.
  static func node<Value: Encodable>(of value: Value, at path: [any CodingKey]) throws -> ArchiveNode {
    if Value.self == [UInt8].self, let bytes = value as? [UInt8] { return .bytes(bytes) }
    if let number = value as? any BinaryInteger & Encodable, let node = integer(number) { return node }
    if let collection = value as? any ArchivedCollection { return try collection.archiveNode(at: path) }
    let encoder = ArchiveEncoder(path)
    try value.encode(to: encoder)
    return encoder.node
  }

  /// The node of a fixed-width integer.
  static func integer(_ value: some BinaryInteger) -> ArchiveNode? {
    if let unsigned = UInt64(exactly: value) { return .unsigned(unsigned) }
    return Int64(exactly: value).map { .signed($0) }
  }

  var node: ArchiveNode {
    switch storage {
    case .nothing: .members([])
    case .single(let node): node
    case .members(let members): .members(members.members.map { ($0.name, $0.value()) })
    case .list(let list): .list(list.nodes.map { $0() })
    }
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    let members: MembersEncoder
    if case .members(let existing) = storage { members = existing } else { members = MembersEncoder() }
    storage = .members(members)
    return KeyedEncodingContainer(KeyedArchiveEncoder(codingPath: codingPath, members: members))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    let list: ListEncoder
    if case .list(let existing) = storage { list = existing } else { list = ListEncoder() }
    storage = .list(list)
    return UnkeyedArchiveEncoder(codingPath: codingPath, list: list)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { self }
}

/// What keyed containers of one encoder share.
final class MembersEncoder {
  var members: [(name: String, value: () -> ArchiveNode)] = []
}

/// What unkeyed containers of one encoder share.
final class ListEncoder {
  var nodes: [() -> ArchiveNode] = []
}

extension ArchiveEncoder: SingleValueEncodingContainer {
  func encodeNil() { storage = .single(.null) }
  func encode(_ value: Bool) { storage = .single(.bool(value)) }
  func encode(_ value: String) { storage = .single(.string(value)) }
  func encode(_ value: Double) { storage = .single(.double(value)) }
  func encode(_ value: Float) { storage = .single(.double(Double(value))) }
  func encode(_ value: some Encodable) throws { storage = .single(try Self.node(of: value, at: codingPath)) }
}

private struct KeyedArchiveEncoder<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let codingPath: [any CodingKey]
  let members: MembersEncoder

  private func add(_ node: ArchiveNode, _ key: Key) { members.members.append((key.stringValue, { node })) }

  func encodeNil(forKey key: Key) { add(.null, key) }
  func encode(_ value: Bool, forKey key: Key) { add(.bool(value), key) }
  func encode(_ value: String, forKey key: Key) { add(.string(value), key) }
  func encode(_ value: Double, forKey key: Key) { add(.double(value), key) }
  func encode(_ value: Float, forKey key: Key) { add(.double(Double(value)), key) }
  func encode(_ value: some Encodable, forKey key: Key) throws {
    add(try ArchiveEncoder.node(of: value, at: codingPath + [key]), key)
  }

  private func nested(_ key: Key) -> ArchiveEncoder {
    let encoder = ArchiveEncoder(codingPath + [key])
    members.members.append((key.stringValue, { encoder.node }))
    return encoder
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy keyType: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    nested(key).container(keyedBy: keyType)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { nested(key).unkeyedContainer() }

  func superEncoder() -> any Encoder {
    let encoder = ArchiveEncoder(codingPath)
    members.members.append(("super", { encoder.node }))
    return encoder
  }

  func superEncoder(forKey key: Key) -> any Encoder { nested(key) }
}

private struct UnkeyedArchiveEncoder: UnkeyedEncodingContainer {
  let codingPath: [any CodingKey]
  let list: ListEncoder

  var count: Int { list.nodes.count }

  private func add(_ node: ArchiveNode) { list.nodes.append { node } }

  func encodeNil() { add(.null) }
  func encode(_ value: Bool) { add(.bool(value)) }
  func encode(_ value: String) { add(.string(value)) }
  func encode(_ value: Double) { add(.double(value)) }
  func encode(_ value: Float) { add(.double(Double(value))) }
  func encode(_ value: some Encodable) throws { add(try ArchiveEncoder.node(of: value, at: codingPath)) }

  private func nested() -> ArchiveEncoder {
    let encoder = ArchiveEncoder(codingPath)
    list.nodes.append { encoder.node }
    return encoder
  }

  func nestedContainer<Nested: CodingKey>(keyedBy keyType: Nested.Type) -> KeyedEncodingContainer<Nested> {
    nested().container(keyedBy: keyType)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nested().unkeyedContainer() }

  func superEncoder() -> any Encoder { nested() }
}
