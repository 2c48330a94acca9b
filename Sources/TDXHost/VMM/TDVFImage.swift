import Basics

/// The TDX metadata of a TD firmware image (TDVF, an OVMF build): which sections of it a TD begins with, and where
/// ("Intel TDX Virtual Firmware Design Guide", section 11; QEMU's `hw/i386/tdvf.c`).
///
/// At the end of the image stands a table of GUIDs that is read backwards; the entry of TDX holds how far from the end the
/// descriptor `TDVF` begins, which lists the sections.
public struct TDVFImage: Equatable, Sendable, Codable {
  /// A piece of the guest's memory at its start.
  public struct Section: Equatable, Sendable, Codable {
    /// Where its bytes are in the image.
    public var dataOffset: Int
    /// How many bytes the image has of it; the rest of the memory is zero.
    public var dataSize: Int
    /// Guest physical address.
    public var address: UInt64
    /// Bytes of memory.
    public var memorySize: UInt64
    /// What it is.
    public var kind: Kind
    /// How it is added.
    public var attributes: Attributes

    /// Number of pages.
    public var pageCount: Int { Int(memorySize / 4096) }
  }

  /// Types of sections.
  public enum Kind: UInt32, Sendable, Codable {
    /// Boot firmware volume: code.
    case bfv = 0
    /// Configuration firmware volume: variables.
    case cfv = 1
    /// Where the monitor puts the list of hand-off blocks.
    case tdHOB = 2
    /// Memory for the firmware's start.
    case tempMem = 3
    /// Memory that the guest accepts at its start.
    case permMem = 4
    /// A kernel that comes with the firmware.
    case payload = 5
    /// Its command line.
    case payloadParam = 6
  }

  /// Attributes of a section.
  public struct Attributes: OptionSet, Hashable, Sendable, Codable {
    /// The 32 bits.
    public let rawValue: UInt32

    /// Attributes `rawValue`.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// MR.EXTEND: its bytes are measured.
    public static let measured = Self(rawValue: 1 << 0)
    /// PAGE.AUG: it is not there at the start; the guest accepts it.
    public static let augmented = Self(rawValue: 1 << 1)
  }

  /// The sections, in the order in which they are added.
  public let sections: [Section]

  /// Where things are.
  private enum Layout {
    /// The table's own entry ends so many bytes before the end, and its GUID is 16 bytes.
    static let footerGUID = 0x30
    static let guidSize = 16
    /// A GUID and the u16 before it.
    static let entrySize = 18
    /// Signature, length, version, number of sections.
    static let descriptorSize = 16
    static let signature: UInt32 = 0x4656_4454  // "TDVF"
    static let sectionSize = 32
    /// More than any firmware has.
    static let maxSections = 1024
  }

  /// 96b582de-1fb2-45f7-baea-a366c55a082d
  static let tableGUID: [UInt8] = [
    0xDE, 0x82, 0xB5, 0x96, 0xB2, 0x1F, 0xF7, 0x45, 0xBA, 0xEA, 0xA3, 0x66, 0xC5, 0x5A, 0x08, 0x2D,
  ]
  /// e47a6535-984a-4798-865e-4685a7bf8ec2
  static let tdxGUID: [UInt8] = [
    0x35, 0x65, 0x7A, 0xE4, 0x4A, 0x98, 0x98, 0x47, 0x86, 0x5E, 0x46, 0x85, 0xA7, 0xBF, 0x8E, 0xC2,
  ]

  /// The metadata of the image `bytes`.
  public init(_ bytes: [UInt8]) throws(TDVFError) {
    let reader = ByteReader(bytes)
    sections = try Self.sections(at: try Self.descriptor(in: reader), in: reader)
  }

  /// Bytes of memory that the guest begins with, of all sections.
  public var pagesToAdd: Int {
    sections.reduce(0) { sum, section in
      section.attributes.contains(.augmented) ? sum : sum.addingReportingOverflow(section.pageCount).partialValue
    }
  }

  /// Where the descriptor begins, by the table at the end.
  private static func descriptor(in reader: ByteReader) throws(TDVFError) -> Int {
    let footer = reader.count - Layout.footerGUID
    guard try slice(reader, footer, Layout.guidSize).elementsEqual(tableGUID) else { throw .noTable }
    // The length counts the table's own entry.
    var end = footer - 2
    var rest = Int(try integer(reader, end, UInt16.self)) - Layout.entrySize
    while rest >= Layout.entrySize {
      let length = Int(try integer(reader, end - Layout.entrySize, UInt16.self))
      guard length >= Layout.entrySize, length <= rest else { throw .malformedTable }
      if try slice(reader, end - Layout.guidSize, Layout.guidSize).elementsEqual(tdxGUID) {
        guard length >= Layout.entrySize + 4 else { throw .malformedTable }
        return reader.count - Int(try integer(reader, end - length, UInt32.self))
      }
      end -= length
      rest -= length
    }
    throw .noTDXEntry
  }

