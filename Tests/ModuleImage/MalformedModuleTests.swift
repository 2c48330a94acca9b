import Basics
import ModuleImage
import Testing

/// The module's pages, bit by bit: the ELF file in them (pseamldr.md 3.4, B3) and the constants that tell their version (6.4),
/// each told a second time.
@Suite("Malformed modules", .timeLimit(.minutes(20)))
struct MalformedModuleTests {
  private static func number(_ bytes: [UInt8], _ offset: UInt64, _ size: UInt64) -> UInt64? {
    let (end, overflow) = offset.addingReportingOverflow(size)
    if overflow || end > UInt64(bytes.count) { return nil }
    var value: UInt64 = 0
    for index in 0..<Int(size) { value |= UInt64(bytes[Int(offset) + index]) << UInt64(8 * index) }
    return value
  }

  /// B3: whether the loader relocates the image.
  static func isRelocated(_ image: [UInt8]) -> Bool {
    let size = UInt64(image.count)
    // Magic, class 64, LSB, version 1.
    if Array(image.prefix(7)) != [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1] { return false }
    guard let sections = number(image, 40, 8), let count = number(image, 60, 2) else { return false }
    for section in 0..<count {
      let (header, overflow) = sections.addingReportingOverflow(64 * section)
      // Section headers within the image.
      if overflow || number(image, header, 8) == nil || number(image, header &+ 56, 8) == nil { return false }
      guard number(image, header + 4, 4) == 4 else { continue }
      guard let start = number(image, header + 24, 8), let bytes = number(image, header + 32, 8),
        let entry = number(image, header + 56, 8), entry != 0
      else { return false }
      var index: UInt64 = 0
      while index < bytes / entry {
        let (place, overflow) = start.addingReportingOverflow(index * entry)
        guard !overflow, place <= size, let offset = number(image, place, 8), let info = number(image, place + 8, 8),
          let addend = number(image, place + 16, 8)
        else { return false }
        if info != 8 || offset > size - 8 || addend >= size { return false }
        index += 1
      }
    }
    return true
  }

  private static func isTaken(_ image: [UInt8]) -> Bool? {
    do throws(ManifestFailure) {
      try ModuleELF.relocations(of: image)
      return true
    } catch {
      return error.rule == .relocation && !error.description.isEmpty ? false : nil
    }
  }

  private static func forged() throws -> [UInt8] {
    var forge = try ImageForge(version: ModuleVersion(1, 5, 24))
    forge.pages = 2
    return try forge.forge().module
  }

  @Test("every bit of the ELF header, of the section headers and of the relocations")
  func everyBit() throws {
    let intact = try Self.forged()
    #expect(Self.isRelocated(intact))
    var cases = 0
    var refused = 0
    for bit in 0..<(0x180 * 8) {
      var image = intact
      image[bit / 8] ^= 1 << UInt8(bit % 8)
      let expected = Self.isRelocated(image)
      cases += 1
      if !expected { refused += 1 }
      if Self.isTaken(image) != expected {
        Issue.record("bit \(bit % 8) of byte \(bit / 8): the model says \(expected)")
        return
      }
    }
    print("malformed inputs: ELF bits: \(cases) cases, \(refused) refused")
    #expect(cases >= 3072)
    #expect(refused > 900)
  }

