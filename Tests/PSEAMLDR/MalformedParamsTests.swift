import SEAM
import Testing

/// SEAMLDR_PARAMS (pseamldr.md 2.3), the addresses of 1.5 and the leaf numbers of 1.1, against ``InstallModel``.
@Suite("Malformed SEAMLDR_PARAMS", .timeLimit(.minutes(20)))
struct MalformedParamsTests {
  typealias Line = MalformedInstall.Line

  /// Addresses around every border of 1.5: alignment, the SEAM range, MAXPA, the KeyIDs.
  static let addresses: [UInt64] = {
    var edges: Set<UInt64> = [0, 1, 8, 255, 256, 2047, 2048, 4095, 4096, 4097, .max, .max - 4095, .max - 255, 1 << 63]
    for border in [InstallModel.seamBase, InstallModel.seamBase + (120 << 20), InstallModel.seamEnd] {
      edges.formUnion([border - 4096, border - 2048, border - 256, border - 1, border, border + 1, border + 4096])
    }
    for keyID: UInt64 in [1, 2, 62, 63, 64, 65, 127, 128, 1024, 2047] {
      edges.formUnion([keyID << 41, keyID << 41 | Rig.sigstruct, keyID << 41 | InstallModel.seamBase])
    }
    for bit in 40..<64 { edges.insert(1 << UInt64(bit) | Rig.params) }
    for page in 0..<4 { edges.insert(Rig.pages + 4096 * UInt64(page)) }
    edges.formUnion([Rig.params, Rig.sigstruct, Rig.sigstruct + 2048, Rig.params + 8])
    return edges.sorted()
  }()

  @Test(
    "every bit of the header and of the first page addresses flipped, for LOAD and UPDATE", arguments: Line.allCases)
  func everyBit(line: Line) throws {
    var install = try MalformedInstall(line)
    var count = CaseCount("SEAMLDR_PARAMS, every bit, loader \(line.rawValue)")
    let bytes = Array(0..<(128 + 5 * 8)) + Array(4088..<4096)
    for bit in bytes.flatMap({ byte in (0..<8).map { byte * 8 + $0 } }) {
      for scenario: UInt8 in [0, 1] where !count.isHopeless {
        install.params[4] = scenario
        install.params[bit / 8] ^= 1 << UInt8(bit % 8)
        let row = install.expected()?.row ?? "installed"
        count.add(
          "bit \(bit % 8) of byte \(bit / 8), scenario \(scenario)", row: row, difference: install.difference())
      }
    }
    count.expect(atLeast: 2800)
    for row in ["A2", "A3", "A4", "A5", "A6", "A7", "A10", "B2", "installed"] {
      #expect(count.rows[row, default: 0] > 0, "\(row)")
    }
  }

