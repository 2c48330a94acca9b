import Basics
import Testing

@Suite("Untrusted bytes")
struct ByteReaderTests {
  @Test("are read little-endian")
  func integers() throws {
    let reader = ByteReader([0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08])
    #expect(try reader.integer(at: 0, as: UInt16.self) == 0x0201)
    #expect(try reader.integer(at: 4, as: UInt32.self) == 0x0807_0605)
    #expect(try reader.integer(at: 0, as: UInt64.self) == 0x0807_0605_0403_0201)
  }

  @Test("are never read beyond their end", arguments: [(7, 2), (8, 1), (-1, 1), (0, 9), (.max, 1), (1, .max), (0, -1)])
  func bounds(offset: Int, count: Int) {
    let reader = ByteReader([UInt8](repeating: 0, count: 8))
    #expect(throws: ByteReaderError.outOfBounds(offset: offset, count: count, available: 8)) {
      try reader.slice(at: offset, count: count)
    }
  }

  @Test("are stored only where there is room")
  func store() {
    var bytes = [UInt8](repeating: 0, count: 4)
    bytes.store(UInt16(0xBEEF), at: 1)
    bytes.store(UInt32(0xFFFF_FFFF), at: 1)
    bytes.store(UInt8(1), at: -1)
    #expect(bytes == [0, 0xEF, 0xBE, 0])
  }
}

@Suite("Hexadecimal digits")
struct HexadecimalTests {
  @Test("stand for bytes, both ways")
  func roundTrip() {
    let bytes: [UInt8] = [0x00, 0x9A, 0xFF]
    #expect(bytes.hexadecimal == "009aff")
    #expect([UInt8](hexadecimal: "009AfF") == bytes)
    #expect(UInt32(0xAB).paddedHexadecimal == "000000ab")
  }

  @Test("are refused when they are none", arguments: ["0", "0g", "zz", "0x"])
  func refused(text: String) { #expect([UInt8](hexadecimal: text) == nil) }
}

@Suite("A mistyped name")
struct SpellingTests {
  @Test("is met with the nearest known one")
  func nearest() {
    let known = ["abi", "layout", "cpu", "module", "updates"]
    #expect(Spelling.nearest(to: "modul", among: known) == "module")
    #expect(Spelling.nearest(to: "update", among: known) == "updates")
    #expect(Spelling.nearest(to: "zzzzzzz", among: known) == nil)
    #expect(Spelling.hint(for: "lay", among: ["layout"]) == "known are layout")
  }
}

@Suite("A seeded generator")
struct SeededGeneratorTests {
  /// The first numbers of SplitMix64 with seed 1234567, as its author publishes them.
  @Test("gives the sequence of its seed")
  func sequence() {
    var generator = SeededGenerator(seed: 1_234_567)
    #expect(generator.next() == 6_457_827_717_110_365_317)
    #expect(generator.next() == 3_203_168_211_198_807_973)
    #expect(generator.next() == 9_817_491_932_198_370_423)
  }
}
