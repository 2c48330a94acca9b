import Basics

/// Makes small TD firmware images: sections with bytes, the descriptor, and the table of GUIDs at the end
/// ("Intel TDX Virtual Firmware Design Guide", section 11).
struct FirmwareImage {
  /// A section to be.
  struct Section {
    var type: UInt32
    var attributes: UInt32
    var address: UInt64
    var memorySize: UInt64
    var data: [UInt8] = []
    /// In place of where the bytes really are.
    var dataOffset: UInt32?
    var dataSize: UInt32?
  }

  var sections: [Section]
  var signature: [UInt8] = Array("TDVF".utf8)
  var version: UInt32 = 1
  /// In place of the number of sections.
  var count: UInt32?
  /// In place of 16 + 32 a section.
  var length: UInt32?
  /// Entries of the table before and after that of TDX, by the length of their data.
  var otherEntries = (before: 8, after: 3)
  /// In place of a length that fits.
  var tableLength: UInt16?
  /// In place of how far from the end the descriptor is.
  var descriptorOffset: UInt32?
  var hasTDXEntry = true
  var hasTable = true

  /// What OVMF begins with, in little: variables, code, a place for the hand-off blocks, a stack, and memory to accept.
  static var small: FirmwareImage {
    FirmwareImage(sections: [
      Section(type: 0, attributes: 1, address: 0xFFFF_C000, memorySize: 0x4000, data: noise(0x3800, seed: 1)),
      Section(type: 1, attributes: 0, address: 0xFFFF_8000, memorySize: 0x4000, data: noise(0x4000, seed: 2)),
      Section(type: 2, attributes: 0, address: 0x80_9000, memorySize: 0x2000),
      Section(type: 3, attributes: 1, address: 0x81_0000, memorySize: 0x3000),
      Section(type: 4, attributes: 2, address: 0x10_0000, memorySize: 0x1000_0000),
    ])
  }

  static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }

  /// The file.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    var places: [UInt32] = []
    for section in sections {
      places.append(UInt32(bytes.count))
      bytes += section.data
    }
    let descriptor = bytes.count
    bytes += signature
    bytes += (length ?? UInt32(16 + 32 * sections.count)).littleEndianBytes
    bytes += version.littleEndianBytes + (count ?? UInt32(sections.count)).littleEndianBytes
    for (section, place) in zip(sections, places) {
      bytes += (section.dataOffset ?? place).littleEndianBytes
      bytes += (section.dataSize ?? UInt32(section.data.count)).littleEndianBytes
      bytes += section.address.littleEndianBytes + section.memorySize.littleEndianBytes
      bytes += section.type.littleEndianBytes + section.attributes.littleEndianBytes
    }
    guard hasTable else { return bytes + [UInt8](repeating: 0, count: 64) }
    var table = Self.entry([UInt8](repeating: 7, count: otherEntries.before), guid: Self.otherGUID)
    let after = Self.entry([UInt8](repeating: 9, count: otherEntries.after), guid: Self.otherGUID)
    let own = 18
    // The entry holds how far from the end of the file the descriptor is.
    let total = bytes.count + table.count + (hasTDXEntry ? 22 : 0) + after.count + own + 32
    if hasTDXEntry {
      table += Self.entry((descriptorOffset ?? UInt32(total - descriptor)).littleEndianBytes, guid: Self.tdxGUID)
    }
    table += after
    bytes += table + (tableLength ?? UInt16(table.count + own)).littleEndianBytes + Self.tableGUID
    return bytes + [UInt8](repeating: 0xF4, count: 32)
  }

  private static func entry(_ data: [UInt8], guid: [UInt8]) -> [UInt8] {
    data + UInt16(data.count + 18).littleEndianBytes + guid
  }

  private static func guid(_ first: UInt32, _ second: UInt16, _ third: UInt16, _ rest: [UInt8]) -> [UInt8] {
    first.littleEndianBytes + second.littleEndianBytes + third.littleEndianBytes + rest
  }

  static let tableGUID = guid(0x96B5_82DE, 0x1FB2, 0x45F7, [0xBA, 0xEA, 0xA3, 0x66, 0xC5, 0x5A, 0x08, 0x2D])
  static let tdxGUID = guid(0xE47A_6535, 0x984A, 0x4798, [0x86, 0x5E, 0x46, 0x85, 0xA7, 0xBF, 0x8E, 0xC2])
  static let otherGUID = guid(0x0080_5D77, 0x1111, 0x2222, [1, 2, 3, 4, 5, 6, 7, 8])
}
