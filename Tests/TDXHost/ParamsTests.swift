import Basics
import Testing

@testable import TDXHost

@Suite("SEAMLDR_PARAMS", .timeLimit(.minutes(20)))
struct ParamsTests {
  /// The params page and the pages behind it, as INSTALL on `lp` finds them.
  private func params(_ profile: ABIProfile, _ image: [UInt8]) throws -> (ByteReader, FakeFirmware) {
    let firmware = FakeFirmware()
    var host = bootedHost(profile, firmware)
    _ = update(&host, firmware, image: image)
    let installs = firmware.calls.filter { $0.leaf == "SEAMLDR.INSTALL" }.map(\.registers.rcx)
    let address = try #require(installs.first)
    #expect(Set(installs).count == 1)
    #expect(address % 4096 == 0)
    return (ByteReader(firmware.readPhysical(address, count: 4096)), firmware)
  }

  @Test("v8: version 0, update scenario, addresses of pages that hold the image")
  func plain() throws {
    let image = blob(modulePages: 3)
    let (page, firmware) = try params(.v8, image)
    func word(_ offset: Int) throws -> UInt64 { try page.integer(at: offset) }
    #expect(try page.integer(at: 0, as: UInt32.self) == 0)
    #expect(try page.integer(at: 4, as: UInt32.self) == 1)
    #expect(try word(120) == 3)
    #expect(try firmware.readPhysical(word(8), count: 4096) == Array(image[4096..<8192]))
    for index in 0..<3 {
      let start = 8192 + 4096 * index
      #expect(try firmware.readPhysical(word(128 + 8 * index), count: 4096) == Array(image[start..<(start + 4096)]))
    }
    let used = Set([0, 4, 8, 120, 128, 136, 144].flatMap { $0..<($0 + 8) })
    #expect(page.bytes.enumerated().allSatisfy { used.contains($0.offset) || $0.element == 0 })
  }

  @Test("v8: several sigstruct pages make it version 1")
  func severalSigstructPages() throws {
    let (page, firmware) = try params(.v8, blob(sigstructPages: 3, modulePages: 1))
    #expect(try page.integer(at: 0, as: UInt32.self) == 1)
    for index in 0..<3 {
      let address: UInt64 = try page.integer(at: 8 + 8 * index)
      #expect(firmware.readPhysical(address, count: 1) == [UInt8(1 + index)])
    }
    #expect(try page.integer(at: 32, as: UInt64.self) == 0)
    #expect(try page.integer(at: 120, as: UInt64.self) == 1)
  }

  @Test("v8: more than 4 and 496 pages are clamped in silence")
  func clamped() throws {
    let (page, _) = try params(.v8, blob(sigstructPages: 6, modulePages: 500))
    #expect(try page.integer(at: 32, as: UInt64.self) != 0)
    #expect(try page.integer(at: 40, as: UInt64.self) == 0)
    #expect(try page.integer(at: 120, as: UInt64.self) == 496)
    #expect(try page.integer(at: 4088, as: UInt64.self) != 0)
  }

  @Test("v8: a trailing partial page is dropped, so a short module has no pages", arguments: [1, 4095])
  func partial(tail: Int) throws {
    let (page, _) = try params(.v8, blob(modulePages: 0, tail: tail))
    #expect(try page.integer(at: 120, as: UInt64.self) == 0)
    let (other, _) = try params(.v8, blob(modulePages: 2, tail: tail))
    #expect(try other.integer(at: 120, as: UInt64.self) == 2)
  }

  @Test("merged: version 0, one sigstruct page")
  func merged() throws {
    let (page, firmware) = try params(.merged, imageV2(modulePages: 2))
    #expect(try page.integer(at: 0, as: UInt64.self) == 1 << 32)
    #expect(try page.integer(at: 16, as: UInt64.self) == 0)
    #expect(try page.integer(at: 120, as: UInt64.self) == 2)
    let last: UInt64 = try page.integer(at: 136)
    #expect(firmware.readPhysical(last, count: 1) == [3])
  }

  @Test("the same pages serve every update")
  func reuse() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    let image = blob(modulePages: 20)
    _ = update(&host, firmware, image: image)
    let resident = firmware.memory.count
    let inUse = host.pages.pagesInUse
    for _ in 0..<50 { #expect(update(&host, firmware, image: image).errno == nil) }
    #expect(firmware.memory.count == resident)
    #expect(host.pages.pagesInUse == inUse)
  }

  @Test("without memory the update ends before anything is touched")
  func noMemory() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    while host.pages.allocate() != nil {}
    let record = update(&host, firmware)
    #expect(record.errno == .noMemory)
    #expect(record.stage == .preflight(.allocation))
    #expect(firmware.calls.isEmpty)
    #expect(ABIProfile.v8.uploadError(for: record.errno) == .firmwareInvalid)
  }
}
