import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TDH.SYS.RD and RDALL against tdx-module.md 5.2 to 5.4, written down here independently.
@Suite("Global metadata", .timeLimit(.minutes(20)))
struct MetadataTests {
  /// Id of the first element, elements in all, and the value of each (the last one counts for the rest).
  typealias Field = (id: UInt64, count: UInt64, values: [UInt64])

  /// 1.5.01 on 4 LPs of Sapphire Rapids with 16 GiB, TDH.SYS.UPDATE not done.
  private static let oldest: [Field] = [
    (0x0000_0002_0000_0000, 1, [1]), (0x0000_0002_0000_0001, 8, [0x806F8, 0]),
    (0x0800_0002_0000_0000, 1, [0x8086]), (0x8800_0002_0000_0001, 1, [20_231_008]), (0x8800_0001_0000_0002, 1, [595]),
    (0x0800_0001_0000_0003, 1, [5]), (0x0800_0001_0000_0004, 1, [1]), (0x0800_0001_0000_0005, 1, [1]),
    (0x0800_0001_0000_0006, 1, [0]),
    (0x8900_0001_0000_0000, 1, [0]), (0x8900_0001_0000_0001, 1, [0]), (0x8900_0000_0000_0002, 1, [0]),
    (0x8900_0001_0000_0003, 1, [13]), (0x8900_0000_0000_0004, 1, [0]), (0x8900_0001_0000_0005, 1, [0]),
    (0x8900_0002_0000_0006, 1, [0]),
    (0x0A00_0002_0000_0000, 1, [0]), (0x0A00_0000_0000_0001, 1, [1]), (0x0A00_0003_0000_0008, 1, [0xF0FBF]),
    (0x9000_0001_0000_0000, 1, [32]), (0x9000_0003_0000_0080, 32, [0]),
    (0x9000_0003_0000_0100, 32, [16 << 30, 0]),
    (0x9100_0001_0000_0008, 1, [64]), (0x9100_0001_0000_0009, 1, [16]), (0x9100_0001_0000_0010, 1, [16]),
    (0x9100_0001_0000_0011, 1, [16]), (0x9100_0001_0000_0012, 1, [16]),
    (0x9800_0001_0000_0000, 1, [4096]), (0x9800_0001_0000_0100, 1, [24576]), (0x9800_0001_0000_0101, 1, [4096]),
    (0x9800_0001_0000_0200, 1, [24576]), (0x9800_0001_0000_0201, 1, [12288]),
    (0x1900_0003_0000_0000, 1, [0x8000_0000_7000_0001]), (0x1900_0003_0000_0001, 1, [0]),
    (0x1900_0003_0000_0002, 1, [0x6DBE7]), (0x1900_0003_0000_0003, 1, [3]), (0x9900_0001_0000_0004, 1, [12]),
    (0x9900_0003_0000_0006, 1, [7]), (0x9900_0003_0000_0007, 1, [0]),
    (
      0x9900_0003_0000_0400, 32,
      [
        0xFFFF_FFFF_0000_0001, 0x0000_0000_0000_0004, 0x0000_0001_0000_0004, 0x0000_0002_0000_0004,
        0x0000_0003_0000_0004, 0x0000_0000_0000_0007, 0x0000_0001_0000_0007, 0xFFFF_FFFF_0000_000A,
        0xFFFF_FFFF_0000_001C, 0xFFFF_FFFF_8000_0008, 0x0000_0002_0000_0007, 0x0000_0000_0000_0023, .max,
      ]
    ),
    (
      0x9900_0003_0000_0500, 64,
      [0x00FF_0000_0FFF_3FFF, 0]
        + [0xFFFF_F000_FFFF_C3FF, 0xFFFF_FFFB_FFFF_FFFF, 0xFFFF_F000_FFFF_C3FF, 0xFFFF_FFFB_FFFF_FFFF]
        + [0xFFFF_F000_FFFF_C3FF, 0xFFFF_FFFB_FFFF_FFFF, 0xFFFF_F000_FFFF_C3FF, 0x0000_0007_FFFF_FFFF, 0]
    ),
    (0x9900_0003_0000_0600, 1, [0x0118_0010]), (0x9900_0001_0000_0800, 1, [1]), (0x9900_0001_0000_0801, 1, [0]),
    (0x9900_0003_0000_0810, 64, [0x806F8, 0]), (0x9900_0003_0000_0850, 64, [0]),
    (0xA000_0003_0000_0000, 1, [0]), (0x2000_0001_0000_0001, 1, [0]), (0x2000_0001_0000_0002, 1, [0]),
    (0x2000_0001_0000_0003, 1, [0]), (0x2000_0001_0000_0004, 1, [0]), (0xA000_0001_0000_0010, 1, [512]),
    (0xA000_0000_0000_0020, 1, [3]), (0xA000_0000_0000_0021, 1, [2]), (0xA000_0000_0000_0022, 1, [5]),
    (0xA100_0001_0000_0000, 1, [1]), (0xA100_0003_0000_0001, 1, [0x0000_07FF_0000_0001]),
    (0xA100_0003_0000_0002, 1, [0]),
    (0xA200_0001_0000_0000, 1, [0x807F]), (0xA200_0003_0000_0001, 1, [1]), (0xA200_0003_0000_0002, 1, [0]),
    (0xA200_0003_0000_0003, 1, [3]), (0xA200_0003_0000_0004, 1, [0]), (0xA200_0003_0000_0005, 1, [7]),
    (0xA200_0003_0000_0006, 1, [0]),
  ]

