import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// What a virtual machine monitor does with a TD's memory, leaf by leaf.
extension Bench {
  /// Where the TD of ``buildTD(_:parameters:)`` is; its other pages follow.
  static let tdr: UInt64 = 0x100_0000
  /// From here on pages are the host's, for the tests to give away; 2 MiB aligned.
  static let free: UInt64 = 0x400_0000

  /// A TD that went through TDH.MNG.INIT and has tables for its first GiB down to level 0 of its first 2 MiB.
  static func withTD(
    _ version: ModuleVersion = .init(1, 5, 34), lps: Int = 4, tables: Bool = true, _ parameters: [UInt8] = parameters()
  ) throws -> Bench {
    var bench = try Bench.withMemory(version, lps: lps)
    bench.createTD()
    #expect(bench.initTD(tdr, parameters).rax == 0)
    guard tables else { return bench }
    bench.addTables(gpa: 0)
    return bench
  }

  /// The tables that lead to the 4-KiB pages around `gpa`, but for those that are there. Their pages lie at 48 MiB and up.
  mutating func addTables(_ tdr: UInt64 = tdr, gpa: UInt64, down lowest: UInt64 = 1, root: UInt64 = 3) {
    for level in (lowest...root).reversed() {
      let place = gpa & ~((1 << (12 + 9 * level)) - 1) | level
      guard call(25, rcx: place, rdx: tdr).rdx >> 8 == 0 else { continue }
      let page = nextTablePage
      #expect(call(3, rcx: place, rdx: tdr, r8: page).rax == 0)
    }
  }

  /// One SEAMCALL with every register.
  @discardableResult
  mutating func seamcall(_ input: Registers, on lp: Int = 0) -> Registers {
    var registers = input
    module.seamcall(&registers, on: lp, machine: &machine)
    return registers
  }

  /// A page at 48 MiB or above that is free.
  private var nextTablePage: UInt64 {
    var page: UInt64 = 0x300_0000
    while module.pamt[page] != nil { page += 4096 }
    return page
  }

  /// TDH.MEM.PAGE.ADD of a page with `bytes`.
  @discardableResult
  mutating func addPage(
    _ tdr: UInt64 = tdr, gpa: UInt64, page: UInt64, bytes: [UInt8] = Self.pattern
  ) -> Registers {
    machine.memory.write(bytes, at: Self.shared)
    return call(2, rcx: gpa, rdx: tdr, r8: page, r9: Self.shared)
  }

  /// Byte i is i modulo 256, as in the vectors of tdx-module.md 6.7.
  static let pattern = (0..<4096).map { UInt8(truncatingIfNeeded: $0) }

  /// TDH.MR.EXTEND of all 16 parts of the page at `gpa`.
  mutating func extendPage(_ tdr: UInt64 = tdr, gpa: UInt64) {
    for part: UInt64 in 0..<16 { #expect(call(16, rcx: gpa + 256 * part, rdx: tdr).rax == 0) }
  }

  /// TDH.MR.FINALIZE of a TD with one vCPU.
  @discardableResult
  mutating func finalize(_ tdr: UInt64 = tdr) -> Registers {
    module.tds[tdr]?.vcpuCount = 1
    return call(17, rcx: tdr)
  }

  /// The state that TDH.MEM.SEPT.RD tells; nil when it does not get there.
  mutating func septState(_ place: UInt64, of tdr: UInt64 = tdr) -> SEPTState? {
    let answer = call(25, rcx: place, rdx: tdr)
    return answer.rax == 0 ? SEPTState(rawValue: UInt8(truncatingIfNeeded: answer.rdx >> 8)) : nil
  }

  /// MRTD in hexadecimal.
  func mrtd(_ tdr: UInt64 = tdr) -> String? { module.tds[tdr]?.measurement.mrtd.hexadecimal }

  /// An update to `version` as Linux makes it; `flags` are R9 of TDH.SYS.UPDATE version 1.
  mutating func update(to version: ModuleVersion, flags: UInt64? = nil) throws {
    let hv = UInt64(machine.residentProgram?.moduleHV ?? 0)
    #expect(call(52, rcx: hv).rax == 0)
    try load(version, keepingHandoff: true)
    initializeLPs()
    #expect(call(53, version: flags == nil ? 0 : 1, r9: flags ?? 0).rax == 0)
  }
}
