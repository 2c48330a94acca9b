import Basics
import Cryptography
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Service TDs: TDH.SERVTD.*, TDG.SERVTD.*, SERVTD_HASH (tdx-module.md 1.1, 6.7; module source 1.5.01).
@Suite("Service TDs", .timeLimit(.minutes(20)))
struct ServiceTDTests {
  private let tdr = Bench.tdr
  private static let hashAddress: UInt64 = 0x30_0000

  /// A migration TD that runs, and a TD in its build with one vCPU.
  private func start() throws -> Bench {
    var bench = try Bench.withMemory()
    bench.createTD(Bench.migTD, hkid: 67)
    #expect(bench.initTD(Bench.migTD).rax == 0)
    bench.createVCPU(Bench.migVCPU, tdr: Bench.migTD)
    #expect(bench.call(22, rcx: Bench.migVCPU).rax == 0)
    #expect(bench.call(17, rcx: Bench.migTD).rax == 0)
    bench.createTD()
    #expect(bench.initTD().rax == 0)
    bench.createVCPU()
    #expect(bench.call(22, rcx: Bench.tdvpr).rax == 0)
    return bench
  }

  private func prebind(_ bench: inout Bench, _ hash: [UInt8], attributes: UInt64 = 0) -> UInt64 {
    bench.machine.memory.write(hash, at: Self.hashAddress)
    return bench.call(49, rcx: tdr, rdx: Self.hashAddress, r10: attributes).rax
  }

  /// TEE_INFO_HASH of the migration TD of ``start()``, which has no parameters but XFAM 3 and nothing in its MRTD.
  private static func serviceHash(leavingOut ranges: [Range<Int>] = []) -> [UInt8] {
    var info = [UInt8](repeating: 0, count: 512)
    info[8] = 3
    info.replaceSubrange(16..<64, with: SHA384.digest(of: []))
    for range in ranges { info.replaceSubrange(range, with: repeatElement(0, count: range.count)) }
    return SHA384.digest(of: info)
  }

  /// SERVTD_HASH of one slot.
  private static func servtdHash(_ hash: [UInt8], attributes: UInt64 = 0) -> [UInt8] {
    SHA384.digest(of: hash + [0, 0] + attributes.littleEndianBytes)
  }

  @Test("Binding: handle, UUID of the served TD, and SERVTD_HASH at TDH.MR.FINALIZE")
  func bind() throws {
    var bench = try start()
    #expect(bench.call(4, rcx: 0, rdx: 0).rax != 0)
    let bound = bench.bind(tdr)
    #expect(bound.rax == 0)
    let uuid = try #require(bench.module.tds[tdr]?.uuid)
    let service = try #require(bench.module.tds[Bench.migTD]?.uuid)
    #expect([bound.r10, bound.r11, bound.r12, bound.r13] == uuid)
    #expect(bound.rcx == tdr &+ service[0])
    #expect(bench.module.tds[tdr]?.measurement.servtdHash == [UInt8](repeating: 0, count: 48))
    #expect(bench.call(17, rcx: tdr).rax == 0)
    #expect(bench.module.tds[tdr]?.measurement.servtdHash == Self.servtdHash(Self.serviceHash()))
    // Binding the same TD again is allowed, and changes nothing in the hash.
    #expect(bench.bind(tdr).rax == 0)
    #expect(bench.module.tds[tdr]?.measurement.servtdHash == Self.servtdHash(Self.serviceHash()))
  }

  @Test("Without a service TD the hash is zero")
  func none() throws {
    var bench = try start()
    #expect(bench.call(17, rcx: tdr).rax == 0)
    #expect(bench.module.tds[tdr]?.measurement.servtdHash == [UInt8](repeating: 0, count: 48))
    #expect(bench.module.tds[tdr]?.serviceTDs.hasBinding == false)
    #expect(bench.bind(tdr).rax == 0xC000_0608_0000_0000)
  }

  /// IGNORE_TDINFO: bit of SERVTD_ATTR, bytes of TDINFO.
  static let ignored: [(bit: UInt64, Range<Int>)] = [
    (32, 0..<8), (33, 8..<16), (34, 16..<64), (35, 64..<112), (36, 112..<160), (37, 160..<208), (38, 208..<256),
    (39, 256..<304), (40, 304..<352), (41, 352..<400), (42, 400..<448),
  ]