  /// Every element of `fields` in order.
  private static func elements(_ fields: [Field]) -> [(id: UInt64, value: UInt64)] {
    fields.flatMap { field in
      (0..<field.count).map { index in
        (field.id + index, field.values[min(Int(index), field.values.count - 1)])
      }
    }
  }

  /// Follows RDX from the first field to -1.
  private static func walk(_ bench: inout Bench) -> [(id: UInt64, value: UInt64)] {
    var found: [(id: UInt64, value: UInt64)] = []
    var id = bench.call(34, rdx: .max).rdx
    while id != .max, found.count < 2000 {
      let answer = bench.call(34, rdx: id)
      #expect(answer.rax == 0, "\(String(id, radix: 16))")
      found.append((id, answer.r8))
      id = answer.rdx
    }
    return found
  }

  private static func initialized(_ version: ModuleVersion, cpu: CPUModel = .spr) throws -> Bench {
    var bench = try Bench(version, cpu: cpu)
    bench.initializeLPs()
    return bench
  }

  @Test("1.5.01: every field, in order, by following the next id")
  func oldestModule() throws {
    var bench = try Self.initialized(.init(1, 5, 1))
    let found = Self.walk(&bench)
    let expected = Self.elements(Self.oldest)
    #expect(found.count == expected.count)
    for (one, other) in zip(found, expected) {
      #expect(one.id == other.id)
      #expect(one.value == other.value, "\(String(other.id, radix: 16))")
    }
  }

  @Test("The next-id chain of every release is complete, ascending and ends", arguments: releases)
  func chain(version: ModuleVersion) throws {
    var bench = try Self.initialized(version)
    let ids = Self.walk(&bench).map(\.id)
    #expect(Set(ids).isSuperset(of: Self.elements(Self.oldest).map(\.id)))
    let keys = ids.map { ($0 >> 56 & 0x3F) << 24 | $0 & 0xFF_FFFF }
    #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 })
  }

