import Basics
import SystemPackage
import Testing

@testable import TDXHost

/// One way to spoil an image, and the check that finds it.
struct Spoiled: CustomTestStringConvertible, Sendable {
  var what: String
  var check: ImageCheck
  var image: [UInt8]
  var testDescription: String { what }

  init(_ what: String, _ check: ImageCheck, _ image: [UInt8], _ change: (inout [UInt8]) -> Void = { _ in }) {
    self.what = what
    self.check = check
    self.image = image
    change(&self.image)
  }
}

@Suite("Header checks, kernel-abi.md 4.3", .timeLimit(.minutes(20)))
struct ImageCheckTests {
  static let size = blob().count

  static let spoiledV8: [Spoiled] = [
    Spoiled("empty", .largerThan(4096), []),
    Spoiled("exactly a page", .largerThan(4096), Array(blob().prefix(4096))),
    Spoiled("signature, first byte", .signature(at: 8), blob()) { $0[8] = 0 },
    Spoiled("signature, last byte", .signature(at: 8), blob()) { $0[15] = 0x42 ^ 1 },
    Spoiled("offset is the size", .moduleOffsetInside, blob()) { $0.store(UInt32(Self.size), at: 4) },
    Spoiled("offset is 4 GiB - 1", .moduleOffsetInside, blob()) { $0.store(UInt32.max, at: 4) },
    Spoiled("offset is 4096", .moduleOffsetInside, blob()) { $0.store(UInt32(4096), at: 4) },
    Spoiled("offset is 0", .moduleOffsetInside, blob()) { $0.store(UInt32(0), at: 4) },
    Spoiled("offset is 4097", .moduleOffsetAligned, blob()) { $0.store(UInt32(4097), at: 4) },
    Spoiled("version 0x200", .version(0x100), blob()) { $0.store(UInt16(0x200), at: 0) },
    Spoiled("reserved0", .reserved(20..<4096), blob()) { $0[20] = 1 },
    Spoiled("first byte of reserved1", .reserved(20..<4096), blob()) { $0[24] = 1 },
    Spoiled("last byte of reserved1", .reserved(20..<4096), blob()) { $0[4095] = 0x80 },
    // The order: signature, offset, alignment, version, reserved.
    Spoiled("an image of the other format", .signature(at: 8), imageV2()),
    Spoiled("everything wrong but the size", .signature(at: 8), [UInt8](repeating: 0xFF, count: 8192)),
    Spoiled("offset and version", .moduleOffsetInside, blob()) {
      $0.store(UInt32(0), at: 4)
      $0[0] = 7
    },
    Spoiled("alignment and version", .moduleOffsetAligned, blob()) {
      $0.store(UInt32(8193), at: 4)
      $0[0] = 7
    },
    Spoiled("version and reserved", .version(0x100), blob()) {
      $0[0] = 7
      $0[100] = 1
    },
  ]

  static let spoiledMerged: [Spoiled] = [
    Spoiled("4095 bytes", .atLeast(4096), Array(imageV2().prefix(4095))),
    Spoiled("a page too many", .pageCountsMatchSize, imageV2() + [UInt8](repeating: 0, count: 4096)),
    Spoiled("a byte too few", .pageCountsMatchSize, Array(imageV2().dropLast())),
    Spoiled("version 0x100", .version(0x200), imageV2()) { $0.store(UInt16(0x100), at: 0) },
    Spoiled("two sigstruct pages", .pageCounts(sigstruct: 1, module: 496), imageV2(sigstructPages: 2)),
    Spoiled("497 module pages", .pageCounts(sigstruct: 1, module: 496), imageV2(modulePages: 497)),
    Spoiled("2^20 sigstruct pages wrap to none", .pageCounts(sigstruct: 1, module: 496), imageV2(sigstructPages: 0)) {
      $0.store(UInt32(1 << 20), at: 12)
    },
    Spoiled("signature", .signature(at: 4), imageV2()) { $0[4] = 0 },
    Spoiled("reserved, first", .reserved(20..<4096), imageV2()) { $0[20] = 1 },
    Spoiled("reserved, last", .reserved(20..<4096), imageV2()) { $0[4095] = 1 },
    Spoiled("size before version", .pageCountsMatchSize, blob()),
  ]

