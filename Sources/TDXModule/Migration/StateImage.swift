import Basics
import SEAM

/// The state that an export carries. On silicon it is a metadata list (tdx-module.md 5.2) of several hundred fields; tdxfs
/// has few of them, and its own format: a page begins with its kind (u32) and the number of bytes in use behind these two
/// (u32); what follows, over all pages of a kind, is a sequence of integers and byte strings without padding.
struct StateImage: Sendable {
  /// What a page holds; the bytes spell the name.
  enum Kind: UInt32, Sendable {
    case system = 0x0053_5953
    case immutableTD = 0x004D_4D49
    case mutableTD = 0x0044_5F54
    case vcpu = 0x0000_5056
  }

  private static let headerSize = 8
  private static let payloadSize = PhysicalMemory.pageSize - headerSize

  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger & UnsignedInteger) { bytes += value.littleEndianBytes }
  mutating func append(_ value: [UInt8]) { bytes += value }

  /// Metadata fields that are only stored: their number (u32), then id and value of each.
  mutating func append(_ fields: [UInt64: UInt64]) {
    append(UInt32(truncatingIfNeeded: fields.count))
    for (id, value) in fields.sorted(by: { $0.key < $1.key }) {
      append(id)
      append(value)
    }
  }

  /// Pages of `kind`, `minimum` of them or more.
  func pages(_ kind: Kind, atLeast minimum: Int) -> [UInt8] {
    var result: [UInt8] = []
    var rest = bytes[...]
    var count = 0
    repeat {
      let chunk = rest.prefix(Self.payloadSize)
      rest = rest.dropFirst(chunk.count)
      var page = kind.rawValue.littleEndianBytes + UInt32(truncatingIfNeeded: chunk.count).littleEndianBytes + chunk
      page += repeatElement(0, count: PhysicalMemory.pageSize - page.count)
      result += page
      count += 1
    } while !rest.isEmpty || count < minimum
    return result
  }
}

/// Reads a ``StateImage``. Past the end, and after a page of the wrong kind, everything is zero and ``isValid`` is false.
struct StateImageReader {
  private let reader: ByteReader
  private var offset = 0
  private(set) var isValid = true

  /// A reader of the pages of `kind` in `pages`.
  init(_ pages: ArraySlice<UInt8>, _ kind: StateImage.Kind) {
    var payload: [UInt8] = []
    var rest = pages
    while !rest.isEmpty {
      let page = rest.prefix(PhysicalMemory.pageSize)
      rest = rest.dropFirst(PhysicalMemory.pageSize)
      let count = Int(UInt32(littleEndianBytes: page.dropFirst(4).prefix(4)))
      let body = page.dropFirst(8)
      guard UInt32(littleEndianBytes: page.prefix(4)) == kind.rawValue, count <= body.count else {
        isValid = false
        break
      }
      payload += body.prefix(count)
    }
    reader = ByteReader(payload)
  }

  mutating func integer<T: FixedWidthInteger & UnsignedInteger>(as type: T.Type = T.self) -> T {
    T(littleEndianBytes: slice(MemoryLayout<T>.size))
  }

  mutating func fields() -> [UInt64: UInt64] {
    var fields: [UInt64: UInt64] = [:]
    var left = integer(as: UInt32.self)
    while left > 0, isValid {
      left -= 1
      let id = integer(as: UInt64.self)
      fields[id] = integer()
    }
    return fields
  }

  mutating func slice(_ count: Int) -> [UInt8] {
    guard let slice = try? reader.slice(at: offset, count: count) else {
      isValid = false
      return [UInt8](repeating: 0, count: min(max(0, count), PhysicalMemory.pageSize))
    }
    offset += count
    return Array(slice)
  }
}

extension TDParameters {
  /// TD_PARAMS from which the same parameters are read again.
  var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.size)
    bytes.store(attributes.rawValue, at: Offset.attributes)
    bytes.store(xfam, at: Offset.xfam)
    bytes.store(maxVCPUs, at: Offset.maxVCPUs)
    bytes.store(numL2VMs, at: Offset.numL2VMs)
    bytes.store(eptpControls, at: Offset.eptpControls)
    bytes.store(configFlags, at: Offset.configFlags)
    bytes.store(tscFrequency, at: Offset.tscFrequency)
    bytes.store(mrConfigID, at: Offset.mrConfigID)
    bytes.store(mrOwner, at: Offset.mrOwner)
    bytes.store(mrOwnerConfig, at: Offset.mrOwnerConfig)
    bytes.store(archCapabilities, at: Offset.archCapabilities)
    for (index, value) in cpuidValues.joined().enumerated() {
      bytes.store(value, at: Offset.cpuidValues + 4 * index)
    }
    return bytes
  }
}

