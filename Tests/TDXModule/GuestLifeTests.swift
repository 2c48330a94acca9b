import Basics
import Cryptography
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// What a guest does with its vCPU and its memory, and what of it the host sees (tdx-module.md 1.3, 6.5, 6.6).
@Suite("Life of a guest", .timeLimit(.minutes(20)))
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

  @Test("TDG.VP.VMCALL shows the host what the mask says, and brings back what the host left there")
  func vmcall() throws {
    var bench = try Bench.running()
    var operands = Registers(rax: 0, rcx: 0xFC0C, rdx: 2, r8: 8)
    operands.rbx = 3
    operands.rsi = 6
    operands.rdi = 7
    operands.r9 = 9
    operands.r10 = 10
    operands.r11 = 11
    operands.r12 = 12
    operands.r13 = 13
    operands.r14 = 14
    operands.r15 = 15
    let exit = bench.enter([.tdcall(operands), .tdcall(Registers(rax: 0, rcx: 0))])
    var shown = operands
    shown.rax = 77
    (shown.rsi, shown.rdi, shown.r8, shown.r9) = (0, 0, 0, 0)
    #expect(exit == shown)
    #expect(bench.outcomes().isEmpty)

    var host = Registers(rax: 0, rcx: Bench.tdvpr, rdx: 0x22, r8: 0x88)
    host.rbx = 0x33
    host.rsi = 0x66
    host.r10 = 0x1010
    host.r15 = 0x1515
    bench.module.seamcall(&host, on: 0, machine: &bench.machine)
    // The second one shows nothing.
    #expect(host == Registers(rax: 77))
    var seen = operands
    (seen.rax, seen.rdx, seen.rbx, seen.r10, seen.r15) = (0, 0x22, 0x33, 0x1010, 0x1515)
    (seen.r11, seen.r12, seen.r13, seen.r14) = (0, 0, 0, 0)
    #expect(bench.outcomes() == [.registers(seen)])
  }

  @Test("A mask that would show RAX, RCX, RSP or more is refused; RBP only with NO_RBP_MOD")
  func vmcallMask() throws {
    for (flags, rbp) in [(0, true), (4, false)] as [(UInt64, Bool)] {
      var bench = try Bench.running(.init(1, 5, 34), Bench.parameters { $0.store(flags, at: 32) })
      for bit: UInt64 in [0, 1, 4, 32, 63] {
        #expect(bench.tdcall(0, rcx: 1 << bit)?.rax == 0xC000_0100_0000_0001)
      }
      if rbp {
        #expect(bench.enter([.tdcall(Registers(rax: 0, rcx: 1 << 5))]).rax == 77)
      } else {
        #expect(bench.tdcall(0, rcx: 1 << 5)?.rax == 0xC000_0100_0000_0001)
      }
      #expect(bench.enter([.tdcall(Registers(rax: 0, rcx: 0xFFFF_0000))]).rcx == 0xFFFF_0000)
    }
  }

  @Test("Memory that is not there takes the vCPU out; when the host has mapped it the step is done")
  func violation() throws {
    var bench = try Bench.running()
    let read = bench.enter([.read(gpa: 0x5123, count: 4), .write(gpa: 0x6FFE, bytes: [1, 2, 3, 4])])
    #expect(read == Registers(rax: 48, rcx: 1, rdx: 0, r8: 0x5000))
    bench.map(0x5000, .mapped)
    let write = bench.enter()
    #expect(write == Registers(rax: 48, rcx: 2, rdx: 0, r8: 0x6000))
    bench.map(0x6000, .mapped)
    #expect(bench.enter() == Registers(rax: 48, rcx: 2, rdx: 0, r8: 0x7000))
    // Nothing of a write that crosses into a missing page is done.
    #expect(bench.machine.memory.read(Bench.memory + 0x6FFE, count: 2) == [0, 0])
    bench.map(0x7000, .mapped)
    #expect(bench.enter([.read(gpa: 0x6FFC, count: 8)]).rax == 1)
    #expect(bench.outcomes() == [.bytes([0, 0, 0, 0]), .written, .bytes([0, 0, 1, 2, 3, 4, 0, 0])])
    #expect(bench.machine.memory.page(at: Bench.memory + 0x6FFE)?.keyID == 65)
  }

  @Test("Shared addresses are for the host, whatever the width; beyond the width there is nothing")
  func shared() throws {
    for (flags, ept, bit) in [(0, 6 | 3 << 3, 47), (1, 6 | 4 << 3, 51)] as [(UInt64, UInt64, UInt64)] {
      var bench = try Bench.running(
        .init(1, 5, 34),
        Bench.parameters {
          $0.store(flags, at: 32)
          $0.store(ept, at: 24)
        })
      bench.map(0x1000, .mapped)
      let gpa: UInt64 = 1 << bit | 0x1000
      #expect(bench.enter([.read(gpa: gpa, count: 1)]) == Registers(rax: 48, rcx: 1, rdx: 0, r8: gpa))
      #expect(bench.enter() == Registers(rax: 48, rcx: 1, rdx: 0, r8: gpa))
      bench.machine.guests = [:]
      #expect(bench.enter([.write(gpa: gpa, bytes: [1])]).rcx == 2)
      bench.machine.guests = [:]
      #expect(bench.enter([.read(gpa: 1 << (bit + 1), count: 1)]).rax == 0x4000_0001_0000_0002)
      #expect(bench.module.vcpus[Bench.tdvpr]?.state == .disabled)
    }
  }

  /// State, whether it can be read and written, and whether an access to it is one to a PENDING page (module source 1.5.01).
  static let states: [(SEPTState, read: Bool, write: Bool, pending: Bool)] = [
    (.free, false, false, false), (.blocked, false, false, false), (.pending, false, false, true),
    (.pendingBlocked, false, false, false), (.mapped, true, true, false), (.removed, false, false, false),
    (.blockedW, true, false, false), (.exportedBlockedW, true, false, false), (.exportedDirty, true, true, false),
    (.exportedDirtyBlockedW, true, false, false), (.pendingBlockedW, false, false, false),
    (.pendingExportedBlockedW, false, false, false), (.pendingExportedDirty, false, false, true),
    (.pendingExportedDirtyBlockedW, false, false, false), (.nonLeafBlocked, false, false, false),
  ]

  @Test("What a page in each state lets the guest do", arguments: states.indices)
  func everyState(index: Int) throws {
    let (state, read, write, pending) = Self.states[index]
    for disabled in [false, true] {
      var bench = try Bench.running(
        .init(1, 5, 34), Bench.parameters { $0.store(UInt64(disabled ? 1 << 28 : 0), at: 0) })
      bench.map(0x4000, state)
      let allowed: UInt64 = (read ? 5 : 0) | (write ? 2 : 0)
      for (step, isAllowed, bit) in [
        (GuestStep.read(gpa: 0x4008, count: 1), read, 1), (.write(gpa: 0x4008, bytes: [7]), write, 2),
      ] as [(GuestStep, Bool, UInt64)] {
        bench.machine.guests = [:]
        let exit = bench.enter([step])
        if isAllowed {
          #expect(exit.rax == 1)
        } else if pending, !disabled {
          #expect(exit.rax == 1)
          #expect(bench.outcomes() == [.virtualizationException(reason: 48, gpa: 0x4008)])
          let info = bench.tdcall(3)
          var expected = Registers(rax: 0, rcx: 48, rdx: bit)
          expected.r9 = 0x4008
          #expect(info == expected)
          #expect(bench.tdcall(3)?.rax == 0xC000_0704_0000_0000)
        } else {
          #expect(
            exit == Registers(rax: 48, rcx: bit | allowed << 3, rdx: pending ? 6 : 0, r8: 0x4000), "\(state) \(bit)")
        }
      }
    }
  }

  @Test("The guest chooses what an access to a PENDING page does only with FLEXIBLE_PENDING_VE")
  func flexible() throws {
    let controls: UInt64 = 0x1110_0003_0000_0017
    var fixed = try Bench.running()
    #expect(fixed.tdcall(8, rdx: controls, r8: 1, r9: 1)?.rax == 0xC000_0C03_0000_0000)
    #expect(fixed.tdcall(8, rdx: controls, r8: 0, r9: 1)?.rax == 0)
    var bench = try Bench.running(.init(1, 5, 34), Bench.parameters { $0.store(UInt64(2), at: 32) })
    bench.map(0x4000, .pending)
    bench.enter([.read(gpa: 0x4000, count: 1)])
    #expect(bench.outcomes() == [.virtualizationException(reason: 48, gpa: 0x4000)])
    let written = bench.tdcall(8, rdx: controls, r8: 1, r9: 1)
    #expect(written?.rax == 0 && written?.r8 == 0)
    #expect(bench.tdcall(7, rdx: controls)?.r8 == 1)
    #expect(bench.enter([.read(gpa: 0x4000, count: 1)]).rdx == 6)
  }

  /// What ACCEPT of a 4-KiB page and of a 2-MiB page answers to an entry in each state at its own level; nil = EPT violation.
  @Test(
    "ACCEPT takes PENDING pages, knows those that it has, and asks the host for the others", arguments: states.indices)
  func accept(index: Int) throws {
    let (state, read, _, pending) = Self.states[index]
    for level: UInt8 in [0, 1] {
      var bench = try Bench.running()
      bench.map(0x40_0000, state, level: level)
      bench.machine.memory.write([9], at: Bench.memory + 0x40_0000)
      let operand = 0x40_0000 | UInt64(level)
      if pending {
        #expect(bench.tdcall(6, rcx: operand)?.rax == 0)
        let now: SEPTState = state == .pending ? .mapped : .exportedDirty
        #expect(bench.module.tds[Bench.tdr]?.sept[0x40_0000, level]?.state == now)
        bench.enter([.read(gpa: 0x40_0000, count: 1)])
        #expect(bench.outcomes() == [.bytes([0])])
        #expect(bench.tdcall(6, rcx: operand)?.rax == 0x0000_0B0A_0000_0000 | UInt64(level))
      } else if read {
        #expect(bench.tdcall(6, rcx: operand)?.rax == 0x0000_0B0A_0000_0000 | UInt64(level))
      } else if state == .nonLeafBlocked {
        #expect(bench.tdcall(6, rcx: operand)?.rax == 0xC000_0B0B_0000_0000 | UInt64(level))
      } else {
        let leaf: UInt64 = state == .free || state == .removed ? 0 : 1
        let information = UInt64(level) | UInt64(level) << 3 | UInt64(state.rawValue) << 6 | leaf << 14
        #expect(
          bench.enter([.tdcall(Registers(rax: 6, rcx: operand))])
            == Registers(rax: 48, rcx: 2, rdx: 1 | information << 32, r8: 0x40_0000), "\(state)")
      }
    }
  }

  @Test("ACCEPT of another size than the host's: smaller is there, larger is a mismatch")
  func acceptSizes() throws {
    var bench = try Bench.running()
    bench.map(0x40_0000, .mapped, level: 1)
    #expect(bench.tdcall(6, rcx: 0x40_3000)?.rax == 0x0000_0B0A_0000_0001)
    bench.map(0x80_0000, .pending, level: 1)
    let exit = bench.enter([.tdcall(Registers(rax: 6, rcx: 0x80_3000))])
    #expect(exit == Registers(rax: 48, rcx: 2, rdx: 1 | UInt64(1 << 3 | 2 << 6 | 1 << 14) << 32, r8: 0x80_3000))
    bench.machine.guests = [:]
    bench.map(0xC0_0000, .pending)
    #expect(bench.tdcall(6, rcx: 0xC0_0001)?.rax == 0xC000_0B0B_0000_0001)
    // All 512 pages of a large one are zero afterwards.
    for page: UInt64 in [0, 255, 511] { bench.machine.memory.write([1], at: Bench.memory + 0x80_0000 + page * 4096) }
    #expect(bench.tdcall(6, rcx: 0x80_0001)?.rax == 0)
    for page: UInt64 in [0, 255, 511] {
      bench.enter([.read(gpa: 0x80_0000 + page * 4096, count: 1)])
      #expect(bench.outcomes() == [.bytes([0])])
    }
  }

  @Test("ACCEPT: reserved bits, level, alignment, privacy")
  func acceptOperands() throws {
    var bench = try Bench.running()
    bench.map(0x40_0000, .pending)
    for rcx: UInt64 in [
      0x40_0008, 0x40_0800, 1 << 52 | 0x40_0000, 1 << 63 | 0x40_0000, 0x40_0002, 0x40_0007, 0x40_1001, 1 << 47, 1 << 48,
    ] {
      #expect(bench.tdcall(6, rcx: rcx)?.rax == 0xC000_0100_0000_0001, "\(String(rcx, radix: 16))")
    }
  }

  @Test("Numbers without a leaf, versions, reserved bits of RAX")
  func unknownLeaves() throws {
    for version in [ModuleVersion(1, 5, 1), .init(1, 5, 34), .init(2, 0, 18)] {
      var bench = try Bench.running(version)
      let known: Set<UInt64> = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18, 20, 22]
      for leaf: UInt64 in 0...300 where !known.contains(leaf) {
        #expect(bench.tdcall(leaf)?.rax == 0xC000_0100_0000_0000, "leaf \(leaf)")
      }
      for leaf in known {
        let answer = bench.tdcall(leaf | 1 << 16, rdx: .max)?.rax
        #expect(answer == (leaf == 7 ? 0x0000_0C0B_0000_0000 : 0xC000_0100_0000_0000), "leaf \(leaf)")
        for bit: UInt64 in [24, 31, 32, 63] {
          #expect(bench.tdcall(leaf | 1 << bit)?.rax == 0xC000_0100_0000_0000)
        }
      }
      #expect(bench.tdcall(7 | 2 << 16)?.rax == 0xC000_0100_0000_0000)
    }
  }

  @Test("CPUIDVE.SET and what TDG.VP.RD and WR have of it")
  func cpuidVE() throws {
    var bench = try Bench.running()
    #expect(bench.tdcall(5, rcx: 4)?.rax == 0xC000_0100_0000_0001)
    #expect(bench.tdcall(5, rcx: 2)?.rax == 0)
    #expect(bench.tdcall(9, rdx: 0xA020_0000_0000_0008)?.r8 == 1)
    #expect(bench.tdcall(9, rdx: 0xA020_0000_0000_0007)?.r8 == 0)
    #expect(bench.tdcall(10, rdx: 0xA020_0000_0000_0007, r8: 1, r9: 1)?.r8 == 0)
    #expect(bench.tdcall(10, rdx: 0xA020_0000_0000_0008, r8: 0, r9: 1)?.r8 == 1)
    #expect(bench.module.vcpus[Bench.tdvpr]?.cpuidVE == .supervisor)
  }
}
