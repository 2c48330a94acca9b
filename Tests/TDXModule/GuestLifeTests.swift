import Basics
import Cryptography
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// What a guest does with its vCPU and its memory, and what of it the host sees (tdx-module.md 1.3, 6.5, 6.6).
@Suite("Life of a guest", .timeLimit(.minutes(5)))
struct GuestLifeTests {
  @Test("A guest takes a page, uses it, measures itself, reports, and halts")
  func life() throws {
    var bench = try Bench.running()
    bench.map(0x1000, .pending)
    bench.map(0x2000, .mapped)
    let digest = SHA384.digest(of: [])
    let exit = bench.enter([
      .tdcall(Registers(rax: 1)),
      .tdcall(Registers(rax: 6, rcx: 0x1000)),
      .write(gpa: 0x1FF0, bytes: [UInt8](repeating: 7, count: 32)),
      .read(gpa: 0x1FF8, count: 16),
      .write(gpa: 0x1040, bytes: digest),
      .tdcall(Registers(rax: 2, rcx: 0x1040, rdx: 1)),
      .tdcall(Registers(rax: 4, rcx: 0x2400, rdx: 0x1080)),
      .read(gpa: 0x2400, count: 1024),
      .halt,
    ])
    #expect(exit.rax == 77)
    #expect(exit.rcx == 7 << 10 && exit.r10 == 0 && exit.r11 == 12)
    let seen = bench.outcomes()
    var info = Registers(rax: 0, rcx: 48, rdx: 0, r8: 4 << 32 | 1)
    info.r10 = 1
    #expect(seen.count == 8)
    #expect(seen.first == .registers(info))
    #expect(seen[1] == .registers(Registers(rax: 0, rcx: 0x1000)))
    #expect(seen[2] == .written)
    #expect(seen[3] == .bytes([UInt8](repeating: 7, count: 16)))
    guard case .bytes(let report) = seen[7] else {
      Issue.record("no report")
      return
    }
    #expect(report[0] == 0x81)
    #expect(
      report[768..<816].hexadecimal
        == "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a")
    // The vCPU comes back, with nothing more to do.
    #expect(bench.enter().rax == 1)
    #expect(bench.outcomes() == [.resumed])
  }
}