  /// What the kernel reads at boot, and what differs by release (tdx-module.md 4.3, 5.3, pseamldr.md 6.3, 7.3).
  @Test(
    "Values by release",
    arguments: [
      (.init(1, 5, 1), 0, 13, 0xF0FBF, 24576, 12, nil, 7),
      (.init(1, 5, 5), 0, 13, 0x1F_0FBF, 24576, 18, 576, 7),
      (.init(1, 5, 6), 0, 13, 0x2E1F_0FBF, 24576, 18, 576, 0xF),
      (.init(1, 5, 16), 0, 13, 0x2_26F3_F0FBF, 24576, 18, 576, 0x1F),
      (.init(1, 5, 24), 1, 13, 0xD132_6F3F_0FBF, 36864, 18, 576, 0x1F),
      (.init(1, 5, 28), 1, 13, 0x18_D132_6F3F_0FBF, 36864, 18, 576, 0x1F),
      (.init(1, 5, 34), 2, 13, 0x15A_D932_6F3F_1FBF, 36864, 18, 576, 0x1F),
      (.init(2, 0, 8), 0, 24, 0x1032_6F3F_0FBF, 24576, 18, 1376, 0x1F),
      (.init(2, 0, 14), 1, 24, 0xD132_6F3F_0FBF, 36864, 18, 1376, 0x1F),
      (.init(2, 0, 18), 2, 24, 0x15A_D932_6F3F_1FBF, 36864, 18, 1376, 0x1F),
    ] as [(ModuleVersion, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64?, UInt64)])
  func byRelease(
    version: ModuleVersion, hv: UInt64, pages: UInt64, features: UInt64, tdcs: UInt64, cpuids: UInt64,
    vcpus: UInt64?, flags: UInt64
  ) throws {
    var bench = try Self.initialized(version, cpu: version.major == 2 ? .gnr : .spr)
    #expect(bench.read(0x0800_0001_0000_0003) == UInt64(version.minor))
    #expect(bench.read(0x0800_0001_0000_0004) == UInt64(version.major))
    #expect(bench.read(0x0800_0001_0000_0005) == UInt64(version.update))
    #expect(bench.read(0x8900_0001_0000_0000) == hv)
    #expect(bench.read(0x8900_0001_0000_0001) == 0)
    #expect(bench.read(0x8900_0000_0000_0002) == (hv == 0 ? 0 : 1))
    #expect(bench.read(0x8900_0001_0000_0003) == pages)
    #expect(bench.read(0x0A00_0003_0000_0008) == features)
    #expect(bench.read(0x9800_0001_0000_0100) == tdcs)
    #expect(bench.read(0x9900_0001_0000_0004) == cpuids)
    #expect(bench.read(0x9900_0001_0000_0008) == vcpus)
    #expect(bench.read(0x9900_0003_0000_0006) == flags)
  }

  @Test("Six more CPUID leaves and wider masks from 1.5.05 on")
  func cpuidFrom1505() throws {
    var bench = try Self.initialized(.init(1, 5, 5))
    for subleaf: UInt64 in 0...5 {
      #expect(bench.read(0x9900_0003_0000_040C + subleaf) == subleaf << 32 | 0x1F)
      #expect(bench.read(0x9900_0003_0000_0518 + 2 * subleaf) == 0x0000_FFFF_0000_001F)
      #expect(bench.read(0x9900_0003_0000_0519 + 2 * subleaf) == 0x0000_0000_0000_FFFF)
    }
    #expect(bench.read(0x9900_0003_0000_0412) == .max)
  }

  @Test("Processors that a TD can be told it runs on: the own one and older ones")
  func allowedFMS() throws {
    var bench = try Self.initialized(.init(2, 0, 8), cpu: .gnr)
    #expect(bench.read(0x9900_0001_0000_0800) == 4)
    let list = (0..<5).map { bench.read(0x9900_0003_0000_0810 + $0) }
    #expect(list == [0xA06D1, 0xA06F0, 0xC06F2, 0x806F8, 0])
  }

