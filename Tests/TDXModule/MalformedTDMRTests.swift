import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Operands and structures of TDH.SYS.CONFIG and TDH.SYS.SHUTDOWN, bit by bit, against tdx-module.md 3.5 and 3.7 told a second
/// time.
@Suite("Malformed TDMR_INFO and operands", .timeLimit(.minutes(20)))
struct MalformedTDMRTests {
  private static let gib: UInt64 = 1 << 30

  /// 3.5 for one TDMR on a machine of 16 GiB: the codes that are right. Where a PAMT is outside the CMRs and overlaps
  /// something, the reference does not say which is found.
  static func expected(_ t: [UInt64]) -> Set<UInt64> {
    func end(_ base: UInt64, _ size: UInt64) -> UInt64? {
      let (end, overflow) = base.addingReportingOverflow(size)
      return overflow ? nil : end
    }
    func isAddress(_ address: UInt64) -> Bool { address < 1 << 41 }
    func overlaps(_ a: (UInt64, UInt64), _ b: (UInt64, UInt64)) -> Bool {
      a.0 < b.1 && b.0 < a.1 && a.0 < a.1 && b.0 < b.1
    }
    let invalid: UInt64 = 0xC000_0A00_0000_0000
    guard let last = end(t[0], t[1]) else { return [invalid] }
    if t[0] % gib != 0 || t[1] % gib != 0 || t[1] == 0 || !isAddress(t[0]) || !isAddress(last - 1) { return [invalid] }

    // Reserved areas: those after the first null one are null.
    var free: [(UInt64, UInt64)] = []
    var position: UInt64 = 0
    for index in 0..<16 {
      let (offset, size) = (t[8 + 2 * index], t[9 + 2 * index])
      let place = UInt64(index) << 8
      if size == 0 {
        if index < 15, t[11 + 2 * index] != 0 { return [0xC000_0A21_0000_0000 | place] }
        continue
      }
      guard let areaEnd = end(offset, size) else { return [0xC000_0A20_0000_0000 | place] }
      var codes: Set<UInt64> = []
      if offset % 4096 != 0 || size % 4096 != 0 || areaEnd > t[1] { codes.insert(0xC000_0A20_0000_0000 | place) }
      if index > 0 && offset < position { codes.insert(0xC000_0A21_0000_0000 | place) }
      if !codes.isEmpty { return codes }
      if offset > position { free.append((t[0] + position, t[0] + offset)) }
      position = areaEnd
    }
    if position < t[1] { free.append((t[0] + position, last)) }

    // PAMTs, 1G, 2M, 4K.
    var pamts: [(UInt64, UInt64)] = []
    for (place, level, page) in [(2, UInt64(2), gib), (4, 1, UInt64(2) << 20), (6, 0, 4096)] {
      guard let pamtEnd = end(t[place], t[place + 1]), t[place] % 4096 == 0, t[place + 1] % 4096 == 0,
        isAddress(t[place]), isAddress(pamtEnd &- 1), t[place + 1] >= t[1] / page * 16
      else { return [0xC000_0A10_0000_0000 | level << 8] }
      pamts.append((t[place], pamtEnd))
    }
    var codes: Set<UInt64> = []
    for (index, pamt) in pamts.enumerated() where pamt.1 > 16 * gib {
      codes.insert(0xC000_0A11_0000_0000 | UInt64(2 - index) << 8)
    }
    for (index, pamt) in pamts.enumerated() {
      let isTaken =
        free.contains { overlaps($0, pamt) }
        || pamts.enumerated().contains { $0.offset != index && overlaps($0.element, pamt) }
      if isTaken { codes.insert(0xC000_0A12_0000_0000 | UInt64(2 - index) << 8) }
    }
    if free.contains(where: { $0.1 > 16 * gib }) && codes.isEmpty { codes.insert(0xC000_0A02_0000_0000) }
    return codes.isEmpty ? [0] : codes
  }

  private func initialized() throws -> Bench {
    var bench = try Bench(lps: 1)
    bench.initializeLPs()
    bench.writeTDMRs([Bench.tdmr()])
    return bench
  }

