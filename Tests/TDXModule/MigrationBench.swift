import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Two TDs and a migration TD that serves both, on the bench, and what a host does to move one into the other.
extension Bench {
  /// The TD that is exported, with its vCPU: ``tdr`` and ``tdvpr``.
  static let destination: UInt64 = 0x600_0000
  static let importedVCPU: UInt64 = 0x610_0000
  static let migTD: UInt64 = 0x700_0000
  static let migVCPU: UInt64 = 0x710_0000
  /// First page of the source's memory; GPAs count from 0.
  static let sourcePages: UInt64 = 0x120_0000
  /// Where the host keeps MBMD, lists and buffers.
  enum Host {
    static let mbmd: UInt64 = 0x80_0000
    static let abortToken: UInt64 = 0x80_0080
    static let pageList: UInt64 = 0x80_1000
    static let gpaList: UInt64 = 0x80_2000
    static let bufferList: UInt64 = 0x80_3000
    static let macs: UInt64 = 0x80_4000
    static let newPageList: UInt64 = 0x80_6000
    static let state: UInt64 = 0x81_0000
    static let buffers: UInt64 = 0x90_0000
    /// Pages that the destination gets.
    static let newPages: UInt64 = 0x800_0000
  }

  /// TD_PARAMS of a TD that can be migrated.
  static var migratable: [UInt8] { parameters { $0.store(UInt64(1 << 29), at: 0) } }

  /// A SEAMCALL with all the operands that migration has.
  @discardableResult
  mutating func call(migration leaf: UInt64, on lp: Int = 0, _ operands: (inout Registers) -> Void) -> Registers {
    var registers = Registers(rax: leaf)
    operands(&registers)
    module.seamcall(&registers, on: lp, machine: &machine)
    return registers
  }

  /// A migration TD that runs, a source with `pages` pages that runs, and a destination that was only created. Both have
  /// `streams` streams and the migration TD, which has exchanged their keys.
  static func migrating(
    _ version: ModuleVersion = .init(1, 5, 34), pages: Int = 3, streams: Int = 2, keys: Bool = true
  ) throws -> Bench {
    var bench = try Bench.withMemory(version)
    bench.createTD(migTD, hkid: 67)
    #expect(bench.initTD(migTD).rax == 0)
    bench.createVCPU(migVCPU, tdr: migTD)
    #expect(bench.call(22, rcx: migVCPU).rax == 0)
    #expect(bench.call(17, rcx: migTD).rax == 0)
    bench.createTD()
    #expect(bench.initTD(tdr, migratable).rax == 0)
    for index in 0..<pages {
      let gpa = UInt64(index) * 4096
      if index % 512 == 0 { bench.addTables(gpa: gpa) }
      #expect(bench.addPage(gpa: gpa, page: sourcePages + gpa, bytes: content(index)).rax == 0)
      bench.extendPage(gpa: gpa)
    }
    bench.createVCPU()
    #expect(bench.call(22, rcx: tdvpr).rax == 0)
    bench.createStreams(streams)
    #expect(bench.bind(tdr).rax == 0)
    #expect(bench.call(17, rcx: tdr).rax == 0)
    bench.createTD(destination, hkid: 66)
    bench.createStreams(streams, destination)
    #expect(bench.bind(destination).rax == 0)
    if keys { bench.exchangeKeys() }
    return bench
  }

  /// What page `index` of the source holds.
  static func content(_ index: Int) -> [UInt8] {
    (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }
  }

  /// TDH.MIG.STREAM.CREATE, `count` times. The pages lie 0x8_0000 behind the TDR.
  mutating func createStreams(_ count: Int, _ tdr: UInt64 = tdr) {
    for index in 0..<UInt64(count) {
      #expect(call(96, rcx: tdr + 0x8_0000 + index * 4096, rdx: tdr).rax == 0)
    }
  }

  /// TDH.SERVTD.BIND of the migration TD.
  @discardableResult
  mutating func bind(_ tdr: UInt64, to service: UInt64 = migTD, attributes: UInt64 = 0) -> Registers {
    call(48, rcx: tdr, rdx: service, r8: 0, r9: 0, r10: attributes)
  }