  @Test("An efficient core has neither AVX-512 nor AMX, but LASS")
  func sierraForest() throws {
    var bench = try Self.initialized(.init(1, 5, 25), cpu: .srf)
    #expect(bench.read(0x1900_0003_0000_0002) == 0xDB07)
    #expect(bench.read(0x1900_0003_0000_0000) == 0x8000_0000_7801_0001)
  }

  @Test(
    "Ids that name no element",
    arguments: [
      1 << 24, 1 << 31, 1 << 47, 1 << 49, 1 << 55, 1 << 62, 1 << 34, 1 << 37, 1 << 38, 1 << 46,
    ] as [UInt64])
  func incorrect(bit: UInt64) throws {
    var bench = try Self.initialized(.init(1, 5, 34))
    let answer = bench.call(34, rdx: 0x0A00_0003_0000_0008 | bit, r8: 5)
    #expect(answer.rax == 0xC000_0C00_0000_0000)
    #expect(answer.rdx == .max && answer.r8 == 0)
  }

  @Test("Unknown codes and classes, and a field of a later module")
  func unknown() throws {
    var bench = try Self.initialized(.init(1, 5, 1))
    for id: UInt64 in [
      0x0800_0002_0000_0007, 0x0B00_0000_0000_0000, 0x9000_0003_0000_00A0, 0x9900_0001_0000_0008,
      0x9100_0000_0000_0013, 0x0000_0002_0000_0009,
    ] { #expect(bench.call(34, rdx: id).rax == 0xC000_0C00_0000_0000) }
  }

  @Test("Size, INC_SIZE, WRITE_MASK_VALID, context and NON_ARCH are ignored")
  func ignored() throws {
    var bench = try Self.initialized(.init(1, 5, 34))
    for bits: UInt64 in [3 << 32, 1 << 50, 1 << 51, 7 << 52, 1 << 63] {
      #expect(bench.read(0x0A00_0003_0000_0008 ^ bits) == 0x15A_D932_6F3F_1FBF)
    }
    for context: UInt64 in 0...7 {
      let answer = bench.call(34, rdx: .max & ~(7 << 52) | context << 52)
      #expect(answer.rax == 0x0000_0C0B_0000_0000)
      #expect(answer.rdx == 0x0000_0002_0000_0000 && answer.r8 == 0)
    }
  }

  @Test("Who a guest is allowed to ask for")
  func guestMask() {
    let readable = SysField.allCases.filter(\.description.isGuestReadable).map(\.description.id.rawValue)
    #expect(
      Set(readable) == [
        0x0800_0002_0000_0000, 0x0800_0001_0000_0003, 0x0800_0001_0000_0004, 0x0A00_0002_0000_0000,
        0x0A00_0000_0000_0001, 0x0A00_0003_0000_0008, 0xA000_0003_0000_0000, 0x2000_0001_0000_0001,
        0x2000_0001_0000_0002, 0x2000_0001_0000_0003, 0x2000_0001_0000_0004, 0xA200_0001_0000_0000,
      ])
  }

  /// Reads the lists of RDALL back into elements.
  private static func parse(_ page: [UInt8]) -> [(id: UInt64, value: UInt64)] {
    func word(_ offset: Int) -> UInt64 { UInt64(littleEndianBytes: page[offset..<(offset + 8)]) }
    let used = Int(word(0) & 0xFFFF)
    let sequences = Int(word(0) >> 16 & 0xFFFF)
    #expect(word(0) >> 32 == 0)
    var offset = 8
    var found: [(id: UInt64, value: UInt64)] = []
    for _ in 0..<sequences {
      let header = word(offset)
      offset += 8
      let elements = (header >> 34 & 0xF) + 1
      let fields = (header >> 38 & 0x1FF) + 1
      for index in 0..<(elements * fields) {
        found.append((header & ~(0x1FFF << 34) + index, word(offset)))
        offset += 8
      }
    }
    #expect(offset == used)
    return found
  }

