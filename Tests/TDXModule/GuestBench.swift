import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// A TD with a vCPU and some memory on the bench, as a virtual machine monitor makes it, and what its guest does.
extension Bench {
  static let tdvpr: UInt64 = 0x110_0000
  /// Where the pages lie that ``mapPage(_:_:at:tdr:)`` puts under a TD.
  static let memory: UInt64 = 0x200_0000

  /// TDH.VP.CREATE and ADDCX of the five further pages, which follow the TDVPR.
  mutating func createVCPU(_ tdvpr: UInt64 = tdvpr, tdr: UInt64 = tdr, pages: UInt64 = 6) {
    #expect(call(10, rcx: tdvpr, rdx: tdr).rax == 0)
    for page in 1..<pages { #expect(call(4, rcx: tdvpr + page * 4096, rdx: tdvpr).rax == 0) }
  }

  /// A TD that runs: one vCPU, initialised on LP 0, with `parameters`.
  static func running(
    _ version: ModuleVersion = .init(1, 5, 34), lps: Int = 4, _ parameters: [UInt8] = parameters()
  ) throws -> Bench {
    var bench = try Bench.withMemory(version, lps: lps)
    bench.createTD()
    #expect(bench.initTD(tdr, parameters).rax == 0)
    bench.createVCPU()
    #expect(bench.call(22, rcx: tdvpr, rdx: 0x1234).rax == 0)
    #expect(bench.call(17, rcx: tdr).rax == 0)
    return bench
  }

  /// Puts an entry in `state` at `gpa` into the secure EPT, with the tables that lead to it.
  mutating func map(_ gpa: UInt64, _ state: SEPTState, level: UInt8 = 0, tdr: UInt64 = tdr) {
    let root = module.tds[tdr]?.parameters.rootLevel ?? 3
    for above in (level + 1)...root {
      module.tds[tdr]?.sept[gpa, above] = SEPTEntry(state: .nonLeafMapped, hpa: 0)
    }
    module.tds[tdr]?.sept[gpa, level] = SEPTEntry(state: state, hpa: Self.memory + gpa)
  }

  /// Does `steps` in one TDH.VP.ENTER; gives its registers.
  @discardableResult
  mutating func enter(_ steps: [GuestStep] = [], _ tdvpr: UInt64 = tdvpr, on lp: Int = 0) -> Registers {
    machine.guests[tdvpr, default: GuestProgram()].steps += steps
    return call(0, rcx: tdvpr, on: lp)
  }

  /// What the guest has seen since the last time.
  mutating func outcomes(_ tdvpr: UInt64 = tdvpr) -> [GuestOutcome] {
    let outcomes = machine.guests[tdvpr]?.outcomes ?? []
    machine.guests[tdvpr]?.outcomes = []
    return outcomes
  }

  /// Registers after one TDCALL of the guest; nil when it left the TD or got a #VE.
  mutating func tdcall(
    _ leaf: UInt64, rcx: UInt64 = 0, rdx: UInt64 = 0, r8: UInt64 = 0, r9: UInt64 = 0, _ tdvpr: UInt64 = tdvpr,
    on lp: Int = 0
  ) -> Registers? {
    var registers = Registers(rax: leaf, rcx: rcx, rdx: rdx, r8: r8)
    registers.r9 = r9
    enter([.tdcall(registers)], tdvpr, on: lp)
    guard case .registers(let result)? = outcomes(tdvpr).last else {
      machine.guests[tdvpr]?.steps = []
      return nil
    }
    return result
  }
}