  @Test("SERVTD_ATTR leaves parts of TDINFO out of the hash", arguments: ignored)
  func ignoredFields(bit: UInt64, range: Range<Int>) throws {
    var bench = try start()
    // Everything is there to be left out.
    bench.module.tds[Bench.migTD]?.parameters.attributes = .septVEDisable
    bench.module.tds[Bench.migTD]?.parameters.mrConfigID = [UInt8](repeating: 1, count: 48)
    bench.module.tds[Bench.migTD]?.parameters.mrOwner = [UInt8](repeating: 2, count: 48)
    bench.module.tds[Bench.migTD]?.parameters.mrOwnerConfig = [UInt8](repeating: 3, count: 48)
    bench.module.tds[Bench.migTD]?.measurement.servtdHash = [UInt8](repeating: 4, count: 48)
    var info = [UInt8](repeating: 0, count: 512)
    info[3] = 0x10
    info[8] = 3
    info.replaceSubrange(16..<64, with: SHA384.digest(of: []))
    for (index, start) in [64, 112, 160].enumerated() {
      info.replaceSubrange(start..<(start + 48), with: repeatElement(UInt8(index + 1), count: 48))
    }
    for index in 0..<4 {
      let input = [UInt8](repeating: UInt8(index), count: 48)
      bench.module.tds[Bench.migTD]?.measurement.extendRTMR(index, with: input)
      let start = 208 + 48 * index
      info.replaceSubrange(
        start..<(start + 48), with: SHA384.digest(of: [UInt8](repeating: 0, count: 48) + input))
    }
    info.replaceSubrange(400..<448, with: repeatElement(4, count: 48))
    let whole = SHA384.digest(of: info)
    info.replaceSubrange(range, with: repeatElement(0, count: range.count))
    let partial = SHA384.digest(of: info)
    #expect(whole != partial)
    #expect(bench.module.tds[Bench.migTD]?.infoHash() == whole)
    #expect(bench.bind(tdr, attributes: 1 << bit).rax == 0)
    #expect(bench.module.tds[tdr]?.serviceTDs.slots[0]?.infoHash == partial)
    #expect(bench.call(17, rcx: tdr).rax == 0)
    #expect(
      bench.module.tds[tdr]?.measurement.servtdHash == Self.servtdHash(partial, attributes: 1 << bit))
  }

  @Test("A pre-bound slot says which TD may be bound, also when the TD runs already")
  func prebind() throws {
    var bench = try start()
    let hash = Self.serviceHash()
    #expect(prebind(&bench, [UInt8](repeating: 9, count: 48)) == 0)
    #expect(bench.module.tds[tdr]?.serviceTDs.hasBinding == true)
    #expect(bench.bind(tdr).rax == 0xC000_0D03_0000_0000)
    #expect(prebind(&bench, hash) == 0)
    #expect(bench.bind(tdr, attributes: 1 << 33).rax == 0xC000_0D02_0000_0000)
    #expect(bench.call(17, rcx: tdr).rax == 0)
    #expect(bench.module.tds[tdr]?.measurement.servtdHash == Self.servtdHash(hash))
    #expect(prebind(&bench, hash) == 0xC000_0608_0000_0000)
    #expect(bench.bind(tdr).rax == 0)
    #expect(bench.module.tds[tdr]?.measurement.servtdHash == Self.servtdHash(hash))
  }

  @Test("A slot in use admits only what it was bound to")
  func mismatches() throws {
    var bench = try start()
    // Another TD, measured as the first, and one with other attributes.
    for (tdr, hkid, attributes) in [(0xA00_0000, 70, 0), (0xB00_0000, 71, 1 << 28)] as [(UInt64, UInt64, UInt64)] {
      bench.createTD(tdr, hkid: hkid)
      #expect(bench.initTD(tdr, Bench.parameters { $0.store(attributes, at: 0) }).rax == 0)
      bench.createVCPU(tdr + 0x10_0000, tdr: tdr)
      #expect(bench.call(22, rcx: tdr + 0x10_0000).rax == 0)
      #expect(bench.call(17, rcx: tdr).rax == 0)
    }
    var instance = bench
    #expect(bench.bind(tdr).rax == 0)
    #expect(prebind(&bench, Self.serviceHash()) == 0xC000_0D06_0000_0000)
    #expect(bench.bind(tdr, attributes: 1).rax == 0xC000_0D02_0000_0000)
    #expect(bench.bind(tdr, to: 0xB00_0000).rax == 0xC000_0D03_0000_0000)
    #expect(bench.bind(tdr, to: 0xA00_0000).rax == 0)
    #expect(bench.module.tds[tdr]?.serviceTDs.slots[0]?.uuid == bench.module.tds[0xA00_0000]?.uuid)
    #expect(instance.bind(tdr, attributes: 1).rax == 0)
    #expect(instance.bind(tdr, to: 0xA00_0000, attributes: 1).rax == 0xC000_0D04_0000_0000)
    // The instance may change its RTMRs.
    instance.module.tds[Bench.migTD]?.measurement.extendRTMR(0, with: [UInt8](repeating: 0, count: 48))
    #expect(instance.bind(tdr, attributes: 1).rax == 0)
  }

  /// What, change of the operands RCX, RDX, R8, R9, R10 of TDH.SERVTD.BIND, answer.
  static let wrong: [(String, [UInt64?], UInt64)] = [
    ("a TD that serves itself", [nil, Bench.tdr, 7, 7, 7], 0xC000_0100_0000_0002),
    ("no TDR", [0x180_0000, nil, 7, 7, 7], 0xC000_0300_0000_0001),
    ("no service TDR", [nil, 0x180_0000, 7, 7, 7], 0xC000_0300_0000_0002),
    ("a service TD that was not finalised", [Bench.migTD, Bench.tdr, 7, 7, 7], 0xC000_0608_0000_0000),
    ("slot 1", [nil, nil, 1, 7, 7], 0xC000_0100_0000_0008),
    ("type 1", [nil, nil, nil, 1, 2], 0xC000_0100_0000_0009),
    ("type 65536", [nil, nil, nil, 65536, 2], 0xC000_0100_0000_0009),
    ("SOLICITED_BINDING", [nil, nil, nil, nil, 2], 0xC000_0100_0000_000A),
    ("bit 43", [nil, nil, nil, nil, 1 << 43], 0xC000_0100_0000_000A),
  ]

  @Test("Operands of TDH.SERVTD.BIND, in the order of its checks", arguments: wrong.indices)
  func operands(index: Int) throws {
    let (what, change, answer) = Self.wrong[index]
    var bench = try start()
    let operands = zip(change, [tdr, Bench.migTD, 0, 0, 0]).map { $0 ?? $1 }
    let refused = bench.call(
      48, rcx: operands[0], rdx: operands[1], r8: operands[2], r9: operands[3], r10: operands[4])
    #expect(refused.rax == answer, "\(what)")
    #expect([refused.rcx, refused.r10, refused.r11, refused.r12, refused.r13] == [0, 0, 0, 0, 0])
    #expect(bench.module.tds[tdr]?.serviceTDs.hasBinding == false)
  }

  @Test("Locks, and operands of TDH.SERVTD.PREBIND")
  func locks() throws {
    var bench = try start()
    bench.module.locks.serviceTDs[tdr] = .shared
    #expect(bench.bind(tdr).rax == 0x8000_0200_0000_00AE)
    #expect(prebind(&bench, Self.serviceHash()) == 0x8000_0200_0000_00AE)
    bench.module.locks.serviceTDs = [:]
    bench.module.locks.rtmrs = [Bench.migTD]
    #expect(bench.bind(tdr).rax == 0x8000_0200_0000_00A8)
    bench.module.locks.rtmrs = []
    bench.module.locks.opStates[Bench.migTD] = .exclusive
    #expect(bench.bind(tdr).rax == 0x8000_0200_0000_00AC)
    #expect(bench.call(49, rcx: tdr, rdx: 32).rax == 0xC000_0100_0000_0002)
    #expect(bench.call(49, rcx: tdr, rdx: Self.hashAddress, r8: 1).rax == 0xC000_0100_0000_0008)
    #expect(bench.call(49, rcx: tdr, rdx: Self.hashAddress, r9: 1).rax == 0xC000_0100_0000_0009)
    #expect(bench.call(49, rcx: tdr, rdx: Self.hashAddress, r10: 4).rax == 0xC000_0100_0000_000A)
  }

  @Test("A service TD reads and writes the keys; each reading of the first word makes a new key")
  func keys() throws {
    var bench = try start()
    let binding = bench.bind(tdr)
    let words = (0..<4).map { bench.service(18, binding, field: MigrationFieldID.encryptionKey + UInt64($0))?.r8 }
    #expect(words == bench.module.tds[tdr]?.migration.encryptionKey)
    #expect(Set(words).count == 4)
    #expect(bench.service(18, binding, field: MigrationFieldID.encryptionKey)?.r8 != words[0])
    #expect(bench.service(20, binding, field: MigrationFieldID.encryptionKey, value: 1)?.rax == 0xC000_0C01_0000_0000)
    #expect(bench.module.tds[tdr]?.migration.isDecryptionKeySet == false)
    #expect(bench.service(20, binding, field: MigrationFieldID.decryptionKey + 3, value: 0xFF, mask: 0xF)?.r8 == 0)
    #expect(bench.service(18, binding, field: MigrationFieldID.decryptionKey + 3)?.r8 == 0xF)
    #expect(bench.module.tds[tdr]?.migration.isDecryptionKeySet == true)
    #expect(bench.service(18, binding, field: MigrationFieldID.version)?.r8 == 0)
    #expect(bench.service(20, binding, field: MigrationFieldID.version, value: 1)?.rax == 0xC000_0C03_0000_0000)
    #expect(bench.service(18, binding, field: MigrationFieldID.decryptionKey + 4)?.rax == 0xC000_0C00_0000_0000)
    #expect(bench.service(18, binding, field: 1 << 30)?.rax == 0xC000_0C00_0000_0000)
    bench.machine.entropy.failures = 1
    #expect(bench.service(18, binding, field: MigrationFieldID.encryptionKey)?.rax == 0x8000_0203_0000_0000)
  }

  @Test("A service TD that is not bound, or was changed, leaves with CROSS_TD_TRAP")
  func crossTD() throws {
    var bench = try start()
    let field = MigrationFieldID.version
    let binding = bench.bind(tdr)

    func trap(_ bench: inout Bench, _ binding: Registers) -> Registers {
      var registers = Registers(rax: 18, rcx: binding.rcx, rdx: field)
      (registers.r10, registers.r11) = (binding.r10, binding.r11)
      (registers.r12, registers.r13) = (binding.r12, binding.r13)
      return bench.enter([.tdcall(registers)], Bench.migVCPU)
    }
    var wrongUUID = binding
    wrongUUID.r10 ^= 1
    #expect(bench.service(18, wrongUUID, field: field)?.rax == 0xC000_0D07_0000_0000)
    var wrongSlot = binding
    wrongSlot.rcx &+= 1
    #expect(bench.service(18, wrongSlot, field: field)?.rax == 0xC000_0100_0000_0001)
    var wrongTD = binding
    wrongTD.rcx &+= 4096
    let exit = trap(&bench, wrongTD)
    #expect(exit.rax == 0x9000_0009_0000_0000)
    #expect(exit.rdx == 0xC000_0300_0000_0080)
    #expect(exit.r8 == tdr + 4096)
    // The guest hears it too.
    #expect(bench.enter([], Bench.migVCPU).rax == 1)
    guard case .registers(let told)? = bench.outcomes(Bench.migVCPU).last else {
      Issue.record("the TDCALL has no outcome")
      return
    }
    #expect(told.rax == 0xC000_0300_0000_0080)

    var changed = bench
    changed.module.tds[Bench.migTD]?.measurement.extendRTMR(1, with: [UInt8](repeating: 0, count: 48))
    #expect(trap(&changed, binding).rdx == 0xC000_0D03_0000_0000)
    var stranger = bench
    stranger.module.tds[tdr]?.serviceTDs.slots[0]?.uuid = [1, 2, 3, 4]
    #expect(trap(&stranger, binding).rdx == 0xC000_0D04_0000_0000)
    var loose = bench
    loose.module.tds[tdr]?.serviceTDs.slots[0]?.state = .preBound
    #expect(trap(&loose, binding).rdx == 0xC000_0D05_0000_0000)
    bench.module.locks.serviceTDs[tdr] = .exclusive
    #expect(bench.service(18, binding, field: field)?.rax == 0x8000_0200_0000_00AE)
  }

  @Test("After an import the served TD has the UUID of the source, and the service TD is told")
  func uuidUpdated() throws {
    var bench = try Bench.migrating()
    let before = bench.bind(Bench.destination)
    bench.startMigration()
    let source = try #require(bench.module.tds[tdr]?.uuid)
    let told = bench.service(18, before, field: MigrationFieldID.version)
    #expect(told?.rax == 0xC000_0D08_0000_0000)
    #expect([told?.r10, told?.r11, told?.r12, told?.r13] == source)
  }

  @Test("A report says that a service TD is bound")
  func report() throws {
    var bench = try Bench.migrating()
    let registers = Registers(rax: 4, rcx: 0x1000, rdx: 0)
    bench.enter([.tdcall(registers), .read(gpa: 0x1000, count: 1024)])
    guard case .bytes(let report)? = bench.outcomes().last else {
      Issue.record("there is no report")
      return
    }
    #expect(Array(report.prefix(4)) == [0x81, 0, 1, 0])
    #expect(Array(report[912..<960]) == bench.module.tds[tdr]?.measurement.servtdHash)
  }
}
