import Basics
import ModuleImage
import Testing

@Suite("Image files", .timeLimit(.minutes(20)))
struct ModuleImageFileTests {
  private func forged(_ format: ModuleImageFile.Format, pages: Int = 4) throws -> [UInt8] {
    var forge = try ImageForge(version: ModuleVersion(1, 5, 24))
    forge.pages = pages
    return try forge.file(format: format)
  }

  private func error(_ bytes: [UInt8]) -> ModuleImageFileError? {
    do {
      _ = try ModuleImageFile(bytes)
      return nil
    } catch {
      return error
    }
  }

  @Test("The header of a 0x100 image, byte by byte")
  func blobHeader() throws {
    let bytes = try forged(.blob)
    #expect(bytes.count == 6 * 4096)
    #expect(bytes[0..<2].elementsEqual([0x00, 0x01]))
    #expect(bytes[4..<8].elementsEqual([0x00, 0x20, 0x00, 0x00]))
    #expect(bytes[8..<16].elementsEqual("TDX-BLOB".utf8))
    #expect(bytes[16..<20].elementsEqual([0x00, 0x60, 0x00, 0x00]))
    #expect(bytes[20..<4096].allSatisfy { $0 == 0 })
    #expect(bytes[(4096 + 2048)..<8192].allSatisfy { $0 == 0 })
    #expect(wordSum(bytes) == 0)
  }

  @Test("The header of a 0x200 image, byte by byte")
  func imageHeader() throws {
    let bytes = try forged(.image)
    #expect(bytes.count == 6 * 4096)
    #expect(bytes[0..<2].elementsEqual([0x00, 0x02]))
    #expect(bytes[4..<12].elementsEqual("TDX-BLOB".utf8))
    #expect(bytes[12..<20].elementsEqual([1, 0, 0, 0, 4, 0, 0, 0]))
    #expect(bytes[20..<4096].allSatisfy { $0 == 0 })
    #expect(wordSum(bytes) == 0)
  }

  /// The rule, written a second time: little-endian words add up modulo 65536.
  private func wordSum(_ bytes: [UInt8]) -> Int {
    var sum = 0
    for (index, byte) in bytes.enumerated() { sum += index.isMultiple(of: 2) ? Int(byte) : Int(byte) << 8 }
    return sum % 65536
  }

  @Test("The checksum counts an odd last byte, and nothing of nothing")
  func checksum() {
    #expect(ImageChecksum.wordSum([]) == 0)
    #expect(ImageChecksum.wordSum([5]) == 5)
    #expect(ImageChecksum.wordSum([0xFF, 0xFF, 0x02, 0x00, 0x10]) == 0x11)
  }

  @Test(
    "An image that is cut off at any page, or a byte beside one, is cut off", arguments: ModuleImageFile.Format.allCases
  )
  func truncated(format: ModuleImageFile.Format) throws {
    let bytes = try forged(format)
    for page in 0...6 {
      for length in [page * 4096 - 1, page * 4096, page * 4096 + 1] where (0..<bytes.count).contains(length) {
        let found = error(Array(bytes.prefix(length)))
        if length == 0 {
          #expect(found == .notAnImage(.empty))
        } else {
          #expect(found == .truncated(expected: bytes.count, found: length) || length == 1)
        }
      }
    }
    #expect(error(Array(bytes.prefix(15))) != nil)
    #expect(error(Array(bytes.prefix(1))) == .notAnImage(.unknown))
  }

  @Test("What is no image is told by its kind")
  func lookalikes() throws {
    let file = try ModuleImageFile(try forged(.blob))
    #expect(error([]) == .notAnImage(.empty))
    #expect(error(file.module) == .notAnImage(.bareModule))
    #expect(error(file.sigstruct.bytes) == .notAnImage(.bareSigstruct))
    #expect(error([UInt8](repeating: 0x41, count: 9000)) == .notAnImage(.unknown))
    var wrongVersion = try forged(.blob)
    wrongVersion[1] = 2
    #expect(error(wrongVersion) == .unknownVersion(0x200))
    wrongVersion[1] = 3
    #expect(error(wrongVersion) == .unknownVersion(0x300))
  }

  @Test("Impossible places are refused: module inside the header, off a page, at the end")
  func places() throws {
    var bytes = try forged(.blob)
    func with(offset: UInt32) -> ModuleImageFileError? {
      bytes.store(offset, at: 4)
      return error(bytes)
    }
    #expect(with(offset: 0) == .noSigstruct)
    #expect(with(offset: 4096) == .noSigstruct)
    #expect(with(offset: 8193) == .unalignedModule(offset: 8193))
    #expect(with(offset: UInt32(bytes.count)) == .noModule)
    #expect(with(offset: 0xFFFF_F000) == .truncated(expected: 0xFFFF_F000, found: bytes.count))
    #expect(with(offset: 12288) == nil)
    var image = try forged(.image)
    image.store(UInt32.max, at: 12)
    #expect(error(image) == .truncated(expected: 4096 * (1 + 0xFFFF_FFFF + 4), found: image.count))
    image.store(UInt32(0), at: 12)
    #expect(error(image) == .noSigstruct)
    image.store(UInt32(1), at: 12)
    image.store(UInt32(0), at: 16)
    #expect(error(image) == .noModule)
  }

  @Test("What can be read but is not intact is listed")
  func problems() throws {
    let intact = try forged(.blob)
    #expect(try ModuleImageFile(intact).problems == [])
    var changed = intact
    changed[9000] ^= 1
    #expect(try ModuleImageFile(changed).problems.count == 1)
    #expect(try ModuleImageFile(changed).problems.first?.hasPrefix("the checksum is wrong") == true)
    changed = intact
    changed[100] = 1
    changed[102] = 0xFF
    changed[103] = 0xFF
    #expect(try ModuleImageFile(changed).problems == ["byte 100 of the header is not zero, and it is reserved"])
    #expect(
      try ModuleImageFile(intact + [0, 0]).problems
        == [
          "the file has 24578 bytes and its header says 24576", "the module has 16386 bytes, which are no whole pages",
        ])
    changed = intact
    changed[4096 + 2048] = 1
    changed[4096 + 2050] = 0xFF
    changed[4096 + 2051] = 0xFF
    #expect(
      try ModuleImageFile(changed).problems == ["byte 6144 lies in the padding after the sigstruct and is not zero"])
  }

  @Test("No bytes make the reader crash")
  func randomBytes() throws {
    var generator = SeededGenerator(seed: 11)
    let intact = [try forged(.blob), try forged(.image)]
    for round in 0..<400 {
      var bytes = intact[round % 2]
      for _ in 0..<3 {
        bytes[Int.random(in: 0..<24, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
      if let file = try? ModuleImageFile(bytes) { _ = ImageReport(file) }
    }
  }
}
