import Basics
import Cryptography
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TDREPORT, told again from the offsets of tdx-module.md 7.1, and what an update changes in it (7.3).
@Suite("TDREPORT", .timeLimit(.minutes(20)))
struct ReportTests {
  private static let zero = [UInt8](repeating: 0, count: 48)

  /// TD_PARAMS with everything that TDINFO shows.
  private static let parameters = Bench.parameters { bytes in
    bytes.store(UInt64(1 << 28), at: 0)
    bytes.store(UInt64(0xE7), at: 8)
    bytes.store([UInt8](repeating: 0x11, count: 48), at: 80)
    bytes.store([UInt8](repeating: 0x22, count: 48), at: 128)
    bytes.store([UInt8](repeating: 0x33, count: 48), at: 176)
  }

  /// A running TD with two pages: REPORTDATA at 0x1000, room for reports at 0x2000.
  private static func bench(_ version: ModuleVersion = .init(1, 5, 24)) throws -> Bench {
    var bench = try Bench.running(version, parameters)
    bench.map(0x1000, .mapped)
    bench.map(0x2000, .mapped)
    bench.enter([.write(gpa: 0x1000, bytes: (0..<64).map { UInt8($0) })])
    return bench
  }

  /// The 1024 bytes of a new report.
  private static func report(_ bench: inout Bench) throws -> [UInt8] {
    _ = bench.outcomes()
    bench.enter([.tdcall(Registers(rax: 4, rcx: 0x2000, rdx: 0x1000)), .read(gpa: 0x2000, count: 1024)])
    let outcomes = bench.outcomes()
    #expect(outcomes.first == .registers(Registers(rax: 0, rcx: 0x2000, rdx: 0x1000)))
    guard case .bytes(let bytes)? = outcomes.last else {
      Issue.record("no report: \(outcomes)")
      return []
    }
    return try #require(bytes.count == 1024 ? bytes : nil)
  }

  private static func svn(_ version: ModuleVersion) throws -> [UInt8] {
    let release = try #require(ReleaseTable.release(version))
    return [release.minorSVN, release.majorSVN] + [UInt8](repeating: 0, count: 14)
  }

