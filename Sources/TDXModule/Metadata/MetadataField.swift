/// Bits of a field that somebody may read and write (tdx-module.md 6.9; module source 1.5.01).
struct MetadataMasks: Equatable, Sendable {
  var read: UInt64 = 0
  var write: UInt64 = 0

  static let none = Self()
  static let all = Self(read: .max)
  static let readWrite = Self(read: .max, write: .max)
}

/// Who asks for a field of a TD or a vCPU.
enum MetadataReader: Equatable, Sendable {
  /// The host, of a TD that is its own.
  case host
  /// The host, of a TD with ATTRIBUTES.DEBUG.
  case debugger
  /// The guest itself.
  case guest
}

/// Where a field of a TD or vCPU stands, and who may do what with it.
struct MetadataDescription: Sendable {
  /// Id of the first element of the first field.
  let id: MetadataFieldID
  /// Fields of the array; 1 for a plain field.
  let fields: UInt64
  /// Elements of each.
  let elements: UInt64
  private let host: MetadataMasks
  private let debugger: MetadataMasks
  private let guest: MetadataMasks

  /// A field that the host may always read; `debugger` defaults to what the host may.
  init(
    _ id: UInt64, _ fields: UInt64 = 1, elements: UInt64 = 1, host: MetadataMasks = .all,
    debugger: MetadataMasks? = nil,
    guest: MetadataMasks = .none
  ) {
    self.id = MetadataFieldID(rawValue: id)
    self.fields = fields
    self.elements = elements
    self.host = host
    self.debugger = debugger ?? host
    self.guest = guest
  }

  /// Elements in all.
  var count: UInt64 { fields * elements }

  /// The bits of one element.
  var elementMask: UInt64 {
    let bits = 8 << id.elementSizeCode
    return bits >= 64 ? .max : (1 << bits) - 1
  }

  /// What `reader` may do.
  func masks(for reader: MetadataReader) -> MetadataMasks {
    let masks =
      switch reader {
      case .host: host
      case .debugger: debugger
      case .guest: guest
      }
    return MetadataMasks(read: masks.read & elementMask, write: masks.write & elementMask)
  }
}

/// A table of fields: those of a TD, or those of a vCPU, in the module's order.
protocol MetadataField: CaseIterable, Equatable, Sendable {
  /// Bits 54:52 of its ids.
  static var context: UInt64 { get }

  /// Id, array shape and masks, for a module with `traits`.
  func description(_ traits: ModuleTraits) -> MetadataDescription

  /// The codes of the elements where they do not simply follow each other; nil where they do.
  func codes(_ traits: ModuleTraits) -> [UInt64]?
}

extension MetadataField {
  func codes(_ traits: ModuleTraits) -> [UInt64]? { nil }
}

/// One element of one field.
struct MetadataElement<Field: MetadataField>: Equatable, Sendable {
  let field: Field
  /// Counted over all fields of the array.
  let index: Int

  /// The element that `id` names, whatever its context.
  static func named(_ id: MetadataFieldID, _ traits: ModuleTraits) -> Self? {
    for field in Field.allCases {
      let description = field.description(traits)
      guard description.id.classCode == id.classCode else { continue }
      if let codes = field.codes(traits) {
        guard let index = codes.firstIndex(of: id.code) else { continue }
        return Self(field: field, index: index)
      }
      guard id.code >= description.id.code, id.code - description.id.code < description.count else { continue }
      return Self(field: field, index: Int(truncatingIfNeeded: id.code - description.id.code))
    }
    return nil
  }

  /// The first element that `reader` may read.
  static func first(for reader: MetadataReader, _ traits: ModuleTraits) -> Self? {
    Field.allCases.first { $0.description(traits).masks(for: reader).read != 0 }.map { Self(field: $0, index: 0) }
  }

  /// The next element that `reader` may read.
  func next(for reader: MetadataReader, _ traits: ModuleTraits) -> Self? {
    let count = field.codes(traits)?.count ?? Int(truncatingIfNeeded: field.description(traits).count)
    if index + 1 < count { return Self(field: field, index: index + 1) }
    let rest = Field.allCases.drop { $0 != field }.dropFirst()
    return rest.first { $0.description(traits).masks(for: reader).read != 0 }.map { Self(field: $0, index: 0) }
  }

  /// Its id.
  func id(_ traits: ModuleTraits) -> MetadataFieldID {
    var id = field.description(traits).id
    id.code = field.codes(traits)?[index] ?? id.code + UInt64(index)
    return id
  }
}
