import Basics
import SystemPackage
import Testing

@testable import TDXHost

/// The order of kernel-abi.md 4.3: of two mistakes, the earlier in the list decides. A row is the list of a kernel as letters;
/// every pair of its letters is tried.
@Suite("Which of two mistakes is found, kernel-abi.md 4.3", .timeLimit(.minutes(20)))
struct PreflightOrderTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var order: String
    var testDescription: String { name }
  }

  /// U no remaining updates, V version, R reserved, L length, S signature, C checksum, M a module of 497 pages,
  /// O an offline CPU.
  static let rows = [
    Row(name: "v1", order: "ULSCM"), Row(name: "v2", order: "UVRLSCMO"), Row(name: "v3", order: "UVRLSCMO"),
    Row(name: "v4", order: "UVRLSMO"), Row(name: "v5", order: "VLM"), Row(name: "v6", order: "VLM"),
    Row(name: "v7", order: "VRLSM"), Row(name: "v8", order: "SVR"), Row(name: "selector", order: "SVR"),
  ]

  static let lines: [String: [Character: String]] = [
    "v1": ["S": "seamldr: invalid signature", "C": "seamldr: invalid checksum"],
    "v2": [
      "V": "seamldr: unsupported blob version: 512", "R": "seamldr: non-zero reserved fields",
      "S": "seamldr: invalid signature", "C": "seamldr: invalid checksum",
      "O": "seamldr: Cannot update TDX module if any CPU is offline",
    ],
    "v3": [
      "V": "seamldr: unsupported blob version: 200", "R": "seamldr: non-zero reserved fields",
      "S": "seamldr: invalid signature", "C": "seamldr: invalid checksum",
      "O": "seamldr: Cannot update TDX module if any CPU is offline",
    ],
    "v4": [
      "V": "seamldr: unsupported blob version: 200", "R": "seamldr: non-zero reserved fields",
      "S": "seamldr: invalid signature", "O": "seamldr: Cannot update the TDX Module if any CPU is offline",
    ],
    "v5": ["V": "seamldr: unsupported blob version: 200"], "v6": ["V": "seamldr: unsupported blob version: 200"],
  ]

  static let errnos: [Character: Errno] = ["U": .noSpace, "O": .resourceBusy]

  /// What an update with these mistakes ends with: errno and lines.
  private func outcome(_ name: String, _ mistakes: String) throws -> (errno: Errno?, lines: [String]) {
    let profile = try #require(ABIProfile.named(name))
    let firmware = FakeFirmware()
    var host = bootedHost(profile, firmware)
    var image = blob(modulePages: mistakes.contains("M") ? 497 : 2)
    for mistake in mistakes {
      switch mistake {
      case "U":
        firmware.remainingUpdates = 0
        host.cachedInfo?.numRemainingUpdates = 0
      case "V": image.store(UInt16(0x200), at: 0)
      case "R": image[100] = 1
      case "L": image.store(UInt32(77), at: 16)
      case "S": image[8] = 0
      case "O": try host.takeOffline(1, door: firmware)
      case _: break
      }
    }
    image = sealed(image)
    if mistakes.contains("C") { image[2] ^= 1 }
    return (update(&host, firmware, image: image).errno, host.lines)
  }

  @Test("each kernel looks in its own order", arguments: rows)
  func order(row: Row) throws {
    let letters = Array(row.order)
    for (index, first) in letters.enumerated() {
      for second in letters[index...] {
        let (errno, lines) = try outcome(row.name, String([first, second]))
        #expect(errno == Self.errnos[first] ?? .invalidArgument, "\(first) and \(second)")
        #expect(lines == (Self.lines[row.name]?[first].map { [$0] } ?? []), "\(first) and \(second)")
      }
    }
  }

  @Test("what is not in a kernel's list is not looked at", arguments: rows)
  func ignored(row: Row) throws {
    for mistake in "UVRLSCO" where !row.order.contains(mistake) {
      let (errno, _) = try outcome(row.name, String(mistake))
      #expect(errno == nil, "\(mistake)")
    }
    #expect(try outcome(row.name, "").errno == nil)
  }

  @Test("v9 clamps what v10 refuses, and announces it to the P-SEAMLDR all the same")
  func clamped() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v9, firmware)
    #expect(update(&host, firmware, image: imageV2(sigstructPages: 2, modulePages: 497)).errno == nil)
    let address = try #require(firmware.calls.first { $0.leaf == "SEAMLDR.INSTALL" }).registers.rcx
    let page = ByteReader(firmware.readPhysical(address, count: 4096))
    #expect(try page.integer(at: 120, as: UInt64.self) == 497)
    #expect(try page.integer(at: 16, as: UInt64.self) == 0)
    #expect(try page.integer(at: 4088, as: UInt64.self) != 0)
    var later = bootedHost(.v10, firmware)
    #expect(update(&later, firmware, image: imageV2(modulePages: 497)).errno == .invalidArgument)
  }

  @Test("v1 rounds the module up to a page")
  func rounded() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v1, firmware)
    #expect(update(&host, firmware, image: sealed(blob(modulePages: 2, tail: 100))).errno == nil)
    let address = try #require(firmware.calls.first { $0.leaf == "SEAMLDR.INSTALL" }).registers.rcx
    let page = ByteReader(firmware.readPhysical(address, count: 4096))
    #expect(try page.integer(at: 120, as: UInt64.self) == 3)
    #expect(try page.integer(at: 144, as: UInt64.self) % 4096 == 0)
  }

  @Test("v5 and v6 hand an unaligned module on, at its unaligned address", arguments: ["v5", "v6"])
  func unaligned(name: String) throws {
    let firmware = FakeFirmware()
    var host = bootedHost(try #require(ABIProfile.named(name)), firmware)
    var image = blob(modulePages: 3)
    image.store(UInt32(8193), at: 4)
    #expect(update(&host, firmware, image: image).errno == nil)
    let address = try #require(firmware.calls.first { $0.leaf == "SEAMLDR.INSTALL" }).registers.rcx
    let page = ByteReader(firmware.readPhysical(address, count: 4096))
    #expect(try page.integer(at: 0, as: UInt32.self) == 1)
    #expect(try page.integer(at: 128, as: UInt64.self) % 4096 == 1)
    #expect(try page.integer(at: 120, as: UInt64.self) == 2)
  }
}