  @Test("TDMR_INFO: every bit of every field, and every field at its borders")
  func fields() throws {
    let intact = try initialized()
    let good = Bench.tdmr() + [UInt64](repeating: 0, count: 30)
    var cases = 0
    var found: [UInt64: Int] = [:]
    for index in 0..<16 {
      var values: Set<UInt64> = [0, 1, 4095, 4096, 4097, .max, .max - 4095, good[index] &- 1, good[index] &+ 1]
      values.formUnion([good[index] &+ 4096, good[index] &- 4096, good[index] &* 2, good[index] ^ .max])
      for border in [Self.gib, 2 * Self.gib, 15 * Self.gib, 16 * Self.gib, 1 << 41, 1 << 52] {
        values.formUnion([border - 4096, border - 1, border, border + 1, border + 4096, border &- good[1 | index]])
      }
      for bit in 0..<64 { values.insert(good[index] ^ 1 << UInt64(bit)) }
      for value in values.sorted() where value != good[index] {
        var tdmr = good
        tdmr[index] = value
        var bench = intact
        bench.writeTDMRs([tdmr])
        let answer = bench.call(45, rcx: Bench.array, rdx: 1, r8: 64).rax
        let expected = Self.expected(tdmr)
        cases += 1
        found[answer >> 32, default: 0] += 1
        let isReady = bench.module.sysState == (answer == 0 ? .configDone : .initDone)
        if !expected.contains(answer) || !isReady || (answer != 0 && bench.module.lastDiagnostic?.isEmpty != false) {
          Issue.record(
            "word \(index) = 0x\(String(value, radix: 16)): 0x\(String(answer, radix: 16)) in place of \(expected.map { String($0, radix: 16) })"
          )
          return
        }
      }
    }
    print("malformed inputs: TDMR_INFO fields: \(cases) cases, \(found.count) kinds of answers")
    #expect(cases >= 1500)
    #expect(found.count >= 8)
  }

  @Test("CONFIG: every bit and border of RCX, RDX, R8, and of the pointer in the array")
  func operands() throws {
    let intact = try initialized()
    var cases = 0
    /// One call, and what 3.5 says to it.
    func expect(_ what: String, rcx: UInt64, rdx: UInt64, r8: UInt64, pointer: UInt64? = nil, _ expected: UInt64?)
      -> Bool
    {
      var bench = intact
      if let pointer { bench.machine.memory.write(pointer.littleEndianBytes, at: Bench.array) }
      let answer = bench.call(45, rcx: rcx, rdx: rdx, r8: r8).rax
      cases += 1
      // nil: some code about the structures, for which the reference does not say more.
      let isRight = expected.map { answer == $0 } ?? (answer >> 32 != 0xC000_0100)
      if !isRight { Issue.record("\(what): 0x\(String(answer, radix: 16))") }
      return isRight
    }
    func isShared(_ address: UInt64) -> Bool {
      let plain = address & ((1 << 41) - 1)
      return address % 512 == 0 && address >> 52 == 0 && address >> 41 < 64
        && !(16 * Self.gib..<16 * Self.gib + (128 << 20)).contains(plain)
    }
    var addresses: Set<UInt64> = [0, 1, 511, 512, 513, .max, .max - 511]
    for bit in 0..<64 { addresses.insert(Bench.array ^ 1 << UInt64(bit)) }
    for keyID: UInt64 in [1, 63, 64, 2047] { addresses.insert(keyID << 41 | Bench.array) }
    for border in [16 * Self.gib, 16 * Self.gib + (128 << 20)] {
      addresses.formUnion([border - 512, border, border + 512])
    }
    for address in addresses.sorted() {
      let known = isShared(address) ? nil : UInt64(0xC000_0100_0000_0001)
      let text = String(address, radix: 16)
      guard expect("RCX 0x\(text)", rcx: address, rdx: 1, r8: 64, known) else { return }
      guard expect("pointer 0x\(text)", rcx: Bench.array, rdx: 1, r8: 64, pointer: address, known) else { return }
    }
    var counts: Set<UInt64> = [0, 1, 2, 63, 64, 65, 66, 127, 128, 255, 256, .max]
    for bit in 0..<64 { counts.insert(1 << UInt64(bit)) }
    for count in counts.sorted() where count != 1 {
      let isCount = count >= 1 && count <= 64
      guard expect("RDX \(count)", rcx: Bench.array, rdx: count, r8: 64, isCount ? nil : 0xC000_0100_0000_0002) else {
        return
      }
    }
    var keys = Set((0..<70).map { UInt64($0) } + (2040...2060).map { UInt64($0) } + [0xFFFF, .max])
    for bit in 0..<64 {
      keys.insert(1 << UInt64(bit))
      keys.insert(1 << UInt64(bit) | 64)
    }
    for key in keys.sorted() {
      // Bit 16 asks for dynamic PAMT, which the module has.
      let isKey = key >> 17 == 0 && (64..<2048).contains(key & 0xFFFF)
      guard
        expect("R8 0x\(String(key, radix: 16))", rcx: Bench.array, rdx: 1, r8: key, isKey ? 0 : 0xC000_0100_0000_0008)
      else { return }
    }
    print("malformed inputs: operands of TDH.SYS.CONFIG: \(cases) cases")
    #expect(cases >= 400)
  }