  @Test("Byte for byte")
  func layout() throws {
    var bench = try Self.bench()
    let report = try Self.report(&bench)
    #expect(Array(report[0..<16]) == [0x81] + [UInt8](repeating: 0, count: 15))
    #expect(Array(report[32..<80]) == SHA384.digest(of: report[256..<495]))
    #expect(Array(report[80..<128]) == SHA384.digest(of: report[512..<1024]))
    #expect(Array(report[128..<192]) == (0..<64).map { UInt8($0) })
    #expect(Array(report[192..<224]) == [UInt8](repeating: 0, count: 32))
    #expect(UInt64(littleEndianBytes: report[256..<264]) == 0x301FF)
    #expect(Array(report[264..<280]) == (try Self.svn(.init(1, 5, 24))))
    #expect(Array(report[280..<328]) == [UInt8](repeating: 24, count: 48))
    #expect(Array(report[328..<384]) == [UInt8](repeating: 0, count: 56))
    #expect(Array(report[384..<400]) == (try Self.svn(.init(1, 5, 24))))
    #expect(Array(report[400..<512]) == [UInt8](repeating: 0, count: 112))
    #expect(UInt64(littleEndianBytes: report[512..<520]) == 1 << 28)
    #expect(UInt64(littleEndianBytes: report[520..<528]) == 0xE7)
    // Nothing was added: SHA-384 of nothing (6.7).
    #expect(
      report[528..<576].hexadecimal
        == "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b")
    #expect(Array(report[576..<624]) == [UInt8](repeating: 0x11, count: 48))
    #expect(Array(report[624..<672]) == [UInt8](repeating: 0x22, count: 48))
    #expect(Array(report[672..<720]) == [UInt8](repeating: 0x33, count: 48))
    #expect(Array(report[720..<912]) == [UInt8](repeating: 0, count: 192))
    #expect(Array(report[912..<1024]) == [UInt8](repeating: 0, count: 112))
  }

  @Test("Across two updates: the launch stays, TEE_TCB_SVN2 follows, and a TD made later is new")
  func updates() throws {
    var bench = try Self.bench()
    let launch = try Self.report(&bench)
    var changed: [[UInt8]] = [launch]
    for version in [ModuleVersion(1, 5, 28), ModuleVersion(1, 5, 34)] {
      try bench.update(to: version)
      let report = try Self.report(&bench)
      #expect(Array(report[264..<384]) == Array(launch[264..<384]))
      #expect(Array(report[384..<400]) == (try Self.svn(version)))
      #expect(Array(report[512..<1024]) == Array(launch[512..<1024]))
      #expect(Array(report[80..<192]) == Array(launch[80..<192]))
      #expect(Array(report[32..<80]) == SHA384.digest(of: report[256..<495]))
      #expect(Array(report[224..<256]) != Array(launch[224..<256]))
      #expect(Array(report[0..<32]) == Array(launch[0..<32]))
      changed.append(report)
    }
    // All of them still verify: the CPU is the same.
    for report in changed {
      bench.enter([.write(gpa: 0x1000, bytes: Array(report.prefix(256)))])
      #expect(bench.tdcall(22, rcx: 0x1000)?.rax == 0)
    }
    let tdr: UInt64 = 0x180_0000
    let tdvpr: UInt64 = 0x190_0000
    bench.createTD(tdr, hkid: 66)
    bench.initTD(tdr)
    bench.createVCPU(tdvpr, tdr: tdr)
    #expect(bench.call(22, rcx: tdvpr, rdx: 0).rax == 0)
    bench.finalize(tdr)
    bench.map(0x8000, .mapped, tdr: tdr)
    bench.enter(
      [.tdcall(Registers(rax: 4, rcx: 0x8400, rdx: 0x8000)), .read(gpa: 0x8400, count: 1024)], tdvpr)
    guard case .bytes(let young)? = bench.outcomes(tdvpr).last else {
      Issue.record("no report")
      return
    }
    #expect(Array(young[264..<280]) == (try Self.svn(.init(1, 5, 34))))
    #expect(Array(young[280..<328]) == [UInt8](repeating: 34, count: 48))
    #expect(Array(young[384..<400]) == (try Self.svn(.init(1, 5, 34))))
  }

  @Test("The same image installed once more gives another entry and the same report")
  func sameImage() throws {
    var bench = try Self.bench()
    let before = try Self.report(&bench)
    try bench.update(to: .init(1, 5, 24))
    #expect(bench.machine.seamdb.entries.count == 2)
    #expect(try Self.report(&bench) == before)
  }

  @Test("A MAC with any bit changed is refused, and another CPUSVN is told apart", arguments: [0, 3, 16, 40, 128, 224])
  func flippedBit(offset: Int) throws {
    var bench = try Self.bench()
    var macStruct = Array(try Self.report(&bench).prefix(256))
    macStruct[offset] ^= 0x10
    bench.enter([.write(gpa: 0x1000, bytes: macStruct)])
    #expect(bench.tdcall(22, rcx: 0x1000)?.rax == (offset == 16 ? 0xC000_1000_0000_0000 : 0xC000_1001_0000_0000))
  }

  @Test("VERIFYREPORT: address, privacy, and a module whose CPU has no local attestation")
  func verifyOperands() throws {
    var bench = try Self.bench()
    #expect(bench.tdcall(22, rcx: 0x1080)?.rax == 0xC000_0100_0000_0001)
    #expect(bench.tdcall(22, rcx: 1 << 47 | 0x1000)?.rax == 0xC000_0100_0000_0001)
    #expect(bench.enter([.tdcall(Registers(rax: 22, rcx: 0x9000))]).rax == 48)
    bench.machine.guests = [:]
    try bench.update(to: .init(1, 5, 24))
    bench.module.state = bench.machine.residentProgram.map {
      var program = $0
      program.features0 &= ~(1 << 8)
      var state = ModuleState(program: program)
      state.sysState = .ready
      state.seamdb = bench.module.state?.seamdb
      state.handoff = bench.module.state?.handoff ?? HandoffData()
      return state
    }
    #expect(bench.tdcall(22, rcx: 0x1000)?.rax == 0xC000_0100_0000_0000)
  }

  @Test("RTMRs: the vector of 6.7, every index, and the hash in the next report")
  func rtmrs() throws {
    var bench = try Self.bench()
    let before = try Self.report(&bench)
    bench.enter([.write(gpa: 0x1040, bytes: SHA384.digest(of: []))])
    let vector =
      "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a"
    for index in 0..<4 {
      #expect(bench.tdcall(2, rcx: 0x1040, rdx: UInt64(index))?.rax == 0)
      let report = try Self.report(&bench)
      let offset = 720 + 48 * index
      #expect(report[offset..<(offset + 48)].hexadecimal == vector)
      #expect(Array(report[80..<128]) == SHA384.digest(of: report[512..<1024]))
    }
    // Extended again: SHA-384 of the old value and the new bytes.
    #expect(bench.tdcall(2, rcx: 0x1040, rdx: 2)?.rax == 0)
    let report = try Self.report(&bench)
    let input = try #require([UInt8](hexadecimal: vector)) + SHA384.digest(of: [])
    #expect(Array(report[816..<864]) == SHA384.digest(of: input))
    #expect(Array(report[512..<720]) == Array(before[512..<720]))
  }

  @Test("RTMR.EXTEND: alignment, privacy, memory, index, lock, in this order")
  func extendOperands() throws {
    var bench = try Self.bench()
    bench.module.locks.rtmrs = [Bench.tdr]
    #expect(bench.tdcall(2, rcx: 0x1020, rdx: 9)?.rax == 0xC000_0100_0000_0001)
    #expect(bench.tdcall(2, rcx: 1 << 47, rdx: 9)?.rax == 0xC000_0100_0000_0001)
    #expect(bench.tdcall(2, rcx: 0x9000, rdx: 9) == nil)
    #expect(bench.tdcall(2, rcx: 0x1000, rdx: 4)?.rax == 0xC000_0100_0000_0002)
    #expect(bench.tdcall(2, rcx: 0x1000, rdx: .max)?.rax == 0xC000_0100_0000_0002)
    #expect(bench.tdcall(2, rcx: 0x1000, rdx: 3)?.rax == 0x8000_0200_0000_00A8)
    bench.module.locks.rtmrs = []
    #expect(bench.tdcall(2, rcx: 0x1000, rdx: 3)?.rax == 0)
  }

  @Test("REPORT: RCX, RDX, memory, subtype, lock, in this order")
  func reportOperands() throws {
    var bench = try Self.bench()
    bench.module.locks.rtmrs = [Bench.tdr]
    #expect(bench.tdcall(4, rcx: 0x2200, rdx: 1, r8: 1)?.rax == 0xC000_0100_0000_0001)
    #expect(bench.tdcall(4, rcx: 1 << 47, rdx: 1, r8: 1)?.rax == 0xC000_0100_0000_0001)
    #expect(bench.tdcall(4, rcx: 0x2000, rdx: 1, r8: 1)?.rax == 0xC000_0100_0000_0002)
    #expect(bench.tdcall(4, rcx: 0x2000, rdx: 1 << 48, r8: 1)?.rax == 0xC000_0100_0000_0002)
    #expect(bench.tdcall(4, rcx: 0x2000, rdx: 0x1000, r8: 1)?.rax == 0xC000_0100_0000_0008)
    #expect(bench.tdcall(4, rcx: 0x2000, rdx: 0x1000, r8: 0x100)?.rax == 0xC000_0100_0000_0008)
    #expect(bench.tdcall(4, rcx: 0x2000, rdx: 0x1000)?.rax == 0x8000_0200_0000_00A8)
    bench.module.locks.rtmrs = []
    // Neither page is there: the host hears of the one that is read, then of the one that is written.
    let read = bench.enter([.tdcall(Registers(rax: 4, rcx: 0x9000, rdx: 0xA000))])
    #expect(read.rax == 48 && read.rcx == 1 && read.r8 == 0xA000)
    bench.map(0xA000, .mapped)
    let write = bench.enter()
    #expect(write.rax == 48 && write.rcx == 3 && write.r8 == 0x9000)
    bench.map(0x9000, .blockedW)
    let blocked = bench.enter()
    #expect(blocked.rax == 48 && blocked.rcx == 2 | 5 << 3 && blocked.r8 == 0x9000)
    bench.map(0x9000, .mapped)
    #expect(bench.enter().rax == 1)
    #expect(bench.outcomes().last == .registers(Registers(rax: 0, rcx: 0x9000, rdx: 0xA000)))
  }

  @Test("A TD whose TDR names a load of the module that never was dies", arguments: [false, true])
  func corruptedReference(nonce: Bool) throws {
    var bench = try Self.bench()
    let td = try #require(bench.module.tds[Bench.tdr])
    let reference = SEAMDBReference(
      index: nonce ? td.seamdb.index : 5, nonce: nonce ? [1, 2, 3, 4] : td.seamdb.nonce)
    var corrupt = TD(hkid: td.hkid, uuid: td.uuid, seamdb: reference, handoffVersion: td.handoffVersion)
    corrupt.lifecycle = td.lifecycle
    corrupt.opState = td.opState
    corrupt.tdcxPages = td.tdcxPages
    corrupt.parameters = td.parameters
    corrupt.sept = td.sept
    bench.module.tds[Bench.tdr] = corrupt
    #expect(bench.enter([.tdcall(Registers(rax: 4, rcx: 0x2000, rdx: 0x1000))]).rax == 0x6000_000A_0000_0000)
    #expect(bench.enter().rax == 0xE000_0604_0000_0000)
    #expect(bench.call(18, rcx: Bench.tdvpr).rax == 0)
  }

  @Test("A service TD shows in the version")
  func serviceTD() throws {
    var bench = try Self.bench()
    bench.module.tds[Bench.tdr]?.serviceTDs.slots = [
      .init(
        state: .preBound, type: 0, attributes: .init(rawValue: 0), infoHash: [UInt8](repeating: 7, count: 48))
    ]
    bench.module.tds[Bench.tdr]?.measurement.servtdHash = [UInt8](repeating: 9, count: 48)
    bench.module.tds[Bench.tdr]?.serviceTDs.slots[0] = .init(
      state: .preBound, type: 0, attributes: .init(rawValue: 0), infoHash: [UInt8](repeating: 7, count: 48))
    let report = try Self.report(&bench)
    #expect(report[2] == 1)
    #expect(Array(report[912..<960]) == [UInt8](repeating: 9, count: 48))
  }
}
