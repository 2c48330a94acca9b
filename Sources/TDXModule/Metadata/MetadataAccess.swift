import SEAM

/// What an access to metadata gives.
struct MetadataResult: Sendable {
  /// R8: the value, or the one before a write.
  var value: UInt64 = 0
  /// RDX of a read that tells it: the next id, or all ones.
  var next = MetadataFieldID.none
}

/// Why metadata were not read or written.
struct MetadataRefusal: Error {
  let status: CompletionStatus
  let reason: String
}

/// One access to the fields of a TD or of a vCPU: the checks of all leaves that read and write them, in their order
/// (tdx-module.md 5.2; module source 1.5.01).
struct MetadataAccess<Field: MetadataField> {
  let traits: ModuleTraits
  let reader: MetadataReader

  /// The first field id, which is asked for with an id of all ones.
  var first: MetadataFieldID {
    MetadataElement<Field>.first(for: reader, traits)?.id(traits) ?? .none
  }

  /// The element that `id` names.
  private func element(_ id: MetadataFieldID) throws(MetadataRefusal) -> MetadataElement<Field> {
    guard id.isSingleElement else {
      throw MetadataRefusal(
        status: .metadataFieldIDIncorrect, reason: "field id \(id.rawValue.text) does not name one element")
    }
    guard let element = MetadataElement<Field>.named(id, traits) else {
      throw MetadataRefusal(
        status: .metadataFieldIDIncorrect, reason: "there is no field \(id.rawValue.text) in this context")
    }
    return element
  }

  /// Reads the element `id`, of which `value` is told.
  func read(
    _ id: MetadataFieldID, _ value: (MetadataElement<Field>) -> UInt64
  ) throws(MetadataRefusal) -> MetadataResult {
    let element = try element(id)
    let description = element.field.description(traits)
    let masks = description.masks(for: reader)
    guard masks.read != 0 else {
      throw MetadataRefusal(
        status: .metadataFieldNotReadable, reason: "field \(id.rawValue.text) is not for the one who asks")
    }
    return MetadataResult(
      value: value(element) & masks.read, next: element.next(for: reader, traits)?.id(traits) ?? .none)
  }

  /// What a write of `new` under `mask` makes of the element `id`: the element and its new value, and what was there.
  func write(
    _ id: MetadataFieldID, _ new: UInt64, mask: UInt64, _ value: (MetadataElement<Field>) -> UInt64
  ) throws(MetadataRefusal) -> (element: MetadataElement<Field>, new: UInt64, old: MetadataResult) {
    let element = try element(id)
    let description = element.field.description(traits)
    let masks = description.masks(for: reader)
    guard masks.write & mask != 0 else {
      throw MetadataRefusal(
        status: .metadataFieldNotWritable, reason: "field \(id.rawValue.text) cannot be written under this mask")
    }
    let old = value(element) & description.elementMask
    // Who asks to write bits that he may not write must at least leave them as they are.
    let forbidden = mask & ~masks.write
    guard old & forbidden == new & forbidden else {
      throw MetadataRefusal(
        status: .metadataFieldValueNotValid, reason: "field \(id.rawValue.text) has bits that must not change")
    }
    let written = masks.write & mask
    return (element, old & ~written | new & written, MetadataResult(value: old & masks.read))
  }
}