  @Test("RDALL gives what RD gives; all of it fits a page", arguments: releases)
  func readAll(version: ModuleVersion) throws {
    var bench = try Self.initialized(version)
    var all: [(id: UInt64, value: UInt64)] = []
    var next: UInt64 = .max
    var pages = 0
    repeat {
      let answer = bench.call(37, rdx: 0x20_0000, r8: next)
      #expect(answer.rax == (answer.r8 == .max ? 0 : 0xC000_0C04_0000_0000))
      all += Self.parse(bench.machine.memory.read(0x20_0000, count: 4096))
      next = answer.r8
      pages += 1
    } while next != .max && pages < 10
    #expect(pages == 1)
    let expected = Self.walk(&bench)
    let mask: UInt64 = ~(3 << 32 | 1 << 63)
    #expect(all.map { $0.id & mask } == expected.map { $0.id & mask })
    #expect(all.map(\.value) == expected.map(\.value))
  }

  /// No module of today fills a page, so the overflow of TDH.SYS.RDALL is tested with smaller ones.
  @Test("A list that overflows goes on where it stopped", arguments: [32, 40, 48, 64, 100, 512, 1000, 2000])
  func overflow(size: Int) throws {
    var bench = try Self.initialized(.init(1, 5, 34))
    let state = try #require(bench.module.state)
    var next: MetadataList.Position? = .init(field: .numPkgs, index: 0)
    var all: [(id: UInt64, value: UInt64)] = []
    var pages = 0
    while let position = next, pages < 1000 {
      var list = MetadataList(values: SysFieldValues(state: state, machine: bench.machine), size: size)
      next = list.fill(from: position)
      #expect(list.bytes.count <= size && list.bytes.count > 8)
      all += Self.parse(list.bytes)
      pages += 1
    }
    #expect(pages > 1)
    #expect(all.map(\.value) == Self.walk(&bench).map(\.value))
  }

  @Test("RDALL: bad buffer, bad start, a start in the middle")
  func readAllOperands() throws {
    var bench = try Self.initialized(.init(1, 5, 34))
    for buffer: UInt64 in [0x20_0800, 16 << 30, 64 << 41, 1 << 52] {
      let answer = bench.call(37, rdx: buffer, r8: .max)
      #expect(answer.rax == 0xC000_0100_0000_0002)
    }
    for start: UInt64 in [
      0x9900_0003_0000_0501, 0x0A00_0002_0000_0008, 0x0B00_0000_0000_0000, 0x0800_0001_0000_0000,
    ] { #expect(bench.call(37, rdx: 0x20_0000, r8: start).rax == 0xC000_0C00_0000_0000) }
    let middle = bench.call(37, rdx: 0x20_0000, r8: 0xA200_0003_0000_0001)
    #expect(middle.rax == 0 && middle.r8 == .max)
    #expect(
      bench.machine.memory.read(0x20_0000, count: 24)
        == [64, 0, 1, 0, 0, 0, 0, 0] + (0xA200_0143_0000_0001 as UInt64).littleEndianBytes + [1, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test("The first sequences byte for byte")
  func firstBytes() throws {
    var bench = try Self.initialized(.init(1, 5, 1))
    bench.call(37, rdx: 0x20_0000, r8: .max)
    // NUM_PKGS and the 8 of PKG_FMS are one sequence of 9 fields.
    #expect(
      bench.machine.memory.read(0x20_0008, count: 24)
        == (0x0000_0202_0000_0000 as UInt64).littleEndianBytes + (1 as UInt64).littleEndianBytes
        + (0x806F8 as UInt64).littleEndianBytes)
  }

  @Test("RDALL and INFO may use a buffer under an MKTME KeyID")
  func mktme() throws {
    var bench = try Self.initialized(.init(1, 5, 34))
    #expect(bench.call(37, rdx: 0x20_0000 | 5 << 41, r8: .max).rax == 0)
    #expect(bench.machine.memory.page(at: 0x20_0000)?.keyID == 5)
  }
}