  @Test("every field of the ELF file at its borders, and two fields at once")
  func borders() throws {
    let intact = try Self.forged()
    let size = UInt64(intact.count)
    /// Offset, size: e_shoff, e_shnum; of the second section type, offset, size, entry size; of the first and the last
    /// relocation offset, type, addend.
    let fields: [(Int, Int)] = [
      (40, 8), (60, 2), (0x84, 4), (0x98, 8), (0xA0, 8), (0xB8, 8), (0x100, 8), (0x108, 8), (0x110, 8), (0x148, 8),
      (0x150, 8), (0x158, 8),
    ]
    var edges: [UInt64] = [
      0, 1, 2, 4, 8, 9, 23, 24, 25, 63, 64, 65, 255, size - 65, size - 64, size - 63, size - 24, size - 23, size - 9,
      size - 8, size - 7, size - 1, size, size + 1, 1 << 31, 1 << 32, 1 << 32 | 8, 1 << 63, .max, .max - 7,
    ]
    edges += [.max - 23, .max - 63]
    func put(_ value: UInt64, _ field: (Int, Int), _ image: inout [UInt8]) {
      for index in 0..<field.1 { image[field.0 + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
    }
    var cases = 0
    for (index, first) in fields.enumerated() {
      for value in edges {
        for (other, second) in fields[index...].enumerated() {
          for otherValue in other == 0
            ? [0] : [edges[(cases &* 7) % edges.count], edges[(cases &* 11 &+ 3) % edges.count]]
          {
            var image = intact
            if other > 0 { put(otherValue, second, &image) }
            put(value, first, &image)
            cases += 1
            // Millions of entries of one byte each take a second's time, and never all lie in the image.
            if Self.isTaken(image) != Self.isRelocated(image) {
              Issue.record(
                "0x\(String(value, radix: 16)) at \(first.0), 0x\(String(otherValue, radix: 16)) at \(second.0)")
              return
            }
          }
        }
      }
    }
    print("malformed inputs: ELF fields at their borders: \(cases) cases")
    #expect(cases >= 4000)
  }

  @Test("cut off anywhere round its headers, sections and relocations")
  func truncated() throws {
    let intact = try Self.forged()
    var cases = 0
    for length in Array(0..<0x1A0) + [4095, 4096, 4097, 8184, 8191, 8192] {
      let image = Array(intact.prefix(length))
      cases += 1
      if Self.isTaken(image) != (length >= 8 && Self.isRelocated(image)) { Issue.record("\(length) bytes") }
    }
    print("malformed inputs: ELF cut off: \(cases) cases")
    #expect(cases >= 420)
  }

  @Test("every bit of the constants that tell the version: what does not fit is no answer, and the SVN decides")
  func constants() throws {
    var forge = try ImageForge(version: ModuleVersion(1, 5, 77))
    forge.pages = 1
    let (sigstruct, intact) = try forge.forge()
    #expect(ModuleProgram.identify(sigstruct: sigstruct, image: intact).version == ModuleVersion(1, 5, 77))
    // The block: found as the reference says, by the decimal date.
    var date: UInt64 = 0
    for nibble in (0..<8).reversed() {
      date = date * 10 + UInt64(sigstruct.bytes[20 + nibble / 2] >> UInt8(nibble % 2 * 4) & 0xF)
    }
    let place = try #require(
      stride(from: 16, to: 4040, by: 8).first {
        Self.number(intact, UInt64($0), 8) == date && Self.number(intact, UInt64($0) + 16, 8) == 1
      })
    let block = place - 16
    var cases = 0
    for bit in 0..<(56 * 8) {
      // An update of more than 16 bits is none; the reference does not speak of it.
      if (48 * 8 + 16..<56 * 8).contains(bit) { continue }
      var image = intact
      image[block + bit / 8] ^= 1 << UInt8(bit % 8)
      func word(_ index: Int) -> UInt64 { Self.number(image, UInt64(block + 8 * index), 8) ?? 0 }
      let isBlock = word(2) == date && word(3) & 0xFF == UInt64(sigstruct.bytes[948]) && word(4) == 1 && word(5) == 5
      let program = ModuleProgram.identify(sigstruct: sigstruct, image: image)
      let expected: (ModuleVersion, ModuleProgram.VersionSource) =
        isBlock
        ? (ModuleVersion(1, 5, UInt16(truncatingIfNeeded: word(6))), .constantBlock)
        : (program.version, program.versionSource)
      cases += 1
      if program.version != expected.0 || program.versionSource != expected.1
        || (!isBlock && program.versionSource == .constantBlock)
      {
        Issue.record("bit \(bit % 64) of word \(bit / 64): \(program.version) by \(program.versionSource)")
        return
      }
    }
    print("malformed inputs: version constants: \(cases) cases")
    #expect(cases >= 400)
  }
}