  /// The registers after TDG.SERVTD.RD (18) or TDG.SERVTD.WR (20) of the migration TD; nil when it left the TD.
  mutating func service(
    _ leaf: UInt64, _ binding: Registers, field: UInt64, value: UInt64 = 0, mask: UInt64 = .max
  ) -> Registers? {
    var registers = Registers(rax: leaf, rcx: binding.rcx, rdx: field, r8: value, r9: mask)
    (registers.r10, registers.r11) = (binding.r10, binding.r11)
    (registers.r12, registers.r13) = (binding.r12, binding.r13)
    enter([.tdcall(registers)], Self.migVCPU, on: 0)
    guard case .registers(let result)? = outcomes(Self.migVCPU).last else { return nil }
    return result
  }

  /// The migration TD gives each side the key under which the other encrypts.
  mutating func exchangeKeys(_ source: UInt64 = tdr, _ destination: UInt64 = destination) {
    // The host gives the migration TD the binding handles and the UUIDs.
    let ends = [bind(source), bind(destination)]
    for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
      for word: UInt64 in 0..<4 {
        let key = service(18, from, field: MigrationFieldID.encryptionKey + word)
        #expect(key?.rax == 0)
        #expect(service(20, to, field: MigrationFieldID.decryptionKey + word, value: key?.r8 ?? 0)?.rax == 0)
      }
    }
  }

  /// TDH.EXPORT.STATE.IMMUTABLE (72), TD (73) or VP (74) of the TD or vCPU at `address`.
  @discardableResult
  mutating func exportState(
    _ leaf: UInt64, _ address: UInt64 = tdr, pages: Int = 8, stream: UInt16 = 0, resume: Bool = false, on lp: Int = 0
  ) -> Registers {
    for index in 0..<UInt64(pages) {
      machine.memory.write((Host.state + index * 4096).littleEndianBytes, at: Host.pageList + 8 * index)
    }
    return call(migration: leaf, on: lp) {
      $0.rcx = address
      $0.r8 = MBMDOperand(address: Host.mbmd).rawValue
      $0.r9 = PageListInfo(address: Host.pageList, count: pages).rawValue
      $0.r10 = MigrationStreamOperand(index: stream, command: resume).rawValue
    }
  }

  /// TDH.IMPORT.STATE.IMMUTABLE (85), TD (86) or VP (87) of what the last export of `pages` pages gave.
  @discardableResult
  mutating func importState(
    _ leaf: UInt64, _ address: UInt64 = destination, pages: UInt64, stream: UInt16 = 0, resume: Bool = false,
    on lp: Int = 0
  ) -> Registers {
    call(migration: leaf, on: lp) {
      $0.rcx = address
      $0.r8 = MBMDOperand(address: Host.mbmd).rawValue
      $0.r9 = PageListInfo(address: Host.pageList, count: Int(pages)).rawValue
      $0.r10 = MigrationStreamOperand(index: stream, command: resume).rawValue
    }
  }

  /// Writes the list of `entries` for TDH.EXPORT.MEM with a buffer for each, and a new page each for TDH.IMPORT.MEM.
  mutating func writeList(_ entries: [GPAListEntry]) {
    for (index, entry) in entries.enumerated() {
      let (number, offset) = (UInt64(index), UInt64(index) * 8)
      machine.memory.write(entry.rawValue.littleEndianBytes, at: Host.gpaList + offset)
      machine.memory.write((Host.buffers + number * 4096).littleEndianBytes, at: Host.bufferList + offset)
      machine.memory.write(
        (Host.newPages + entry.gpa).littleEndianBytes, at: Host.newPageList + offset)
    }
  }

  /// The list as the last leaf left it.
  func list(_ count: Int) -> [GPAListEntry] {
    (0..<count).map {
      GPAListEntry(
        rawValue: UInt64(littleEndianBytes: machine.memory.read(Host.gpaList + 8 * UInt64($0), count: 8)))
    }
  }

  /// Operands of TDH.EXPORT.MEM (68) and TDH.IMPORT.MEM (83) for the list that ``writeList(_:)`` wrote; `rcx` of a call that
  /// was interrupted.
  @discardableResult
  mutating func moveMemory(
    _ leaf: UInt64, _ tdr: UInt64, count: Int, rcx: UInt64? = nil, stream: UInt16 = 0, resume: Bool = false,
    on lp: Int = 0, _ change: (inout Registers) -> Void = { _ in }
  ) -> Registers {
    call(migration: leaf, on: lp) {
      $0.rcx = rcx ?? GPAListInfo(address: Host.gpaList, count: count).rawValue
      $0.rdx = tdr
      $0.r8 = MBMDOperand(address: Host.mbmd).rawValue
      $0.r9 = Host.bufferList
      $0.r10 = MigrationStreamOperand(index: stream, command: resume).rawValue
      $0.r11 = Host.macs
      $0.r12 = Host.macs + 4096
      $0.r13 = leaf == 83 ? Host.newPageList : 0
      change(&$0)
    }
  }

  /// TDH.EXPORT.BLOCKW (65) or TDH.EXPORT.RESTORE (66) of `gpas`.
  @discardableResult
  mutating func changeList(_ leaf: UInt64, _ gpas: [UInt64], _ tdr: UInt64 = tdr, on lp: Int = 0) -> Registers {
    writeList(gpas.map { GPAListEntry(gpa: $0) })
    return call(
      leaf, rcx: GPAListInfo(address: Host.gpaList, count: gpas.count).rawValue, rdx: tdr, on: lp)
  }

  /// TDH.EXPORT.TRACK (71) or TDH.IMPORT.TRACK (84).
  @discardableResult
  mutating func trackMigration(_ leaf: UInt64, _ tdr: UInt64, start: Bool = false) -> Registers {
    call(migration: leaf) {
      $0.rcx = tdr
      $0.r8 = MBMDOperand(address: Host.mbmd).rawValue
      $0.r10 = leaf == 71 ? MigrationStreamOperand(command: start).rawValue : 0
    }
  }

  /// OP_STATE of the TD.
  func opState(_ tdr: UInt64 = tdr) -> OpState? { module.tds[tdr]?.opState }

  /// TDH.EXPORT.STATE.IMMUTABLE of the source, and its import into the destination.
  mutating func startMigration() {
    let exported = exportState(72)
    #expect(exported.rax == 0)
    #expect(importState(85, pages: exported.rdx).rax == 0)
  }

  /// Exports the pages at `gpas` and imports them, with the tables that they need.
  mutating func movePages(_ gpas: [UInt64]) {
    writeList(gpas.map { GPAListEntry(gpa: $0) })
    #expect(moveMemory(68, Self.tdr, count: gpas.count).rax == 0)
    for gpa in gpas { addTables(Self.destination, gpa: gpa) }
    #expect(moveMemory(83, Self.destination, count: gpas.count).rax == 0)
  }

  /// TDH.EXPORT.PAUSE, the mutable state and the vCPU.
  mutating func moveState() {
    #expect(call(70, rcx: Self.tdr).rax == 0)
    let td = exportState(73)
    #expect(td.rax == 0)
    #expect(importState(86, pages: td.rdx).rax == 0)
    createVCPU(Self.importedVCPU, tdr: Self.destination)
    let vcpu = exportState(74, Self.tdvpr)
    #expect(vcpu.rax == 0)
    #expect(importState(87, Self.importedVCPU, pages: vcpu.rdx).rax == 0)
  }

  /// The start token.
  mutating func startToken() {
    #expect(trackMigration(71, Self.tdr, start: true).rax == 0)
    #expect(trackMigration(84, Self.destination).rax == 0)
  }

  /// An update to `version` with `flags` in R9 of TDH.SYS.UPDATE, version 1 when there are any; `avoiding` sets
  /// AVOID_COMPAT_SENSITIVE. Gives what TDH.SYS.SHUTDOWN answered.
  @discardableResult
  mutating func update(
    to version: ModuleVersion, flags: UInt64 = 0, avoiding: Bool = false,
    change: (inout ModuleProgram) -> Void = { _ in }
  ) throws -> UInt64 {
    let hv = UInt64(machine.residentProgram?.moduleHV ?? 0)
    let answer = call(52, rcx: hv | (avoiding ? 1 << 16 : 0)).rax
    guard answer == 0 else { return answer }
    try load(version, keepingHandoff: true, change: change)
    initializeLPs()
    #expect(call(53, version: flags == 0 ? 0 : 1, r9: flags).rax == 0)
    return answer
  }
}
