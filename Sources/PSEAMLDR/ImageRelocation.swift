import Basics

/// The ELF relocations of a module image (pseamldr.md 3.4 B3): every one adds the image's linear base to an address.
///
/// The image is mapped as the file lies, so that offsets in the file and addresses are the same numbers.
struct ImageRelocation: Equatable, Sendable {
  /// Where in the image an 8-byte address is stored.
  var offset: Int
  /// The address, relative to the start of the image.
  var addend: UInt64

  /// What is wrong with an image, in words for people.
  struct Failure: Error, Equatable, Sendable {
    let reason: String
  }

  private enum ELF {
    /// 7F "ELF"
    static let magic: UInt32 = 0x464C_457F
    static let identificationClass = 4
    static let class64: UInt8 = 2
    static let identificationData = 5
    static let littleEndian: UInt8 = 1
    static let identificationVersion = 6
    static let currentVersion: UInt8 = 1
    static let sectionHeaderOffset = 40
    static let sectionHeaderCount = 60
    static let sectionHeaderSize = 64
    static let sectionType = 4
    static let sectionOffset = 24
    static let sectionSize = 32
    static let sectionEntrySize = 56
    static let typeRela: UInt32 = 4
    static let relaSize: UInt64 = 24
    /// The whole of r_info: R_X86_64_RELATIVE and no symbol.
    static let relative: UInt64 = 8
  }

  /// All relocations of `image`, each within bounds.
  static func all(in image: [UInt8]) throws(Failure) -> [ImageRelocation] {
    let reader = ByteReader(image)
    guard try word(reader, 0) == ELF.magic,
      try word(reader, ELF.identificationClass) == ELF.class64,
      try word(reader, ELF.identificationData) == ELF.littleEndian,
      try word(reader, ELF.identificationVersion) == ELF.currentVersion
    else {
      throw Failure(reason: "the image does not begin with the header of a 64-bit little-endian ELF file")
    }
    let table: UInt64 = try word(reader, ELF.sectionHeaderOffset)
    let count: UInt16 = try word(reader, ELF.sectionHeaderCount)
    let sections = Int(count)
    guard let start = Int(exactly: table), start <= reader.count,
      sections * ELF.sectionHeaderSize <= reader.count - start
    else {
      throw Failure(reason: "\(sections) ELF section headers at 0x\(String(table, radix: 16)) reach beyond the image")
    }
    var relocations: [ImageRelocation] = []
    for section in 0..<sections {
      try append(to: &relocations, section: section, header: start + section * ELF.sectionHeaderSize, reader)
    }
    return relocations
  }

  private static func append(
    to relocations: inout [ImageRelocation], section: Int, header: Int, _ reader: ByteReader
  ) throws(Failure) {
    guard try word(reader, header + ELF.sectionType) == ELF.typeRela else { return }
    let start: UInt64 = try word(reader, header + ELF.sectionOffset)
    let size: UInt64 = try word(reader, header + ELF.sectionSize)
    let entrySize: UInt64 = try word(reader, header + ELF.sectionEntrySize)
    guard entrySize != 0 else {
      throw Failure(reason: "ELF section \(section) holds relocations of size 0")
    }
    for index in 0..<(size / entrySize) {
      let (distance, tooFar) = index.multipliedReportingOverflow(by: entrySize)
      let (position, beyond) = start.addingReportingOverflow(distance)
      guard !tooFar, !beyond, let entry = Int(exactly: position), entry <= reader.count,
        UInt64(reader.count - entry) >= ELF.relaSize
      else {
        throw Failure(reason: "relocation \(index) of ELF section \(section) lies outside the image")
      }
      // A file has room for fewer; without a limit, overlapping sections could ask for any number.
      guard relocations.count < reader.count else {
        throw Failure(reason: "the image has more relocations than bytes")
      }
      relocations.append(try relocation(at: entry, reader))
    }
  }

  private static func relocation(at entry: Int, _ reader: ByteReader) throws(Failure) -> ImageRelocation {
    let offset: UInt64 = try word(reader, entry)
    let info: UInt64 = try word(reader, entry + 8)
    let addend: UInt64 = try word(reader, entry + 16)
    guard info == ELF.relative else {
      throw Failure(
        reason: "a relocation has r_info 0x\(String(info, radix: 16)), the loader takes 8 (R_X86_64_RELATIVE) only")
    }
    guard let place = Int(exactly: offset), place <= reader.count - 8 else {
      throw Failure(reason: "a relocation is for 0x\(String(offset, radix: 16)), outside the image")
    }
    guard addend < UInt64(reader.count) else {
      throw Failure(reason: "a relocation points to 0x\(String(addend, radix: 16)), outside the image")
    }
    return ImageRelocation(offset: place, addend: addend)
  }

  private static func word<T: FixedWidthInteger & UnsignedInteger>(
    _ reader: ByteReader, _ offset: Int
  ) throws(Failure) -> T {
    do {
      return try reader.integer(at: offset)
    } catch {
      throw Failure(reason: "the image of \(reader.count) bytes is too short for its ELF headers")
    }
  }
}
