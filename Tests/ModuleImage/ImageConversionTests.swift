import Basics
import ModuleImage
import Testing

/// kernel-abi.md 4.1 and 4.2: the two headers, built by hand.
@Suite("An image gets the other header", .timeLimit(.minutes(20)))
struct ImageConversionTests {
  private func forge() throws -> ImageForge {
    var forge = try ImageForge(version: ModuleVersion(1, 5, 24))
    forge.pages = 4
    return forge
  }

  private func error(_ bytes: [UInt8], to format: ModuleImageFile.Format) -> ImageConversionError? {
    do {
      _ = try ImageConversion(bytes, to: format)
      return nil
    } catch {
      return error
    }
  }

  /// A 0x100 file of a sigstruct area of `sigstructPages` and `moduleBytes` of module.
  private func blob(sigstructPages: Int = 1, moduleBytes: Int) throws -> [UInt8] {
    let (sigstruct, module) = try forge().forge()
    var bytes = ModuleImageFile.bytes(format: .blob, sigstruct: sigstruct, module: [])
    bytes += [UInt8](repeating: 0, count: (sigstructPages - 1) * 4096)
    bytes.replaceSubrange(4..<8, with: UInt32(bytes.count).littleEndianBytes)
    let cycle = (0..<moduleBytes).map { module[$0 % module.count] }
    bytes += cycle
    bytes.replaceSubrange(16..<20, with: UInt32(bytes.count).littleEndianBytes)
    return withRightChecksum(bytes)
  }

  private func withRightChecksum(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    bytes[2] = 0
    bytes[3] = 0
    bytes.replaceSubrange(2..<4, with: (0 &- ImageChecksum.wordSum(bytes)).littleEndianBytes)
    return bytes
  }

  @Test("The 0x200 header, byte by byte; all else is as it was; and back again to the last bit")
  func both() throws {
    let blob = try forge().file(format: .blob)
    let image = try ImageConversion(blob, to: .image)
    #expect(image.notes == [])
    #expect(image.bytes[0..<2].elementsEqual([0x00, 0x02]))
    #expect(image.bytes[4..<12].elementsEqual("TDX-BLOB".utf8))
    #expect(image.bytes[12..<20].elementsEqual([1, 0, 0, 0, 4, 0, 0, 0]))
    #expect(image.bytes[20..<4096].allSatisfy { $0 == 0 })
    #expect(image.bytes[4096...] == blob[4096...])
    #expect(ImageChecksum.wordSum(image.bytes) == 0)
    #expect(image.bytes == (try forge().file(format: .image)))
    #expect(try ImageConversion(image.bytes, to: .blob).bytes == blob)
  }

  @Test("A module that is no whole pages has no 0x200 header")
  func partialPage() throws {
    let bytes = try blob(moduleBytes: 3 * 4096 + 10)
    #expect(error(bytes, to: .image) == .partialPage(moduleBytes: 3 * 4096 + 10))
    #expect(try ImageConversion(bytes, to: .blob).bytes == bytes)
  }

  @Test("Two pages of sigstruct: 0x100 has room for them, the readers of 0x200 have not")
  func sigstructPages() throws {
    let bytes = try blob(sigstructPages: 2, moduleBytes: 2 * 4096)
    #expect(error(bytes, to: .image) == .severalSigstructPages(2))
    var image = [UInt8](repeating: 0, count: 4096) + bytes[4096...]
    image.replaceSubrange(0..<2, with: [0x00, 0x02])
    image.replaceSubrange(4..<20, with: Array("TDX-BLOB".utf8) + [2, 0, 0, 0, 2, 0, 0, 0])
    #expect(try ImageConversion(withRightChecksum(image), to: .blob).bytes == bytes)
  }

  @Test("The limit of 496 pages is the kernels', not the formats': a longer module is converted with a note")
  func tooManyPages() throws {
    let bytes = try blob(moduleBytes: 497 * 4096)
    let image = try ImageConversion(bytes, to: .image)
    #expect(image.notes.count == 1)
    #expect(image.notes.first?.contains("497") == true)
    #expect(image.bytes[16..<20].elementsEqual([0xF1, 0x01, 0, 0]))
    #expect(try ImageConversion(image.bytes, to: .blob).bytes == bytes)
  }

  @Test("Bytes beyond the length that the header tells are not guessed about, in either format")
  func trailingBytes() throws {
    for format in ModuleImageFile.Format.allCases {
      let bytes = try forge().file(format: format)
      let expected = ImageConversionError.sizeDiffers(declared: 6 * 4096, found: 6 * 4096 + 2)
      for target in ModuleImageFile.Format.allCases { #expect(error(bytes + [0, 0], to: target) == expected) }
    }
  }

  @Test("A wrong checksum is made right, and said; a reserved byte is kept, and said")
  func notes() throws {
    var bytes = try forge().file(format: .blob)
    bytes[100] = 7
    let image = try ImageConversion(bytes, to: .image)
    #expect(image.notes.count == 2)
    #expect(image.bytes[100] == 7)
    #expect(ImageChecksum.wordSum(image.bytes) == 0)
  }

  @Test("What is no image is refused in the words of the reader")
  func noImage() {
    #expect(error([], to: .image) == .notReadable(.notAnImage(.empty)))
    #expect(error([UInt8](repeating: 0x20, count: 9000), to: .blob) == .notReadable(.notAnImage(.unknown)))
  }

  @Test(
    "Intel's images make the way there and back to the last bit, and are genuine on the way",
    .enabled(if: IntelBinaries.isAvailable, "TDXFS_INTEL_BINARIES is not set"), arguments: GoldenImage.all)
  func genuine(golden: GoldenImage) throws {
    let blob = try IntelBinaries.blob(golden.version)
    let image = try ImageConversion(blob, to: .image).bytes
    let report = ImageReport(try ModuleImageFile(image))
    #expect(report.file.problems == [])
    #expect(report.file.modulePages == golden.pages)
    #expect(report.isHashRight)
    #expect(report.signature == .valid)
    #expect(report.signer?.name == "Intel")
    var conditions = ImageVerification.Conditions()
    conditions.trusted = TrustedSigners([.intel])
    #expect(ImageVerification(report.file, conditions: conditions).isPassed)
    #expect(try ImageConversion(image, to: .blob).bytes == blob)
  }
}