extension TD {
  /// What TDH.EXPORT.STATE.IMMUTABLE carries of the TD: fixed since TDH.MR.FINALIZE.
  var immutableImage: StateImage {
    var image = StateImage()
    image.append(parameters.bytes)
    image.append(measurement.mrtd)
    image.append(measurement.servtdHash)
    for word in uuid { image.append(word) }
    image.append(migration.exportCount)
    for slot in serviceTDs.slots {
      image.append(slot?.state.rawValue ?? 0)
      image.append(slot?.type ?? 0)
      image.append(slot?.attributes.rawValue ?? 0)
      image.append(slot?.infoHash ?? [UInt8](repeating: 0, count: TDMeasurement.digestSize))
      for index in 0..<4 { image.append(slot?.uuid[index] ?? 0) }
    }
    return image
  }

  /// What TDH.EXPORT.STATE.TD carries of the TD.
  var mutableImage: StateImage {
    var image = StateImage()
    for rtmr in measurement.rtmrs { image.append(rtmr) }
    image.append(vcpuCount)
    image.append(UInt32(truncatingIfNeeded: x2apicIDs.count))
    for id in x2apicIDs.sorted() { image.append(id) }
    image.append(UInt8(tdControls == nil ? 0 : 1))
    image.append(tdControls ?? 0)
    image.append(fields)
    return image
  }

  /// Takes what ``immutableImage`` gave. Nil when everything could be taken.
  mutating func importImmutable(_ pages: ArraySlice<UInt8>, _ rules: TDParameters.Rules) -> CompletionStatus? {
    var reader = StateImageReader(pages, .immutableTD)
    let parameters: TDParameters
    do throws(TDParameters.Refusal) {
      parameters = try TDParameters(reader.slice(TDParameters.size), rules)
    } catch {
      return error.status
    }
    let mrtd = reader.slice(TDMeasurement.digestSize)
    let servtdHash = reader.slice(TDMeasurement.digestSize)
    let uuid = (0..<4).map { _ in reader.integer(as: UInt64.self) }
    let exportCount = reader.integer(as: UInt32.self)
    var slots: [ServiceTDBindings.Binding?] = []
    for _ in serviceTDs.slots {
      let state = ServiceTDBindings.State(rawValue: reader.integer())
      let type = reader.integer(as: UInt16.self)
      let attributes = ServiceTDAttributes(rawValue: reader.integer())
      let infoHash = reader.slice(TDMeasurement.digestSize)
      let uuid = (0..<4).map { _ in reader.integer(as: UInt64.self) }
      slots.append(
        state.map { .init(state: $0, type: type, attributes: attributes, infoHash: infoHash, uuid: uuid) })
    }
    guard reader.isValid, parameters.attributes.contains(.migratable) else { return .importMismatch }
    for (index, slot) in slots.enumerated() {
      guard let slot else { continue }
      if let own = serviceTDs.slots[index] {
        guard own.type == slot.type, own.attributes == slot.attributes else { return .importMismatch }
      } else {
        serviceTDs.slots[index] = slot
      }
    }
    self.parameters = parameters
    measurement.restore(mrtd: mrtd, rtmrs: measurement.rtmrs, servtdHash: servtdHash)
    teeInfoHash = nil
    migration.preImportUUID = self.uuid
    self.uuid = uuid
    migration.exportCount = exportCount
    epoch = 1
    epochReaders = [0, 0]
    return nil
  }

  /// Takes what ``mutableImage`` gave. Nil when everything could be taken.
  mutating func importMutable(_ pages: ArraySlice<UInt8>) -> CompletionStatus? {
    var reader = StateImageReader(pages, .mutableTD)
    let rtmrs = (0..<4).map { _ in reader.slice(TDMeasurement.digestSize) }
    let count = reader.integer(as: UInt32.self)
    var ids: Set<UInt32> = []
    let idCount = reader.integer(as: UInt32.self)
    guard reader.isValid, count <= UInt32(parameters.maxVCPUs), idCount <= count else { return .importMismatch }
    while ids.count < idCount, reader.isValid {
      // An id that is there twice would never let the loop end.
      guard ids.insert(reader.integer()).inserted else { return .importMismatch }
    }
    let hasControls = reader.integer(as: UInt8.self) != 0
    let controls = reader.integer(as: UInt64.self)
    let fields = reader.fields()
    guard reader.isValid else { return .importMismatch }
    measurement.restore(mrtd: measurement.mrtd, rtmrs: rtmrs, servtdHash: measurement.servtdHash)
    teeInfoHash = nil
    tdControls = hasControls ? controls : nil
    self.fields = fields
    vcpuCount = count
    x2apicIDs = ids
    return nil
  }
}