  @Test("every address at every border: RCX, SIGSTRUCT_PA, the first and the last page", arguments: Line.allCases)
  func addresses(line: Line) throws {
    var install = try MalformedInstall(line)
    var count = CaseCount("addresses at their borders, loader \(line.rawValue)")
    for address in Self.addresses {
      for place in [-1, 8, 128, 136, 152] where !count.isHopeless {
        if place < 0 { install.rcx = address } else { MalformedInstall.put(address, 8, at: place, in: &install.params) }
        let row = install.expected()?.row ?? "installed"
        count.add(
          "0x\(String(address, radix: 16)) at \(place < 0 ? "RCX" : "\(place)")", row: row,
          difference: install.difference())
      }
    }
    count.expect(atLeast: 450)
    for row in ["A1", "A2", "A6", "A7", "A10", "B2"] { #expect(count.rows[row, default: 0] > 0, "\(row)") }
  }

  @Test("every field at its edges, for LOAD and UPDATE", arguments: Line.allCases)
  func edges(line: Line) throws {
    var install = try MalformedInstall(line)
    var count = CaseCount("SEAMLDR_PARAMS fields at their edges, loader \(line.rawValue)")
    let fields = [(0, 4), (4, 4), (16, 8), (56, 8), (112, 8), (120, 8)]
    for (offset, size) in fields {
      let all: UInt64 = size == 8 ? .max : 0xFFFF_FFFF
      var edges: Set<UInt64> = [0, 1, 2, 3, 4, 5, 255, 256, all, all - 1, all >> 1, (all >> 1) + 1, 0x100, 0x1_0000]
      edges.formUnion([495, 496, 497, 512, 1 << 32 | 4].map { $0 & all })
      for edge in edges.sorted() {
        for scenario: UInt8 in [0, 1] where !count.isHopeless {
          install.params[4] = scenario
          MalformedInstall.put(edge, size, at: offset, in: &install.params)
          let row = install.expected()?.row ?? "installed"
          count.add(
            "\(edge) at \(offset), scenario \(scenario)", row: row, difference: install.difference())
        }
      }
    }
    count.expect(atLeast: 200)
  }

  @Test("the handoff header: every bit, and every field at its borders", arguments: Line.allCases)
  func handoff(line: Line) throws {
    var install = try MalformedInstall(line)
    let intact = install.model.handoff
    let reserved = install.model.reserved
    var count = CaseCount("handoff header, loader \(line.rawValue)")
    var headers: [[UInt8]] = []
    for bit in 0..<64 {
      var header = intact
      header[bit / 8] ^= 1 << UInt8(bit % 8)
      headers.append(header)
    }
    for version: UInt64 in [0, 1, 2, 3, 255, 256, 0x7FFF, 0x8000, 0xFFFF] {
      for size: UInt64 in [
        0, 1, 8, 4096, reserved - 9, reserved - 8, reserved - 7, reserved, 1 << 31, 0xFFFF_FFF7, 0xFFFF_FFFF,
      ] {
        for valid: UInt64 in [0, 1, 0xFF] {
          var header = [UInt8](repeating: 0, count: 8)
          MalformedInstall.put(valid, 1, at: 0, in: &header)
          MalformedInstall.put(version, 2, at: 2, in: &header)
          MalformedInstall.put(size, 4, at: 4, in: &header)
          headers.append(header)
        }
      }
    }
    for header in headers where !count.isHopeless {
      install.setHandoff(header)
      let row = install.expected()?.row ?? "installed"
      count.add("\(header)", row: row, difference: install.difference())
    }
    count.expect(atLeast: 360)
    #expect(count.rows["A33", default: 0] > 200 && count.rows["installed", default: 0] > 50)
  }

  @Test("leaf numbers that there are not: EBADPARAM, and no register changes but RAX")
  func leaves() throws {
    var rig = try Rig(lps: 1).booted(ReferenceLeaves.module)
    var count = CaseCount("P-SEAMLDR leaf numbers")
    let known = Set((0...4).map { UInt64(1) << 63 | $0 })
    var numbers: Set<UInt64> = Set((0..<0x400).map { UInt64(1) << 63 | $0 })
    for leaf in known {
      for bit in 0..<63 { numbers.insert(leaf ^ 1 << UInt64(bit)) }
    }
    for number in numbers.sorted() where !known.contains(number) && !count.isHopeless {
      let registers = rig.call(number, rcx: Rig.params, rdx: 0x77)
      let isRight = registers == Registers(rax: 1 << 63, rcx: Rig.params, rdx: 0x77)
      count.add("0x\(String(number, radix: 16))", difference: isRight ? nil : "\(registers)")
    }
    count.expect(atLeast: 1200)
  }

  @Test("INFO and SEAMINFO: their buffers at every border", arguments: [(0, 256), (3, 2048)] as [(UInt64, UInt64)])
  func buffers(leaf: UInt64, alignment: UInt64) throws {
    var rig = try Rig(lps: 1).booted(ReferenceLeaves.module)
    var count = CaseCount("buffers of \(leaf == 0 ? "INFO" : "SEAMINFO")")
    for address in Self.addresses + (0..<64).map({ Rig.info ^ 1 << UInt64($0) }) where !count.isHopeless {
      let registers = rig.call(1 << 63 | leaf, rcx: address, rdx: 0x77)
      let expected: UInt64 = InstallModel.isValid(address, alignment: alignment) ? 0 : 1 << 63
      let isRight = registers == Registers(rax: expected, rcx: address, rdx: 0x77)
      count.add("RCX 0x\(String(address, radix: 16))", difference: isRight ? nil : "\(registers)")
    }
    count.expect(atLeast: 150)
  }
}

/// What tests of single leaves start from.
private enum ReferenceLeaves {
  static let module = MalformedInstall.Line.v1_5.module
}