  @Test("SHUTDOWN: every bit and version of RCX, of every release", arguments: releases)
  func shutdown(version: ModuleVersion) throws {
    let ready = try Bench.ready(version, lps: 1)
    let name = version.description
    // 3.7 and 4.3: MODULE_HV, which releases know bit 16, and which have NO_DOWNGRADE.
    let knowsFlag = ["1.5.24", "1.5.25", "1.5.28", "1.5.34", "2.0.14", "2.0.16", "2.0.18"].contains(name)
    let program = try #require(ready.machine.residentProgram)
    var values = Set((0..<8).map { UInt64($0) } + [0xFFFF, 0x1_FFFF, .max])
    for bit in 0..<64 {
      values.insert(1 << UInt64(bit))
      values.insert(1 << UInt64(bit) | UInt64(program.moduleHV))
    }
    var cases = 0
    for value in values.sorted() {
      var bench = ready
      let hv = knowsFlag ? value & 0xFFFF : value
      let hasReserved = knowsFlag && value >> 17 != 0
      let isInRange = hv >= UInt64(program.minUpdateHV) && hv <= UInt64(program.moduleHV)
      let isRight = !hasReserved && isInRange && (!program.noDowngrade || hv == UInt64(program.moduleHV))
      let answer = bench.call(52, rcx: value).rax
      cases += 1
      let state: SysState = isRight ? .shutdown : .ready
      if answer != (isRight ? 0 : 0xC000_0100_0000_0001) || bench.module.sysState != state {
        Issue.record("\(name), RCX 0x\(String(value, radix: 16)): 0x\(String(answer, radix: 16))")
        return
      }
    }
    print("malformed inputs: operand of TDH.SYS.SHUTDOWN, \(name): \(cases) cases")
    #expect(cases >= 70)
  }

  @Test("UPDATE: every bit of the handoff header: not taken, or the module stops, or it is ready")
  func handoffHeader() throws {
    var start = try Bench.ready(.init(1, 5, 34), lps: 1)
    #expect(start.call(52, rcx: 2).rax == 0)
    try start.load(.init(1, 5, 34), keepingHandoff: true)
    start.initializeLPs()
    // VALID, a reserved byte, HV 2, SIZE: the 14 pages of the buffer but for the header.
    let intact = start.dataRegion(0, count: 8)
    #expect(intact == [1, 0, 2, 0] + UInt32(57_336).littleEndianBytes)
    var cases = 0
    for bit in 0..<64 {
      var header = intact
      header[bit / 8] ^= 1 << UInt8(bit % 8)
      let hv = Int(header[2]) | Int(header[3]) << 8
      let size = UInt32(littleEndianBytes: header[4...])
      var bench = start
      bench.patchDataRegion(header, at: 0)
      // 3.8: a size beyond the buffer is corruption. Of a smaller one it does not say what becomes.
      if header[0] != 0, hv <= 2, size > 0, size < 57_336 { continue }
      let answer = bench.call(53).rax
      cases += 1
      let isTaken = header[0] != 0 && hv <= 2 && size == 57_336
      let isRefused = header[0] == 0 || hv > 2
      let isRight =
        isRefused
        ? answer == 0xC000_0509_0000_0000 && bench.module.sysState == .initDone && !bench.module.isDead
        : isTaken ? answer == 0 && bench.module.sysState == .ready : bench.module.isDead
      if !isRight { Issue.record("bit \(bit): 0x\(String(answer, radix: 16)), dead \(bench.module.isDead)") }
    }
    print("malformed inputs: handoff header of TDH.SYS.UPDATE: \(cases) cases")
    #expect(cases >= 50)
  }
}
