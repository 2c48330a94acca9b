/// A dictionary or set, which an archive holds in the order of its keys: equal values are equal bytes, whatever order the
/// process has them in.
protocol ArchivedCollection {
  /// Keys with their values, in no order; a set has no values.
  func archivedPairs(at path: [any CodingKey]) throws -> [(key: ArchiveNode, value: ArchiveNode?)]
  /// The collection of `nodes`: key, value, key, value…; of a set the elements.
  static func archived(_ nodes: [ArchiveNode], at path: [any CodingKey]) throws -> Self
}

extension ArchivedCollection {
  /// The list of keys and values, sorted.
  func archiveNode(at path: [any CodingKey]) throws -> ArchiveNode {
    let pairs = try archivedPairs(at: path).sorted { $0.key.precedes($1.key) }
    return .list(pairs.flatMap { pair in pair.value.map { [pair.key, $0] } ?? [pair.key] })
  }
}

extension Dictionary: ArchivedCollection where Key: Codable, Value: Codable {
  func archivedPairs(at path: [any CodingKey]) throws -> [(key: ArchiveNode, value: ArchiveNode?)] {
    try map { (try ArchiveEncoder.node(of: $0.key, at: path), try ArchiveEncoder.node(of: $0.value, at: path)) }
  }

  static func archived(_ nodes: [ArchiveNode], at path: [any CodingKey]) throws -> Self {
    guard nodes.count.isMultiple(of: 2) else { throw ArchiveDecoder.mismatch("a value for each key", path) }
    var result: Self = [:]
    for index in stride(from: 0, to: nodes.count, by: 2) {
      let key = try ArchiveDecoder.value(Key.self, of: nodes[index], at: path)
      let value = try ArchiveDecoder.value(Value.self, of: nodes[index + 1], at: path)
      guard result.updateValue(value, forKey: key) == nil else {
        throw ArchiveDecoder.mismatch("each key once", path)
      }
    }
    return result
  }
}

extension Set: ArchivedCollection where Element: Codable {
  func archivedPairs(at path: [any CodingKey]) throws -> [(key: ArchiveNode, value: ArchiveNode?)] {
    try map { (try ArchiveEncoder.node(of: $0, at: path), nil) }
  }

  static func archived(_ nodes: [ArchiveNode], at path: [any CodingKey]) throws -> Self {
    var result: Self = []
    for node in nodes {
      guard result.insert(try ArchiveDecoder.value(Element.self, of: node, at: path)).inserted else {
        throw ArchiveDecoder.mismatch("each element once", path)
      }
    }
    return result
  }
}

extension ArchiveNode {
  /// An order of nodes: numbers and texts as they are, others by their bytes.
  fileprivate func precedes(_ other: ArchiveNode) -> Bool {
    switch (self, other) {
    case (.unsigned(let left), .unsigned(let right)): left < right
    case (.signed(let left), .signed(let right)): left < right
    case (.string(let left), .string(let right)): left < right
    case (.null, _), (.bool, _), (.unsigned, _), (.signed, _), (.double, _), (.string, _), (.bytes, _), (.list, _),
      (.members, _):
      bytes.lexicographicallyPrecedes(other.bytes)
    }
  }

  private var bytes: [UInt8] {
    var writer = ArchiveWriter()
    writer.write(self)
    return writer.bytes
  }
}
