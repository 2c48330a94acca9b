import Basics
import SEAM

extension TDXModule {
  /// TDH.SYS.RD, leaf 34 (tdx-module.md 5.2): one element of the global metadata.
  mutating func sysRD(_ call: inout Call, machine: Machine) throws(ModuleError) -> CompletionStatus {
    let id = MetadataFieldID(rawValue: call.registers.rdx).inSystemContext
    let isNull = MetadataFieldID(rawValue: call.registers.rdx).isNull
    call.registers.rdx = MetadataFieldID.none.rawValue
    call.registers.r8 = 0
    let state = try requireInitializedLP(call)
    if isNull {
      call.registers.rdx = SysField.numPkgs.description.id.rawValue
      return .metadataFirstFieldIDInContext
    }
    guard id.isSingleElement else {
      throw .refused(.metadataFieldIDIncorrect, "field id \(id.rawValue.text) does not name one element")
    }
    guard let field = SysField.field(id, state.traits) else {
      throw .refused(
        .metadataFieldIDIncorrect, "module \(state.program.version) has no global field \(id.rawValue.text)")
    }
    let description = field.description
    let index = id.code - description.id.code
    let values = SysFieldValues(state: state, machine: machine)
    call.registers.r8 = values.value(field, Int(truncatingIfNeeded: index))
    if index + 1 < description.count {
      var next = id
      next.code += 1
      call.registers.rdx = next.rawValue
    } else if let next = field.next(state.traits) {
      call.registers.rdx = next.description.id.rawValue
    }
    return .success
  }

  /// TDH.SYS.RDALL, leaf 37 (tdx-module.md 5.2): as many fields as fit a page, as a list of sequences.
  mutating func sysRdall(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.r8 = MetadataFieldID.none.rawValue
    let state = try requireInitializedLP(call)
    try requireShared(operands.rdx, size: 4096, alignment: 4096, .rdx, in: machine)
    let start = try listStart(MetadataFieldID(rawValue: operands.r8), state)
    var list = MetadataList(values: SysFieldValues(state: state, machine: machine))
    let next = list.fill(from: start)
    let target = PhysicalAddress(rawValue: operands.rdx)
    machine.memory.write(list.bytes, at: target.withoutKeyID, keyID: target.keyID)
    guard let next else { return .success }
    call.registers.r8 = next.id.rawValue
    lastDiagnostic = "the page is full; go on with field \(next.id.rawValue.text)"
    return .metadataListOverflow
  }

  /// R8 of TDH.SYS.RDALL: the start of a field, or -1 for the first.
  private func listStart(_ id: MetadataFieldID, _ state: ModuleState) throws(ModuleError) -> MetadataList.Position {
    guard let position = MetadataList.Position(id, state.traits, forGuest: false) else {
      throw .refused(
        .metadataFieldIDIncorrect, "R8 = \(id.rawValue.text) is not the start of a field of this module")
    }
    return position
  }
}

/// A metadata list in a page: a header {u16 bytes used, u16 sequences, u32 0}, then sequences of {field id with both lengths
/// filled in, one u64 per element} (tdx-module.md 5.2).
struct MetadataList {
  /// A field of the table, and which of its array.
  struct Position: Equatable {
    let field: SysField
    let index: UInt64

    init(field: SysField, index: UInt64) {
      self.field = field
      self.index = index
    }

    /// Where a list begins that was asked for from `id` on: the start of a field, or all ones for the first. Nil when `id` is
    /// neither.
    init?(_ id: MetadataFieldID, _ traits: ModuleTraits, forGuest: Bool) {
      if id.isNull {
        guard let first = SysField.first(traits, forGuest: forGuest) else { return nil }
        self.init(field: first, index: 0)
        return
      }
      guard let field = SysField.field(id, traits), id.elementSizeCode == field.description.id.elementSizeCode,
        (id.code - field.description.id.code) % field.description.elements == 0
      else { return nil }
      if forGuest, !field.description.isGuestReadable {
        guard let next = field.next(traits, forGuest: true) else { return nil }
        self.init(field: next, index: 0)
        return
      }
      self.init(field: field, index: (id.code - field.description.id.code) / field.description.elements)
    }

    /// Id of its first element.
    var id: MetadataFieldID {
      var id = field.description.id
      id.code += index * field.description.elements
      return id
    }

    func next(_ traits: ModuleTraits, forGuest: Bool) -> Position? {
      if index + 1 < field.description.fields { return Position(field: field, index: index + 1) }
      return field.next(traits, forGuest: forGuest).map { Position(field: $0, index: 0) }
    }

    /// Whether `other` can follow in one sequence: same class, shape and size, and no gap.
    func continues(with other: Position) -> Bool {
      let (mine, theirs) = (field.description, other.field.description)
      return id.classCode == other.id.classCode && id.code + mine.elements == other.id.code
        && mine.elements == theirs.elements && mine.id.elementSizeCode == theirs.id.elementSizeCode
    }
  }

  private let values: SysFieldValues
  private var body: [UInt8] = []
  private var sequences: UInt16 = 0
  private static let headerSize = 8
  /// Bytes for sequences.
  private let capacity: Int
  /// Whether only what a guest may read is listed.
  private let forGuest: Bool

  /// An empty list for a buffer of `size` bytes.
  init(values: SysFieldValues, size: Int = 4096, forGuest: Bool = false) {
    self.values = values
    self.forGuest = forGuest
    capacity = size - Self.headerSize
  }

  /// The list so far.
  var bytes: [UInt8] {
    UInt16(truncatingIfNeeded: Self.headerSize + body.count).littleEndianBytes + sequences.littleEndianBytes
      + [0, 0, 0, 0] + body
  }

  /// Appends fields from `start` on while they fit. Gives the first that did not; nil at the end of the metadata.
  mutating func fill(from start: Position) -> Position? {
    let traits = values.state.traits
    var position: Position? = start
    while let first = position {
      guard room(for: first) >= 8 else { return first }
      var header = first.id.inSystemContext
      header.lastElementInField = first.field.description.elements - 1
      let headerOffset = body.count
      body += header.rawValue.littleEndianBytes
      var fields: UInt64 = 0
      var current = first
      while true {
        append(current)
        fields += 1
        position = current.next(traits, forGuest: forGuest)
        guard let following = position, current.continues(with: following) else { break }
        guard room(for: following) >= 0 else { break }
        current = following
      }
      header.lastFieldInSequence = fields - 1
      body.store(header.rawValue, at: headerOffset)
      sequences += 1
      if let following = position, current.continues(with: following) { return following }
    }
    return nil
  }

  /// Bytes that are left when the elements of `position` were appended; a new sequence needs 8 more.
  private func room(for position: Position) -> Int {
    capacity - body.count - 8 * Int(truncatingIfNeeded: position.field.description.elements)
  }

  private mutating func append(_ position: Position) {
    let elements = position.field.description.elements
    for element in 0..<elements {
      let index = Int(truncatingIfNeeded: position.index * elements + element)
      body += values.value(position.field, index).littleEndianBytes
    }
  }
}
