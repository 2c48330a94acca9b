import Basics
import ModuleImage
import Testing

@Suite("The ELF file in an image", .timeLimit(.minutes(20)))
struct ModuleELFTests {
  private func forged() throws -> [UInt8] {
    var forge = try ImageForge(version: ModuleVersion(2, 0, 14))
    forge.pages = 2
    return try forge.forge().module
  }

  private func isRefused(_ image: [UInt8]) -> Bool {
    do {
      try ModuleELF.relocations(of: image)
      return false
    } catch {
      return error.rule == .relocation
    }
  }

  @Test("A forged image has relocations that stay within it")
  func forgedRelocations() throws {
    let relocations = try ModuleELF.relocations(of: try forged())
    #expect(relocations.map(\.offset) == [0x180, 0x188, 0x190, 0x198])
    #expect(relocations.allSatisfy { $0.addend < 8192 })
  }

  @Test("Broken in one place: header, type, target, addend, sections, entry size")
  func broken() throws {
    let intact = try forged()
    #expect(!isRefused(intact))
    let changes: [(Int, [UInt8])] = [
      (0, [0]), (4, [1]), (5, [2]), (6, [0]),
      (0x100, UInt64(8185).littleEndianBytes), (0x108, UInt64(9).littleEndianBytes),
      (0x108, UInt64(1 << 32 | 8).littleEndianBytes), (0x110, UInt64(8192).littleEndianBytes),
      (40, UInt64(8192 - 127).littleEndianBytes), (40, UInt64.max.littleEndianBytes), (60, [0xFF, 0xFF]),
      (0x40 + 64 + 56, UInt64(0).littleEndianBytes), (0x40 + 64 + 24, UInt64.max.littleEndianBytes),
      (0x40 + 64 + 32, UInt64.max.littleEndianBytes),
    ]
    for (offset, bytes) in changes {
      var image = intact
      image.store(bytes, at: offset)
      #expect(isRefused(image), "\(bytes) at \(offset)")
    }
    var last = intact
    last.store(UInt64(8184), at: 0x100)
    last.store(UInt64(8191), at: 0x110)
    #expect(!isRefused(last))
    #expect(isRefused([]))
    #expect(isRefused(Array(intact.prefix(63))))
  }
}
