import Basics
import SystemPackage
import TDXHost
import Testing

@testable import Platform

#if canImport(Glibc)
  import Glibc
#endif

@Suite("A TD that is built from a firmware image", .timeLimit(.minutes(20)))
struct TDImageTests {
  /// What MRTD has to be, told plainly: section by section, page by page.
  func plainMRTD(of bytes: [UInt8]) throws -> String {
    var mrtd = PlainMRTD()
    for section in try TDVFImage(bytes).sections where !section.attributes.contains(.augmented) {
      for page in 0..<section.pageCount {
        let gpa = section.address + UInt64(page) * 4096
        guard section.attributes.contains(.measured) else {
          mrtd.add(gpa)
          continue
        }
        let data = bytes[section.dataOffset..<(section.dataOffset + section.dataSize)]
        var content = Array(data.dropFirst(page * 4096).prefix(4096))
        content += [UInt8](repeating: 0, count: 4096 - content.count)
        mrtd.addMeasured(gpa, content)
      }
    }
    return mrtd.digest
  }

  /// Hands the image over in pieces, as a client does, builds the TD, and gives its MRTD.
  func mrtd(of bytes: [UInt8], pagesPerStep: Int) throws -> String? {
    let bench = try Bench()
    let td = try BenchTD(on: bench.machine)
    for offset in stride(from: 0, to: bytes.count, by: 8192) {
      try bench.machine.writeTDImage(td.reference, Array(bytes[offset...].prefix(8192)), at: Int64(offset))
    }
    try td.step("vcpu")
    var rounds = 0
    while !(try td.step("image pages=\(pagesPerStep)")).hasSuffix("done=1") {
      rounds += 1
      try #require(rounds < 100_000)
    }
    try td.step("finalize", "enter")
    return try td.measurement(.mrtd)
  }

  @Test(
    "its MRTD is what a plain telling makes of the sections, however many pages a step adds", arguments: [1, 5, 1000])
  func synthetic(pagesPerStep: Int) throws {
    let bytes = FirmwareImage.small.bytes
    #expect(try mrtd(of: bytes, pagesPerStep: pagesPerStep) == plainMRTD(of: bytes))
  }

  @Test("one changed byte of a measured section changes it, one of another does not")
  func changes() throws {
    let bytes = FirmwareImage.small.bytes
    let right = try mrtd(of: bytes, pagesPerStep: 1000)
    for (offset, isMeasured) in [(0, true), (0x37FF, true), (0x3800, false)] {
      var changed = bytes
      changed[offset] ^= 1
      #expect((try mrtd(of: changed, pagesPerStep: 1000) == right) != isMeasured)
    }
  }

  /// `TDXFS_TDVF` names an OVMF build with TDX metadata.
  static let firmware: String? = getenv("TDXFS_TDVF").flatMap { $0.pointee == 0 ? nil : String(cString: $0) }

  @Test(
    "a real TD firmware", .enabled(if: firmware != nil, "TDXFS_TDVF names no TD firmware image"))
  func real() throws {
    let path = try #require(Self.firmware)
    let file = try FileDescriptor.open(FilePath(path), .readOnly)
    defer { try? file.close() }
    var bytes = [UInt8](repeating: 0, count: Int(try file.seek(offset: 0, from: .end)))
    _ = try file.seek(offset: 0, from: .start)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0) }
    try #require(count == bytes.count)
    #expect(try mrtd(of: bytes, pagesPerStep: 4096) == plainMRTD(of: bytes))
  }

  @Test("an image that is none is refused, and one that is too large too; the TD is as it was")
  func refused() throws {
    let bench = try Bench()
    let td = try BenchTD(on: bench.machine)
    try bench.machine.writeTDImage(td.reference, [UInt8](repeating: 1, count: 5000), at: 0)
    #expect(td.refusal(of: "image")?.reason.contains("no table of GUIDs at its end") == true)
    let error = #expect(throws: ControlError.self) { try bench.machine.writeTDImage(td.reference, [1], at: 64 << 20) }
    #expect(error?.errno == .fileTooLarge)
    var large = FirmwareImage.small
    large.sections[3].memorySize = 1 << 50
    try bench.machine.writeTDImage(td.reference, large.bytes, at: 0)
    #expect(td.refusal(of: "image")?.errno == .noMemory)
    #expect(td.isAlive)
    #expect(try td.state("pages") == "0")
  }

  @Test("once the build has begun the image stays as it is")
  func fixed() throws {
    let bench = try Bench()
    let td = try BenchTD(on: bench.machine)
    try bench.machine.writeTDImage(td.reference, FirmwareImage.small.bytes, at: 0)
    #expect(try td.state("image_pages") == "0/13")
    #expect(try td.step("image pages=3") == "pages=3/13 done=0")
    let error = #expect(throws: ControlError.self) { try bench.machine.writeTDImage(td.reference, [1], at: 0) }
    #expect(error?.errno == .resourceBusy)
    #expect(try td.state("image_pages") == "3/13")
  }
}
