import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// What a virtual machine monitor does on the bench, leaf by leaf: pages come from 16 MiB up.
extension Bench {
  /// A module that Linux brought up, with one TDMR of 1 GiB that is initialised, so that private pages can lie in it.
  static func withMemory(
    _ version: ModuleVersion = .init(1, 5, 34), cpu: CPUModel = .spr, lps: Int = 4,
    change: (inout ModuleProgram) -> Void = { _ in }
  ) throws -> Bench {
    var bench = try Bench(version, cpu: cpu, lps: lps, change: change)
    bench.initializeLPs()
    bench.configure(initializedGiB: 1)
    return bench
  }

  /// A TD_PARAMS that every module takes: no attributes, x87 and SSE, 4 vCPUs, four-level EPT, 1 GHz.
  static func parameters(_ change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 1024)
    bytes.store(UInt64(3), at: 8)
    bytes.store(UInt16(4), at: 16)
    bytes.store(UInt64(6 | 3 << 3), at: 24)
    bytes.store(UInt16(40), at: 40)
    change(&bytes)
    return bytes
  }

  /// Where TD_PARAMS and source pages lie.
  static let shared: UInt64 = 0x20_0000

  /// TDH.MNG.CREATE, KEY.CONFIG on every package and ADDCX of as many pages as the module asks for. The TDCX pages follow
  /// the TDR.
  mutating func createTD(_ tdr: UInt64 = 0x100_0000, hkid: UInt64 = 65) {
    #expect(call(9, rcx: tdr, rdx: hkid).rax == 0)
    let perPackage = machine.configuration.logicalProcessors / machine.configuration.packages
    for package in 0..<machine.configuration.packages {
      #expect(call(8, rcx: tdr, on: package * perPackage).rax == 0)
    }
    for page in 1...UInt64(module.state?.traits.minTDCX ?? 6) {
      #expect(call(1, rcx: tdr + page * 4096, rdx: tdr).rax == 0)
    }
  }

  /// TDH.MNG.INIT with `parameters`.
  @discardableResult
  mutating func initTD(_ tdr: UInt64 = 0x100_0000, _ parameters: [UInt8] = parameters()) -> Registers {
    machine.memory.write(parameters, at: Self.shared)
    return call(21, rcx: tdr, rdx: Self.shared)
  }
}
