import Basics
import TDXHost
import Testing

@Suite("The metadata of a TD firmware image", .timeLimit(.minutes(20)))
struct TDVFImageTests {
  @Test("the sections are found, in their order, whatever else the table holds")
  func sections() throws {
    for others in [(0, 0), (8, 3), (0, 100), (500, 0)] {
      var image = FirmwareImage.small
      image.otherEntries = others
      let metadata = try TDVFImage(image.bytes)
      #expect(metadata.sections.map(\.kind) == [.bfv, .cfv, .tdHOB, .tempMem, .permMem])
      #expect(metadata.sections.map(\.address) == [0xFFFF_C000, 0xFFFF_8000, 0x80_9000, 0x81_0000, 0x10_0000])
      #expect(metadata.sections.map(\.pageCount) == [4, 4, 2, 3, 65536])
      #expect(metadata.sections.map(\.dataOffset).prefix(2) == [0, 0x3800])
      #expect(metadata.sections[0].attributes == .measured)
      #expect(metadata.sections[4].attributes == .augmented)
      // What the guest accepts is not added.
      #expect(metadata.pagesToAdd == 13)
    }
  }

  typealias Change = @Sendable (inout FirmwareImage) -> Void

  static let changes: [(String, Change)] =
    [
      ("no table of GUIDs", { $0.hasTable = false }),
      ("no entry of TDX", { $0.hasTDXEntry = false }),
      ("is damaged", { $0.tableLength = 60 }),
      ("do not begin with TDVF", { $0.signature = Array("TDVG".utf8) }),
      ("of version 2", { $0.version = 2 }),
      ("0 sections", { $0.count = 0 }),
      ("6 sections", { $0.count = 6 }),
      ("4294967295 sections", { $0.count = .max }),
      ("lie outside", { $0.descriptorOffset = .max }), ("lie outside", { $0.descriptorOffset = 2 }),
      ("section 0 of its TDX metadata: its type 9", { $0.sections[0].type = 9 }),
      ("section 1 of its TDX metadata: its memory 0xffff8800", { $0.sections[1].address += 0x800 }),
      ("section 3 of its TDX metadata: its memory", { $0.sections[3].memorySize = 0 }),
      ("is not made of pages", { $0.sections[3].memorySize = 0x1001 }),
      (
        "is not made of pages",
        {
          $0.sections[3].address = ~0xFFF; $0.sections[3].memorySize = 0x2000
        }
      ),
      ("beyond the end", { $0.sections[0].dataOffset = 0xFFFF_0000 }),
      ("beyond the end", { $0.sections[0].dataSize = .max }),
      ("more bytes than memory", { $0.sections[0].memorySize = 0x1000 }),
      ("can't be measured", { $0.sections[4].attributes = 3 }),
      ("has no bytes in the image", { $0.sections[3].dataSize = 16 }),
    ]

  @Test("what is wrong with an image is told", arguments: changes)
  func refusals(reason: String, change: Change) {
    var image = FirmwareImage.small
    change(&image)
    let error = #expect(throws: TDVFError.self) { try TDVFImage(image.bytes) }
    #expect(error?.description.contains(reason) == true, "\(error.map { "\($0)" } ?? "-")")
  }

  @Test("no truncation and no changed byte does any harm")
  func damaged() {
    let bytes = FirmwareImage.small.bytes
    var taken = 0
    for length in stride(from: 0, to: bytes.count, by: 7) where (try? TDVFImage(Array(bytes.prefix(length)))) != nil {
      taken += 1
    }
    #expect(taken == 0)
    let tail = bytes.count - 400
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<20_000 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        damaged[Int.random(in: tail..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      _ = try? TDVFImage(damaged)
    }
  }
}
