import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TDH.SYS.INFO (tdx-module.md 5.1).
@Suite("INFO", .timeLimit(.minutes(20)))
struct SysInfoTests {
  private static let buffer: UInt64 = 0x30_0000
  private static let cmrs: UInt64 = 0x30_1000

  private func initialized(_ version: ModuleVersion) throws -> Bench {
    var bench = try Bench(version)
    bench.initializeLPs()
    bench.machine.memory.write([UInt8](repeating: 0xEE, count: 8192), at: Self.buffer)
    return bench
  }

  @Test("1.5.01, byte for byte")
  func oldest() throws {
    var bench = try initialized(.init(1, 5, 1))
    let answer = bench.call(32, rcx: Self.buffer, rdx: 1024, r8: Self.cmrs, r9: 32)
    #expect(answer.rax == 0 && answer.rdx == 1024 && answer.r9 == 32)
    let bytes = bench.machine.memory.read(Self.buffer, count: 1025)
    #expect(
      bytes[0..<32].hexadecimal
        == "00000000" + "86800000" + "60b33401" + "5302" + "0500" + "0100" + "01" + "00000000000000000000000000")
    #expect(
      bytes[32..<64].hexadecimal == "400010001000" + "00000000000000000000" + "00600000" + "0060" + "00"
        + "000000000000000000")
    #expect(
      bytes[64..<128].hexadecimal == "0100007000000080" + "0000000000000000" + "e7db060000000000"
        + "0300000000000000" + String(repeating: "00", count: 32))
    #expect(bytes[128..<132].hexadecimal == "0c000000")
    // Leaf 1: EAX and EBX free; of ECX and EDX those of the mask that the CPU has (7FFEFBFF, BFEBFBFF).
    #expect(bytes[132..<156].hexadecimal == "01000000ffffffff" + "ff3fff0f0000ff00" + "88490431000040b8")
    // Leaf 4, subleaf 3.
    #expect(bytes[228..<252].hexadecimal == "0400000003000000" + "ffc3ffff00f0ffff" + "ffffffff07000000")
    #expect(bytes[420..<1024].allSatisfy { $0 == 0 })
    #expect(bytes[1024] == 0xEE)
    let list = bench.machine.memory.read(Self.cmrs, count: 513)
    #expect(list[0..<16].hexadecimal == "00000000000000000000000004000000")
    #expect(list[16..<512].allSatisfy { $0 == 0 } && list[512] == 0xEE)
  }

  @Test(
    "Operands, in order",
    arguments: [
      (0x30_0200, 0, 1, 0, 1), (64 << 41, 0, 1, 0, 1), (16 << 30, 0, 1, 0, 1), (0x30_0000, 1023, 1, 0, 2),
      (0x30_0000, 1024, 0x30_1100, 0, 8), (0x30_0000, 1024, 1 << 52, 0, 8), (0x30_0000, 1024, 0x30_1000, 31, 9),
    ] as [(UInt64, UInt64, UInt64, UInt64, UInt64)])
  func operands(rcx: UInt64, rdx: UInt64, r8: UInt64, r9: UInt64, operand: UInt64) throws {
    var bench = try initialized(.init(1, 5, 34))
    let answer = bench.call(32, rcx: rcx, rdx: rdx, r8: r8, r9: r9)
    #expect(answer.rax == 0xC000_0100_0000_0000 + operand)
    #expect(answer.rdx == 0 && answer.r9 == 0)
    // The structure is cleared before R8 is looked at.
    #expect(bench.machine.memory.read(Self.buffer, count: 1) == [operand >= 8 ? 0 : 0xEE])
  }
}
