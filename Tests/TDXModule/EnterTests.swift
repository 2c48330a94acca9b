import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TDH.VP.*: making a vCPU, entering it, and taking it from its LP (tdx-module.md 6.2, 6.5, 6.8).
@Suite("vCPUs", .timeLimit(.minutes(20)))
struct EnterTests {
  private let tdr = Bench.tdr
  private let tdvpr = Bench.tdvpr

  @Test("A vCPU is made of six pages and gets its first registers")
  func build() throws {
    var bench = try Bench.withMemory()
    bench.createTD()
    // No TD_PARAMS yet.
    #expect(bench.call(10, rcx: tdvpr, rdx: tdr).rax == 0xC000_0608_0000_0000)
    bench.initTD()
    let before = bench.module.tds[tdr]?.childCount ?? 0
    #expect(bench.call(10, rcx: tdr, rdx: tdr).rax == 0xC000_0300_0000_0001)
    #expect(bench.call(10, rcx: tdvpr, rdx: tdr).rax == 0)
    #expect(bench.call(24, rcx: tdvpr).rcx == 6)
    #expect(bench.call(24, rcx: tdvpr).rdx == tdr)
    #expect(bench.call(22, rcx: tdvpr).rax == 0xC000_0610_0000_0000)
    for page: UInt64 in 1...5 { #expect(bench.call(4, rcx: tdvpr + page * 4096, rdx: tdvpr).rax == 0) }
    #expect(bench.call(24, rcx: tdvpr + 4096).rcx == 5)
    #expect(bench.module.tds[tdr]?.childCount == before + 6)
    bench.module.tds[tdr]?.opState = .runnable
    #expect(bench.call(22, rcx: tdvpr, rdx: 0xABC).rax == 0xC000_0608_0000_0000)
    bench.module.tds[tdr]?.opState = .initialized
    #expect(bench.call(22, rcx: tdvpr, rdx: 0xABC, on: 2).rax == 0)
    let vcpu = try #require(bench.module.vcpus[tdvpr])
    var registers = Registers(rax: 0, rcx: 0xABC, rdx: 0x806F8, r8: 0xABC)
    registers.rbx = 48
    #expect(vcpu.registers == registers)
    #expect(vcpu.state == .ready && vcpu.index == 0 && vcpu.associatedLP == 2 && vcpu.lastSEAMDBIndex == 0)
    #expect(bench.module.tds[tdr]?.associatedVCPUs == 1)
    #expect(bench.call(22, rcx: tdvpr).rax == 0xC000_0700_0000_0000)
    #expect(bench.call(4, rcx: tdvpr + 0x6000, rdx: tdvpr).rax == 0xC000_0700_0000_0000)
  }

  @Test("A vCPU takes 15 pages at most; with 52-bit addresses it starts with 52 in RBX")
  func pages() throws {
    var bench = try Bench.withMemory()
    bench.createTD()
    bench.initTD(
      tdr,
      Bench.parameters {
        $0.store(UInt64(6 | 4 << 3), at: 24)
        $0.store(UInt64(1), at: 32)
      })
    bench.createVCPU(pages: 15)
    #expect(bench.call(4, rcx: tdvpr + 0xF000, rdx: tdvpr).rax == 0xC000_0610_0000_0000)
    #expect(bench.call(22, rcx: tdvpr).rax == 0)
    #expect(bench.module.vcpus[tdvpr]?.registers.rbx == 52)
  }

  @Test("vCPUs are numbered up to MAX_VCPUS; version 1 gives x2APIC ids, each once")
  func numbers() throws {
    var bench = try Bench.withMemory()
    bench.createTD()
    bench.initTD()
    for index: UInt64 in 0..<6 { bench.createVCPU(tdvpr + index * 0x1_0000) }
    #expect(bench.call(22, version: 1, rcx: tdvpr, r8: 7).rax == 0)
    #expect(bench.call(22, version: 1, rcx: tdvpr + 0x1_0000, r8: 7).rax == 0xC000_0621_0000_0000)
    #expect(bench.call(22, version: 1, rcx: tdvpr + 0x1_0000, r8: 1 << 32).rax == 0xC000_0100_0000_0008)
    #expect(bench.call(22, version: 1, rcx: tdvpr + 0x1_0000, r8: 0xFFFF_FFFF).rax == 0)
    #expect(bench.call(22, rcx: tdvpr + 0x2_0000).rax == 0)
    #expect(bench.call(22, rcx: tdvpr + 0x3_0000).rax == 0)
    #expect(bench.call(22, version: 1, rcx: tdvpr + 0x4_0000, r8: 1 << 32).rax == 0xC000_0705_0000_0000)
    #expect(bench.module.tds[tdr]?.vcpuCount == 4)
    #expect(bench.module.vcpus[tdvpr + 0x3_0000]?.registers.rsi == 3)
    #expect(bench.call(22, version: 2, rcx: tdvpr + 0x4_0000).rax == 0xC000_0100_0000_0000)
  }

  /// tdx-module.md 6.5, one condition after the other; each is put right before the next.
  @Test("TDH.VP.ENTER checks in the order of 6.5")
  func order() throws {
    var bench = try Bench.running()
    let bad: UInt64 = 3 << 52
    bench.module.conditions.limitCPUIDMaxval = [0]
    bench.module.conditions.tscAdjusted = [0]
    bench.module.conditions.tscRolledBack = [0]
    bench.module.locks.epochs[tdr] = .exclusive
    bench.module.locks.opStates[tdr] = .exclusive
    bench.module.locks.pages = [tdvpr / 4096, tdr / 4096]
    bench.module.tds[tdr]?.isFatal = true
    bench.module.tds[tdr]?.lifecycle = .blocked
    bench.module.tds[tdr]?.opState = .pausedExport
    let pages = bench.module.vcpus[tdvpr]?.pages ?? []
    bench.module.vcpus[tdvpr]?.pages = Array(pages.prefix(5))
    bench.module.vcpus[tdvpr]?.state = .disabled
    bench.module.vcpus[tdvpr]?.associatedLP = 3

    func enter(_ flags: UInt64 = bad) -> UInt64 { bench.call(0, rcx: tdvpr | flags).rax }
    #expect(enter(1 << 54) == 0xC000_0901_0000_0000)
    bench.module.conditions.limitCPUIDMaxval = []
    for bit: UInt64 in [0, 11, 54, 63] { #expect(enter(bad | 1 << bit) == 0xC000_0100_0000_0001) }
    #expect(enter() == 0x8000_0200_0000_0001)
    bench.module.locks.pages = [tdr / 4096]
    #expect(enter() == 0x8000_0200_0000_0080)
    bench.module.locks.pages = []
    #expect(enter() == 0xE000_0604_0000_0000)
    bench.module.tds[tdr]?.isFatal = false
    #expect(enter() == 0x8000_0810_0000_0000)
    bench.module.tds[tdr]?.lifecycle = .keysConfigured
    let tdcx = bench.module.tds[tdr]?.tdcxPages ?? []
    bench.module.tds[tdr]?.tdcxPages = []
    #expect(enter() == 0xC000_0606_0000_0000)
    bench.module.tds[tdr]?.tdcxPages = tdcx
    #expect(enter() == 0x8000_0200_0000_00AC)
    bench.module.locks.opStates = [:]
    #expect(enter() == 0xC000_0608_0000_0000)
    bench.module.tds[tdr]?.opState = .liveExport
    #expect(enter() == 0xC000_0610_0000_0000)
    bench.module.vcpus[tdvpr]?.pages = pages
    #expect(enter() == 0xC000_0700_0000_0000)
    bench.module.vcpus[tdvpr]?.state = .ready
    #expect(enter() == 0x8000_0701_0000_0000)
    bench.module.vcpus[tdvpr]?.associatedLP = nil
    bench.module.tds[tdr]?.associatedVCPUs = 0
    #expect(enter() == 0xC000_0100_0000_0001)
    // The refusal comes after the association.
    #expect(bench.module.vcpus[tdvpr]?.associatedLP == 0)
    #expect(bench.module.tds[tdr]?.associatedVCPUs == 1)
    #expect(enter(1 << 52) == 0xC000_0100_0000_0001)
    #expect(enter(1 << 53) == 0xC000_0100_0000_0001)
    #expect(enter(0) == 0xC000_0920_0000_003B)
    bench.module.conditions.tscAdjusted = []
    #expect(enter(0) == 0xC000_0706_0000_0000)
    bench.module.conditions.tscRolledBack = []
    #expect(enter(0) == 0x8000_0200_0000_00A9)
    bench.module.locks.epochs = [:]
    #expect(enter(0) == 1)
    #expect(bench.module.tds[tdr]?.associatedVCPUs == 1)
    #expect(bench.module.tds[tdr]?.epochReaders == [0, 0])
  }

  @Test("A vCPU stays on its LP until it is flushed there")
  func association() throws {
    var bench = try Bench.running()
    #expect(bench.enter(on: 0).rax == 1)
    #expect(bench.enter(on: 1).rax == 0x8000_0701_0000_0000)
    #expect(bench.call(18, rcx: tdvpr, on: 1).rax == 0x8000_0702_0000_0000)
    #expect(bench.call(19, rcx: tdr).rax == 0x8000_0824_0000_0000)
    bench.module.locks.sharedPages = [tdvpr / 4096]
    #expect(bench.call(18, rcx: tdvpr).rax == 0x8000_0200_0000_0001)
    bench.module.locks.sharedPages = []
    #expect(bench.call(18, rcx: tdvpr).rax == 0)
    #expect(bench.call(18, rcx: tdvpr).rax == 0x8000_0702_0000_0000)
    #expect(bench.enter(on: 1).rax == 1)
    #expect(bench.module.tds[tdr]?.associatedVCPUs == 1)
    #expect(bench.call(18, rcx: tdvpr, on: 1).rax == 0)
    #expect(bench.call(19, rcx: tdr).rax == 0)
    #expect(bench.enter(on: 1).rax == 0x8000_0810_0000_0000)
    #expect(bench.call(18, rcx: tdvpr, on: 1).rax == 0x8000_0810_0000_0000)
  }

  @Test("After an update a vCPU goes on where it was, and remembers the new load of the module")
  func update() throws {
    var bench = try Bench.running(.init(1, 5, 24))
    bench.map(0x1000, .mapped)
    bench.enter([.write(gpa: 0x1000, bytes: [1, 2, 3]), .halt])
    #expect(bench.module.vcpus[tdvpr]?.lastSEAMDBIndex == 0)
    #expect(bench.call(52, rcx: 1).rax == 0)
    #expect(bench.enter().rax == 0xC000_0506_0000_0000)
    try bench.load(.init(1, 5, 34), keepingHandoff: true)
    bench.initializeLPs()
    #expect(bench.enter().rax == 0xC000_0505_0000_0000)
    #expect(bench.call(53).rax == 0)
    // A refused entry associates, and so renews.
    bench.module.conditions.tscAdjusted = [0]
    #expect(bench.enter().rax == 0xC000_0920_0000_003B)
    #expect(bench.module.vcpus[tdvpr]?.lastSEAMDBIndex == 1)
    bench.module.conditions.tscAdjusted = []
    #expect(bench.enter([.read(gpa: 0x1000, count: 3)]).rax == 1)
    #expect(bench.outcomes() == [.written, .resumed, .bytes([1, 2, 3])])
    #expect(bench.module.tds[tdr]?.associatedVCPUs == 1)
    #expect(bench.module.tds[tdr]?.seamdb.index == 0)
  }

  @Test("A vCPU that dies is DISABLED, its TD lives on")
  func deadVCPU() throws {
    var bench = try Bench.running()
    let other = tdvpr + 0x1_0000
    bench.module.tds[tdr]?.opState = .initialized
    bench.createVCPU(other)
    #expect(bench.call(22, rcx: other, on: 1).rax == 0)
    bench.module.tds[tdr]?.opState = .runnable
    bench.module.conditions.vcpuExits[tdvpr] = .tripleFault
    #expect(bench.enter([.halt]).rax == 0x4000_0001_0000_0002)
    #expect(bench.module.vcpus[tdvpr]?.state == .disabled)
    #expect(bench.enter().rax == 0xC000_0700_0000_0000)
    #expect(bench.enter([], other, on: 1).rax == 1)
    #expect(bench.call(18, rcx: tdvpr).rax == 0)
    // Nothing of it ran.
    #expect(bench.machine.guests[tdvpr]?.steps == [.halt])
  }

  @Test(
    "A fatal exit leaves a TD that can only be torn down",
    arguments: [
      (PlatformConditions.VCPUExit.unexpected, 0x6000_0002_0000_0000),
      (.corruptedMetadata, 0x6000_000A_0000_0000), (.wrongAPICMode, 0xE000_0007_0000_0001),
      (.machineCheck, 0x6000_0005_0000_0006),
    ] as [(PlatformConditions.VCPUExit, UInt64)])
  func fatal(exit: PlatformConditions.VCPUExit, status: UInt64) throws {
    var bench = try Bench.running()
    bench.module.conditions.vcpuExits[tdvpr] = exit
    #expect(bench.enter().rax == status)
    #expect(bench.module.tds[tdr]?.isFatal == true)
    #expect(bench.module.vcpus[tdvpr]?.state == .active)
    #expect(bench.module.tds[tdr]?.epochReaders == (exit == .machineCheck ? [0, 1] : [0, 0]))
    for leaf: UInt64 in [0, 11, 13, 18, 22, 26, 43] where leaf != 18 {
      let address = leaf == 11 || leaf == 13 ? tdr : tdvpr
      #expect(bench.call(leaf, rcx: address).rax == 0xE000_0604_0000_0000, "leaf \(leaf)")
    }
    #expect(bench.call(10, rcx: 0x1E0_0000, rdx: tdr).rax == 0xE000_0604_0000_0000)
    #expect(bench.call(18, rcx: tdvpr).rax == 0)
    #expect(bench.call(19, rcx: tdr).rax == 0)
    #expect(bench.call(40).rax == 0)
    #expect(bench.call(20, rcx: tdr).rax == 0)
  }

  @Test("A TDCALL that loses a lock for too long takes the vCPU out, and the host's hint reaches the guest")
  func trap() throws {
    var bench = try Bench.running()
    bench.map(0x1000, .mapped)
    bench.module.locks.rtmrs = [tdr]
    #expect(bench.tdcall(2, rcx: 0x1000)?.rax == 0x8000_0200_0000_00A8)
    bench.module.conditions.vcpuExits[tdvpr] = .hostPriorityBusyTimeout
    #expect(bench.enter([.tdcall(Registers(rax: 2, rcx: 0x1000))]).rax == 0x9000_0205_0000_0000)
    #expect(bench.outcomes().isEmpty)
    #expect(bench.call(0, rcx: tdvpr | 1 << 52).rax == 1)
    #expect(bench.outcomes() == [.registers(Registers(rax: 0x9000_0200_0000_00A8, rcx: 0x1000))])
    #expect(bench.call(0, rcx: tdvpr | 1 << 52).rax == 0xC000_0100_0000_0001)
  }

  @Test("The epoch of the entry is the vCPU's")
  func epoch() throws {
    var bench = try Bench.running()
    bench.enter()
    #expect(bench.module.vcpus[tdvpr]?.epoch == 1)
    bench.module.tds[tdr]?.epoch = 6
    bench.enter()
    #expect(bench.module.vcpus[tdvpr]?.epoch == 6)
    #expect(bench.module.tds[tdr]?.epochReaders == [0, 0])
  }

  @Test("A guest that never leaves is interrupted")
  func bound() throws {
    var bench = try Bench.running()
    let steps = [GuestStep](repeating: .tdcall(Registers(rax: 1)), count: 10_000)
    let exit = bench.enter(steps)
    #expect(exit.rax == 1 && exit.r9 == 0x8000_00EC)
    #expect(bench.machine.guests[tdvpr]?.steps.count == 10_000 - 4096)
    bench.enter()
    bench.enter()
    #expect(bench.outcomes().count == 10_000)
  }
}
