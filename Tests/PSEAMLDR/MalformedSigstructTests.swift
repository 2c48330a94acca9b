import ModuleImage
import SEAM
import Testing

/// SEAM_SIGSTRUCT, pseamldr.md 2.4, bit by bit and field by field, against ``InstallModel``.
@Suite("Malformed sigstructs", .timeLimit(.minutes(20)))
struct MalformedSigstructTests {
  typealias Line = MalformedInstall.Line

  /// The integer fields of 2.4: offset and size.
  static let fields: [(name: String, offset: Int, size: Int)] = [
    ("HEADER_TYPE", 0, 4), ("HEADER_LENGTH", 4, 4), ("HEADER_VERSION", 8, 4), ("MODULE_TYPE", 12, 4),
    ("MODULE_VENDOR", 16, 4), ("DATE", 20, 4), ("SIZE", 24, 4), ("KEY_SIZE", 28, 4), ("MODULUS_SIZE", 32, 4),
    ("EXPONENT_SIZE", 36, 4), ("reserved0", 40, 8), ("reserved0, end", 120, 8), ("EXPONENT", 512, 4),
    ("SEAMSVN.MINOR", 948, 1), ("SEAMSVN.MAJOR", 949, 1), ("ATTRIBUTES", 950, 8), ("RIP_OFFSET", 958, 4),
    ("NUM_STACK_PAGES", 962, 1), ("NUM_TLS_PAGES", 963, 1), ("NUM_KEYHOLE_PAGES", 964, 2),
    ("NUM_GLOBAL_DATA_PAGES", 966, 2), ("MAX_TDMRS", 968, 2), ("MAX_RSVD_PER_TDMR", 970, 2),
    ("PAMT_ENTRY_SIZE_4K", 972, 2), ("PAMT_ENTRY_SIZE_2M", 974, 2), ("PAMT_ENTRY_SIZE_1G", 976, 2),
    ("reserved1", 978, 4), ("MODULE_HV", 984, 2), ("MIN_UPDATE_HV", 986, 2), ("NO_DOWNGRADE", 988, 1),
    ("reserved2", 989, 1), ("NUM_HANDOFF_PAGES", 990, 2), ("GDT_IDT_OFFSET", 992, 4), ("FAULT_WRAPPER_OFFSET", 996, 4),
    ("reserved3", 1000, 8), ("reserved3, end", 1016, 8), ("CPUID_TABLE_SIZE", 1024, 4), ("CPUID_TABLE[0]", 1028, 4),
    ("CPUID_TABLE[1]", 1032, 4), ("CPUID_TABLE[254]", 2044, 4),
  ]

  private static func flip(_ bit: Int, in bytes: inout [UInt8]) { bytes[bit / 8] ^= 1 << UInt8(bit % 8) }

  @Test("every bit flipped, and not signed again", arguments: Line.allCases)
  func everyBit(line: Line) throws {
    var install = try MalformedInstall(line)
    var count = CaseCount("sigstruct, every bit, loader \(line.rawValue)")
    // Behind the fields the lines do not differ: there the second one gets one bit a byte.
    let isThorough = line == .v1_5
    for bit in 0..<(2048 * 8) where !count.isHopeless {
      if !isThorough, (1100...).contains(bit / 8) || (128..<900).contains(bit / 8), bit % 8 != bit / 8 % 8 { continue }
      Self.flip(bit, in: &install.sigstruct)
      let row = install.expected()?.row
      count.add("bit \(bit % 8) of byte \(bit / 8)", row: row, difference: install.difference())
    }
    count.expect(atLeast: isThorough ? 16_384 : 4300)
    #expect(count.rows["A19"] == 384 * (isThorough ? 8 : 1) && count.rows["A15"] == (isThorough ? 32 : 4), "the key")
  }

  @Test("every bit of the fields behind the key flipped, and signed again", arguments: Line.allCases)
  func everySignedBit(line: Line) throws {
    var install = try MalformedInstall(line)
    var count = CaseCount("sigstruct, signed again, loader \(line.rawValue)")
    let isThorough = line == .v1_5
    let bytes = isThorough ? Array(20..<24) + Array(900..<1036) + Array(2040..<2048) : Array(984..<1032)
    for bit in bytes.flatMap({ byte in (0..<8).map { byte * 8 + $0 } }) where !count.isHopeless {
      // Of SEAMHASH one bit a byte is enough.
      if (900..<948).contains(bit / 8), bit % 8 != bit / 8 % 8 { continue }
      Self.flip(bit, in: &install.sigstruct)
      install.sign()
      let row = install.expected()?.row ?? "installed"
      count.add("bit \(bit % 8) of byte \(bit / 8)", row: row, difference: install.difference())
    }
    count.expect(atLeast: isThorough ? 848 : 384)
    #expect(count.rows["B2"] == (isThorough ? 48 : nil), "SEAMHASH")
    for row in ["installed", "A9", "A16", "A17", "A25", "A26", "A27", "A31"] + (isThorough ? ["A12", "A22"] : []) {
      #expect(count.rows[row, default: 0] > 0, "\(row)")
    }
  }

  @Test("every field at its edges, signed again, for UPDATE, and for LOAD too", arguments: Line.allCases)
  func edges(line: Line) throws {
    var install = try MalformedInstall(line)
    let intact = install.sigstruct
    let imageSize: UInt64 = 4 * 4096
    var count = CaseCount("sigstruct fields at their edges, loader \(line.rawValue)")
    // What comes before the key is the same for both lines.
    for field in Self.fields where line == .v1_5 || field.offset >= 948 {
      var value: UInt64 = 0
      for index in 0..<field.size { value |= UInt64(intact[field.offset + index]) << UInt64(8 * index) }
      let all: UInt64 = field.size == 8 ? .max : (1 << UInt64(8 * field.size)) - 1
      let sign: UInt64 = 1 << UInt64(8 * field.size - 1)
      var edges: Set<UInt64> = [
        0, 1, 2, 3, 254, 255, 256, value &- 1, value &+ 1, ~value, all, all &- 1, sign, sign &- 1, sign | value,
      ]
      if field.name.hasSuffix("_OFFSET") {
        for border in [imageSize - 4096, imageSize - 512, imageSize] {
          edges.formUnion([border - 1, border, border + 1, border - 4096, border + 4096])
        }
        edges.formUnion([4095, 4096, 4097, 0xFFFF_F000, 0xFFFF_FE00, 0xFFFF_FE01])
      }
      // B1 takes six page tables more than A31 reckons with: the reference does not say which.
      for edge in edges.map({ $0 & all }).sorted() where edge != value && !count.isHopeless {
        for scenario: UInt8 in line == .v1_5 ? [0, 1] : [1] {
          MalformedInstall.put(edge, field.size, at: field.offset, in: &install.sigstruct)
          install.params[4] = scenario
          install.sign()
          let row = install.expected()?.row ?? "installed"
          count.add(
            "\(field.name) 0x\(String(edge, radix: 16)), scenario \(scenario)", row: row,
            difference: install.difference())
        }
      }
    }
    count.expect(atLeast: line == .v1_5 ? 1100 : 380)
    var rows = ["A9", "A12", "A14", "A16", "A17", "A18", "A22", "A23", "A25", "A26", "A27", "A28", "A31", "A33"]
    if line == .v1_5 { rows += ["A10", "A11", "A13", "A20", "A21", "A24"] }
    rows.append("installed")
    for row in rows { #expect(count.rows[row, default: 0] > 0, "\(row)") }
  }
}
