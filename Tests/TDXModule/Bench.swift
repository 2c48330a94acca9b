import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// A machine with a module on it, and this file's own idea of what a P-SEAMLDR leaves in SEAM memory.
struct Bench {
  var machine: Machine
  var module = TDXModule()

  init(
    _ version: ModuleVersion = .init(1, 5, 34), cpu: CPUModel = .spr, lps: Int = 4, memoryGiB: Int = 16,
    change: (inout ModuleProgram) -> Void = { _ in }
  ) throws {
    machine = Machine(
      configuration: .init(cpu: cpu, logicalProcessors: lps, memoryGiB: memoryGiB, seamdbSize: 32), seed: 7)
    try load(version, change: change)
  }

  /// A fresh program: clears the data region, but for the handoff data when they are kept.
  mutating func load(
    _ version: ModuleVersion, keepingHandoff: Bool = false, handoffPages: UInt16? = nil,
    sigstructHV: UInt16? = nil, change: (inout ModuleProgram) -> Void = { _ in }
  ) throws {
    let release = try #require(ReleaseTable.release(version))
    var program = ModuleProgram(release: release)
    change(&program)
    let base = machine.configuration.seamRangeBase
    let data = base + 4096 + 4096 * UInt64(machine.configuration.logicalProcessors)
    let header = machine.memory.read(data, count: 8)
    let size = Int(UInt32(littleEndianBytes: header.dropFirst(4)))
    let kept = keepingHandoff ? machine.memory.read(data, count: 8 + size) : []
    machine.memory.clearSEAM(from: base, to: base + (64 << 20))
    machine.memory.write(kept, at: data)

    var table = [UInt8](repeating: 0, count: 4096)
    table.store(UInt32(machine.configuration.logicalProcessors), at: 8)
    table.store(UInt32(machine.configuration.packages), at: 12)
    for package in 0..<machine.configuration.packages {
      table.store(machine.configuration.cpu.signature, at: 16 + 4 * package)
    }
    table.store(UInt64(0), at: 128)
    table.store(base, at: 136)
    table.store(sigstructHV ?? program.moduleHV, at: 2152)
    table.store(program.minUpdateHV, at: 2154)
    table.store(UInt8(program.noDowngrade ? 1 : 0), at: 2156)
    table.store(handoffPages ?? release.handoffPages, at: 2158)
    machine.memory.write(table, at: base)

    var info = SEAMInfo()
    info.minorSVN = release.minorSVN
    info.majorSVN = release.majorSVN
    info.valid = SEAMInfo.validWithModule
    info.mrseam = [UInt8](repeating: UInt8(truncatingIfNeeded: version.update), count: 48)
    var seamdb = machine.seamdb
    var entropy = Entropy(seed: machine.imageGeneration)
    try seamdb.insert(info, entropy: &entropy)
    machine.seamdb = seamdb
    machine.residentProgram = program
    machine.imageGeneration += 1
    machine.seamExtend.seamReady = true
  }

  /// Overwrites the SYS_INFO table in place.
  mutating func patchSysInfo(_ bytes: [UInt8], at offset: UInt64) {
    machine.memory.write(bytes, at: machine.configuration.seamRangeBase + offset)
  }

  /// One SEAMCALL.
  @discardableResult
  mutating func call(
    _ leaf: UInt64, version: UInt64 = 0, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0,
    r10: UInt64 = 0, on lp: Int = 0
  ) -> Registers {
    var registers = Registers(rax: leaf | version << 16, rcx: rcx, rdx: rdx, r8: r8, r9: r9, r10: r10, r11: 0)
    module.seamcall(&registers, on: lp, machine: &machine)
    return registers
  }

  /// SYS.INIT and LP.INIT everywhere.
  mutating func initializeLPs() {
    #expect(call(33).rax == 0)
    for lp in 0..<machine.configuration.logicalProcessors {
      let registers = call(35, on: lp)
      #expect(registers.rax == 0)
    }
  }

  /// Address of the array of TDMR_INFO pointers that ``writeTDMRs(_:)`` makes.
  static let array: UInt64 = 0x10_0000