  static let spoiledV7: [Spoiled] = [
    Spoiled("offset beyond the end", .largerThanModuleOffset, blob()) { $0.store(UInt32.max, at: 4) },
    Spoiled("version before signature", .version(0x100), blob()) {
      $0[0] = 1
      $0[8] = 0
    },
    Spoiled("length", .lengthMatchesSize, blob()) { $0[16] = 1 },
    Spoiled("signature", .signature(at: 8), blob()) { $0[8] = 0 },
    Spoiled("no sigstruct", .moduleOffsetInside, blob()) { $0.store(UInt32(4096), at: 4) },
    Spoiled("five sigstruct pages", .partSizes(sigstruct: 16384, module: 2_031_616), blob(sigstructPages: 5)),
    Spoiled("497 module pages", .partSizes(sigstruct: 16384, module: 2_031_616), blob(modulePages: 497)),
    Spoiled("a byte too many", .partSizes(sigstruct: 16384, module: 2_031_616), blob(modulePages: 496, tail: 1)),
    Spoiled("alignment last", .wholePages, blob()) { $0.store(UInt32(8193), at: 4) },
  ]

  @Test("v8 refuses and touches nothing", arguments: spoiledV8)
  func v8(spoiled: Spoiled) { expectRefusal(.v8, spoiled) }

  @Test("merged refuses and touches nothing", arguments: spoiledMerged)
  func merged(spoiled: Spoiled) { expectRefusal(.merged, spoiled) }

  @Test("v7 refuses and touches nothing", arguments: spoiledV7)
  func v7(spoiled: Spoiled) { expectRefusal(.v7, spoiled) }

  private func expectRefusal(_ profile: ABIProfile, _ spoiled: Spoiled) {
    let firmware = FakeFirmware()
    var host = bootedHost(profile, firmware)
    let inUse = host.pages.pagesInUse
    let record = update(&host, firmware, image: spoiled.image)
    #expect(record.errno == .invalidArgument)
    #expect(record.stage == .preflight(.image(spoiled.check)))
    #expect(record.refusal?.isEmpty == false)
    #expect(!record.isTDXLost)
    #expect(firmware.calls.isEmpty)
    #expect(host.lines.isEmpty)
    #expect(host.pages.pagesInUse == inUse)
    #expect(!host.isHotplugLocked)
    #expect((try? host.version())?.update == 24)
  }

  @Test("the reason names what was found and what was expected")
  func sentences() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    func reason(_ change: (inout [UInt8]) -> Void) -> String? {
      var image = blob()
      change(&image)
      return update(&host, firmware, image: image).refusal
    }
    #expect(reason { $0 = [1, 2, 3] } == "the image has 3 bytes, more than 4096 are needed")
    #expect(
      reason { $0.store(Array("XDX-BLOB".utf8), at: 8) }
        == "the signature at 8 is \"XDX-BLOB\", \"TDX-BLOB\" is expected")
    #expect(
      reason { $0.store(UInt16(0x200), at: 0) } == "the header's version is 0x200, this kernel takes 0x100")
    #expect(reason { $0[77] = 1 } == "the reserved byte at 77 of the header is not zero")
  }

  @Test("v8 looks neither at length nor at checksum nor at the padding of the sigstruct")
  func ignored() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    var image = blob()
    image.store(UInt16(0xABCD), at: 2)
    image.store(UInt32(0), at: 16)
    image[4096 + 3000] = 0xFF
    #expect(update(&host, firmware, image: image).errno == nil)
  }

  @Test("a header alone passes the merged kernel's checks")
  func headerOnly() {
    let firmware = FakeFirmware()
    var host = bootedHost(.merged, firmware)
    var run = ModuleUpdate(image: imageV2(sigstructPages: 0, modulePages: 0), host: host)
    #expect(run.step(host: &host, door: firmware) == .running)
    #expect(firmware.transcript() == ["TDH.SYS.RD@0"])
  }
}