  private static func sections(at start: Int, in reader: ByteReader) throws(TDVFError) -> [Section] {
    guard try integer(reader, start, UInt32.self) == Layout.signature else { throw .badSignature }
    let length = Int(try integer(reader, start + 4, UInt32.self))
    let version = try integer(reader, start + 8, UInt32.self)
    guard version == 1 else { throw .unknownVersion(version) }
    let count = Int(try integer(reader, start + 12, UInt32.self))
    guard count > 0, count <= Layout.maxSections, length >= Layout.descriptorSize + count * Layout.sectionSize else {
      throw .badSectionCount(count)
    }
    var sections: [Section] = []
    for index in 0..<count {
      let place = start + Layout.descriptorSize + index * Layout.sectionSize
      sections.append(try section(index, at: place, in: reader))
    }
    return sections
  }

  private static func section(_ index: Int, at place: Int, in reader: ByteReader) throws(TDVFError) -> Section {
    let type = try integer(reader, place + 24, UInt32.self)
    guard let kind = Kind(rawValue: type) else { throw .section(index, "its type \(type) is not known") }
    let section = Section(
      dataOffset: Int(try integer(reader, place, UInt32.self)),
      dataSize: Int(try integer(reader, place + 4, UInt32.self)), address: try integer(reader, place + 8, UInt64.self),
      memorySize: try integer(reader, place + 16, UInt64.self), kind: kind,
      attributes: Attributes(rawValue: try integer(reader, place + 28, UInt32.self)))
    guard section.address.isMultiple(of: 4096), section.memorySize.isMultiple(of: 4096), section.memorySize > 0,
      !section.address.addingReportingOverflow(section.memorySize).overflow
    else {
      throw .section(index, "its memory \(section.address.hex) + \(section.memorySize.hex) is not made of pages")
    }
    guard section.dataSize <= reader.count, section.dataOffset <= reader.count - section.dataSize else {
      throw .section(index, "its bytes lie beyond the end of the image")
    }
    guard UInt64(section.dataSize) <= section.memorySize else {
      throw .section(index, "it has more bytes than memory")
    }
    guard !section.attributes.isSuperset(of: [.measured, .augmented]) else {
      throw .section(index, "memory that is not there at the start can't be measured")
    }
    switch kind {
    case .tdHOB, .tempMem, .permMem:
      guard section.dataSize == 0 else { throw .section(index, "memory of its type has no bytes in the image") }
    case .bfv, .cfv, .payload, .payloadParam: break
    }
    return section
  }

  private static func slice(_ reader: ByteReader, _ offset: Int, _ count: Int) throws(TDVFError) -> ArraySlice<UInt8> {
    do throws(ByteReaderError) {
      return try reader.slice(at: offset, count: count)
    } catch {
      throw .truncated
    }
  }

  private static func integer<T: FixedWidthInteger & UnsignedInteger>(
    _ reader: ByteReader, _ offset: Int, _ type: T.Type
  ) throws(TDVFError) -> T {
    T(littleEndianBytes: try slice(reader, offset, MemoryLayout<T>.size))
  }
}

/// Why an image is no TD firmware.
public enum TDVFError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Something that the metadata name lies outside the image.
  case truncated
  /// The table of GUIDs is not at the end.
  case noTable
  /// An entry of the table has a length that can't be.
  case malformedTable
  /// The table has no entry of TDX.
  case noTDXEntry
  /// The descriptor does not begin with `TDVF`.
  case badSignature
  /// The descriptor's version is not 1.
  case unknownVersion(UInt32)
  /// There are no sections, too many, or more than the descriptor is long.
  case badSectionCount(Int)
  /// The section of this index, for this reason.
  case section(Int, String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .truncated: "its TDX metadata lie outside the image"
    case .noTable: "it has no table of GUIDs at its end: no OVMF build"
    case .malformedTable: "its table of GUIDs is damaged"
    case .noTDXEntry: "its table of GUIDs has no entry of TDX: built without TDX support"
    case .badSignature: "its TDX metadata do not begin with TDVF"
    case .unknownVersion(let version): "its TDX metadata are of version \(version), and only 1 is known"
    case .badSectionCount(let count): "its TDX metadata have \(count) sections, which can't be"
    case .section(let index, let reason): "section \(index) of its TDX metadata: \(reason)"
    }
  }
}