  /// Writes TDMR_INFO structures as a host does.
  mutating func writeTDMRs(_ infos: [[UInt64]]) {
    for (index, info) in infos.enumerated() {
      let address = Self.array + 4096 + UInt64(index) * 512
      machine.memory.write([UInt8](repeating: 0, count: 512), at: address)
      machine.memory.write(info.flatMap(\.littleEndianBytes), at: address)
      machine.memory.write(address.littleEndianBytes, at: Self.array + 8 * UInt64(index))
    }
  }

  /// One TDMR of `gib` GiB from `base` GiB on with its PAMT in a reserved area at its very end, 4 MiB + 8 KiB + 4 KiB a GiB.
  static func tdmr(base: UInt64 = 0, gib: UInt64 = 1) -> [UInt64] {
    let start = base << 30
    let size = gib << 30
    let area = gib * (4 << 20) + gib * 8192 + gib * 4096
    let pamt = start + size - area
    return [
      start, size,
      pamt + gib * (4 << 20) + gib * 8192, gib * 4096,
      pamt + gib * (4 << 20), gib * 8192,
      pamt, gib * (4 << 20),
      size - area, area,
    ]
  }

  /// CONFIG, KEY.CONFIG and, for `initializedGiB` of the TDMR, TDMR.INIT.
  mutating func configure(gib: UInt64 = 1, initializedGiB: UInt64 = 0, hkid: UInt64 = 64) {
    writeTDMRs([Self.tdmr(gib: gib)])
    #expect(call(45, rcx: Self.array, rdx: 1, r8: hkid).rax == 0)
    let perPackage = machine.configuration.logicalProcessors / machine.configuration.packages
    for package in 0..<machine.configuration.packages {
      #expect(call(31, on: package * perPackage).rax == 0)
    }
    for _ in 0..<(256 * initializedGiB) { call(36) }
    #expect(module.sysState == .ready)
  }

  /// A module that Linux brought up.
  static func ready(
    _ version: ModuleVersion = .init(1, 5, 34), cpu: CPUModel = .spr, lps: Int = 4,
    change: (inout ModuleProgram) -> Void = { _ in }
  ) throws -> Bench {
    var bench = try Bench(version, cpu: cpu, lps: lps, change: change)
    bench.initializeLPs()
    bench.configure()
    return bench
  }

  /// A module in `state`; LPs are initialised from SYSINIT_DONE on.
  static func inState(_ state: SysState, _ version: ModuleVersion = .init(1, 5, 34)) throws -> Bench {
    var bench = try Bench(version, lps: 2)
    if state == .initPending { return bench }
    bench.initializeLPs()
    if state == .initDone { return bench }
    bench.writeTDMRs([tdmr()])
    bench.call(45, rcx: array, rdx: 1, r8: 64)
    if state == .configDone { return bench }
    bench.call(31)
    if state == .ready { return bench }
    let hv = UInt64(bench.machine.residentProgram?.moduleHV ?? 0)
    bench.call(52, rcx: hv)
    return bench
  }

  /// Bytes of the data region.
  func dataRegion(_ offset: UInt64, count: Int) -> [UInt8] {
    machine.memory.read(
      machine.configuration.seamRangeBase + 4096 + 4096 * UInt64(machine.configuration.logicalProcessors) + offset,
      count: count)
  }

  /// Overwrites bytes of the data region.
  mutating func patchDataRegion(_ bytes: [UInt8], at offset: UInt64) {
    machine.memory.write(
      bytes,
      at: machine.configuration.seamRangeBase + 4096 + 4096 * UInt64(machine.configuration.logicalProcessors) + offset)
  }

  /// TDH.SYS.RD of a field; nil when it is refused.
  mutating func read(_ id: UInt64, on lp: Int = 0) -> UInt64? {
    let registers = call(34, rdx: id, on: lp)
    return registers.rax == 0 ? registers.r8 : nil
  }
}

/// Every public release.
let releases = ReleaseTable.all.map(\.version)

/// A failed expectation shows what it compared, not all of memory.
extension Bench: CustomTestStringConvertible, CustomReflectable {
  var testDescription: String { "bench with \(module)" }
  var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Machine: CustomTestStringConvertible {
  /// One line, for failed expectations.
  public var testDescription: String { "machine with \(memory.residentPages) pages" }
}
