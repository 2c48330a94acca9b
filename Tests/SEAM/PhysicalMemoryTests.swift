import Basics
import SEAM
import Testing

@Suite("Physical memory", .timeLimit(.minutes(20)))
struct PhysicalMemoryTests {
  private let seam: Range<UInt64> = 0x10_0000..<0x20_0000

  @Test("what was never written reads as zeros")
  func unwritten() {
    let memory = PhysicalMemory(seamRange: seam)
    #expect(memory.read(0xFFF, count: 4) == [0, 0, 0, 0])
    #expect(memory.read(0x1000, count: -1) == [])
    #expect(memory.page(at: 0x1000) == nil)
    #expect(memory.residentPages == 0)
  }

  @Test("a write may cross pages, the border of the SEAM range too")
  func crossing() {
    var memory = PhysicalMemory(seamRange: seam)
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    memory.write(bytes, at: 0x10_0000 - 1000, keyID: 3)
    #expect(memory.read(0x10_0000 - 1001, count: 10_002) == [0] + bytes + [0])
    #expect(memory.residentPages == 4)
    #expect(memory.page(at: 0x10_0000)?.keyID == 3)
    memory.write([9], at: 0x10_0000)
    #expect(memory.page(at: 0x10_0000)?.keyID == 0)
    #expect(memory.read(0x10_0000, count: 2) == [9, bytes[1001]])
  }

  @Test("a copied page is another page")
  func copies() {
    var memory = PhysicalMemory(seamRange: seam)
    memory.write([1, 2, 3], at: 0x2000)
    memory.copyPage(from: 0x2FFF, to: 0x10_0800)
    memory.write([9], at: 0x2001)
    #expect(memory.read(0x10_0000, count: 3) == [1, 2, 3])
    memory.copyPage(from: 0x5000, to: 0x10_0000)
    #expect(memory.page(at: 0x10_0000) == nil)
  }

  @Test("a copy of the memory is a snapshot")
  func snapshot() {
    var memory = PhysicalMemory(seamRange: seam)
    memory.write([1], at: 0x2000)
    let before = memory
    memory.write([2], at: 0x2000)
    #expect(before.read(0x2000, count: 1) == [1])
    #expect(memory.read(0x2000, count: 1) == [2])
  }

  @Test("a page that is changed in place is a page like all others, whichever was changed in place before")
  func changedInPlace() throws {
    var memory = PhysicalMemory(seamRange: seam)
    memory.write([1, 2, 3], at: 0x2000)
    let pages: [UInt64] = [0x2000, 0x3000, 0x10_0000, 0x2000]
    for (index, address) in pages.enumerated() {
      memory.changePage(at: address + 16, keyID: 5) { $0[17] = UInt8(index + 1) }
      let words = memory.words(at: address + 16)
      #expect(words.low == UInt64(index + 1) << 8)
      #expect(memory.page(at: address)?.keyID == 5)
    }
    #expect(memory.residentPages == 3)
    #expect(memory.read(0x2000, count: 18) == [1, 2, 3] + [UInt8](repeating: 0, count: 14) + [4])
    let (other, absent) = (memory.words(at: 0x3010), memory.words(at: 0x4010))
    #expect(other.low == 2 << 8 && absent.low == 0)

    let before = memory
    memory.changePage(at: 0x2000) { $0[0] = 9 }
    memory.write([8], at: 0x2001)
    memory.copyPage(from: 0x2000, to: 0x3000)
    #expect(memory.read(0x3000, count: 3) == [9, 8, 3])
    #expect(before.read(0x2000, count: 3) == [1, 2, 3])
    #expect(before.page(at: 0x2000)?.keyID == 5)

    let restored = try Archive.decode(PhysicalMemory.self, from: try Archive.encode(memory))
    #expect(restored.read(0x2000, count: 3) == [9, 8, 3])
    #expect(restored.residentPages == 3)

    memory.setPage(nil, at: 0x2000)
    #expect(memory.page(at: 0x2000) == nil)
    #expect(memory.residentPages == 2)
    memory.changePage(at: 0x2000) { $0[1] = 7 }
    #expect(memory.read(0x2000, count: 3) == [0, 7, 0])
  }

  @Test("clearing the SEAM range keeps the kept pages, what lies beyond, and the host's memory")
  func clearing() {
    var memory = PhysicalMemory(seamRange: seam)
    for address in [0x2000, 0x10_0000, 0x10_3000, 0x10_4000, 0x1F_0000] as [UInt64] { memory.write([7], at: address) }
    memory.clearSEAM(from: 0x10_0000, to: 0x1F_0000, keeping: 0x10_3000..<0x10_3001)
    #expect(memory.read(0x2000, count: 1) == [7])
    #expect(memory.read(0x10_0000, count: 1) == [0])
    #expect(memory.read(0x10_3000, count: 1) == [7])
    #expect(memory.read(0x10_4000, count: 1) == [0])
    #expect(memory.read(0x1F_0000, count: 1) == [7])
    memory.clearSEAM(from: 0x1F_0001, to: 0)
    #expect(memory.read(0x1F_0000, count: 1) == [7])
  }

  @Test("a page always has 4096 bytes")
  func pageSize() {
    #expect(PhysicalMemory.Page(bytes: [1]).bytes.count == 4096)
    #expect(PhysicalMemory.Page(bytes: [UInt8](repeating: 1, count: 5000)).bytes.count == 4096)
  }
}
