import SEAM
import Testing

@testable import Platform

/// Physical memory as the emulated kernel has it.
@Suite("Memory of the host", .timeLimit(.minutes(20)))
struct HostMemoryTests {
  @Test("What a TD or the module wrote is zeros to the host, and the host's writes do not reach it")
  func privatePages() throws {
    let silicon = try Bench().machine.silicon
    let page: UInt64 = 0x100_0000
    silicon.writePhysical([1, 2, 3], at: page - 1)
    #expect(silicon.readPhysical(page - 1, count: 3) == [1, 2, 3])
    silicon.machine.memory.write([7, 7], at: page, keyID: 64)
    #expect(silicon.readPhysical(page - 1, count: 3) == [1, 0, 0])
    silicon.writePhysical([4, 5, 6], at: page - 1)
    #expect(silicon.readPhysical(page - 1, count: 3) == [4, 0, 0])
    #expect(silicon.machine.memory.read(page, count: 2) == [7, 7])
    // A KeyID of the host's own is no secret.
    silicon.machine.memory.write([8], at: page + 4096, keyID: 63)
    #expect(silicon.readPhysical(page + 4096, count: 1) == [8])
  }
}
