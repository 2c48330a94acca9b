import Basics

/// The ELF file that a module image is, as far as the loader reads it (pseamldr.md 3.4 B3).
public enum ModuleELF {
  /// One relocation: the loader stores base + `addend` at `offset`.
  public struct Relocation: Equatable, Sendable {
    /// Where in the image, r_offset.
    public let offset: UInt64
    /// r_addend.
    public let addend: UInt64
  }

  /// R_X86_64_RELATIVE with symbol 0: the only r_info that the loader takes.
  public static let relative: UInt64 = 8
  static let sectionHeaderSize = 64
  static let relaEntrySize = 24
  static let sectionTypeRela: UInt32 = 4

  /// e_entry, where the image is an ELF file.
  public static func entryPoint(of image: [UInt8]) -> UInt64? {
    let reader = ByteReader(image)
    guard (try? checkHeader(reader)) != nil else { return nil }
    return try? reader.integer(at: 24)
  }

  /// B3: the header is that of a little-endian 64-bit ELF file, its sections lie in the image, and every SHT_RELA section
  /// has nothing but R_X86_64_RELATIVE that stays within the image. Gives the relocations in order.
  @discardableResult
  public static func relocations(of image: [UInt8]) throws(ManifestFailure) -> [Relocation] {
    do {
      return try read(ByteReader(image))
    } catch let failure as ManifestFailure {
      throw failure
    } catch {
      throw ManifestFailure(.relocation, "the image is cut off within its ELF headers, sections or relocations")
    }
  }

  private static func read(_ reader: ByteReader) throws -> [Relocation] {
    try checkHeader(reader)
    let sections = try reader.integer(at: 40, as: UInt64.self)
    let count = try reader.integer(at: 60, as: UInt16.self)
    guard let start = Int(exactly: sections) else { throw outside("the section headers") }
    var found: [Relocation] = []
    for index in 0..<Int(count) {
      let header = start &+ index * sectionHeaderSize
      _ = try reader.slice(at: header, count: sectionHeaderSize)
      guard try reader.integer(at: header + 4, as: UInt32.self) == sectionTypeRela else { continue }
      try append(to: &found, reader, header: header)
    }
    return found
  }

  private static func append(to found: inout [Relocation], _ reader: ByteReader, header: Int) throws {
    let offset = try reader.integer(at: header + 24, as: UInt64.self)
    let size = try reader.integer(at: header + 32, as: UInt64.self)
    let entrySize = try reader.integer(at: header + 56, as: UInt64.self)
    guard entrySize != 0 else {
      throw ManifestFailure(.relocation, "a section of relocations says that its entries are 0 bytes long")
    }
    let total = UInt64(reader.count)
    for index in 0..<(size / entrySize) {
      let (distance, wide) = index.multipliedReportingOverflow(by: entrySize)
      let (place, far) = offset.addingReportingOverflow(distance)
      guard !wide, !far, let entry = Int(exactly: place) else { throw outside("a relocation") }
      let target = try reader.integer(at: entry, as: UInt64.self)
      let info = try reader.integer(at: entry &+ 8, as: UInt64.self)
      let addend = try reader.integer(at: entry &+ 16, as: UInt64.self)
      guard info == relative else {
        throw ManifestFailure(.relocation, "a relocation is of type 0x\(info.paddedHexadecimal); only 8 is allowed")
      }
      guard total >= 8, target <= total - 8 else { throw outside("the target of a relocation") }
      guard addend < total else { throw outside("the addend of a relocation") }
      // Sections that overlap could make the list longer than any image's; a genuine one has a few hundred.
      guard found.count < reader.count / 8 else {
        throw ManifestFailure(.relocation, "the image has more relocations than there is room for")
      }
      found.append(Relocation(offset: target, addend: addend))
    }
  }

  private static func checkHeader(_ reader: ByteReader) throws {
    let identification = try reader.slice(at: 0, count: 7)
    guard identification.elementsEqual([0x7F, 0x45, 0x4C, 0x46, 2, 1, 1]) else {
      throw ManifestFailure(
        .relocation,
        "the image begins with \(identification.hexadecimal); a 64-bit little-endian ELF file begins with 7f454c46020101"
      )
    }
  }

  private static func outside(_ what: String) -> ManifestFailure {
    ManifestFailure(.relocation, "\(what) lies outside the image")
  }
}
