import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// tdx-module.md 3.3, cell by cell.
@Suite("Answers by state", .timeLimit(.minutes(20)))
struct StateTableTests {
  private static let invalidRAX: UInt64 = 0xC000_0100_0000_0000
  private static let notReady: UInt64 = 0xC000_0505_0000_0000
  private static let shutdown: UInt64 = 0xC000_0506_0000_0000

  /// What 3.3 says; nil where the leaf runs.
  private static func expected(_ leaf: UInt64, _ state: SysState) -> UInt64? {
    if leaf == 44 { return 0 }
    if state == .shutdown { return shutdown }
    switch leaf {
    case 33: return state == .initPending ? nil : 0xC000_0500_0000_0000
    case 35: return state == .initDone ? nil : 0xC000_050B_0000_0000
    case 45: return state == .initDone ? nil : 0xC000_050C_0000_0000
    case 31: return state == .configDone ? nil : 0xC000_0507_0000_0000
    case 53: return state == .initDone ? nil : 0xC000_0508_0000_0000
    case 32, 34, 37: return state == .initPending ? 0xC000_0502_0000_0000 : nil
    default: return state == .ready ? nil : notReady
    }
  }

  @Test("Every number from 0 to 300 in every state", arguments: SysState.allCases)
  func everyLeaf(state: SysState) throws {
    let start = try Bench.inState(state)
    for leaf: UInt64 in 0...300 {
      var bench = start
      bench.call(44)
      #expect(bench.module.sysState == state)
      let answer = bench.call(leaf).rax
      if let expected = Self.expected(leaf, state) {
        #expect(answer == expected, "leaf \(leaf) in \(state.name)")
        #expect(bench.module.sysState == state)
      } else {
        #expect(answer != Self.shutdown && answer != Self.notReady, "leaf \(leaf) in \(state.name)")
      }
    }
  }

  @Test("Numbers that no module here knows are invalid once it is ready")
  func unknownLeaves() throws {
    let unknown: [UInt64] =
      [42, 46, 47, 50, 51, 54, 57, 58, 59, 60, 61, 67, 69, 98, 254, 300] + (128...166).map { $0 }
    for version in [ModuleVersion(1, 5, 34), ModuleVersion(2, 0, 18)] {
      var bench = try Bench.inState(.ready, version)
      for leaf in unknown { #expect(bench.call(leaf).rax == Self.invalidRAX, "leaf \(leaf)") }
    }
  }

  @Test("Leaves that came with 1.5.34 and 2.0.18 are unknown before")
  func laterLeaves() throws {
    for leaf: UInt64 in [92, 93, 94, 95, 97] {
      var old = try Bench.inState(.ready, .init(1, 5, 28))
      #expect(old.call(leaf).rax == Self.invalidRAX)
      var new = try Bench.inState(.ready, .init(1, 5, 34))
      #expect(new.call(leaf).rax != Self.invalidRAX)
    }
  }

  @Test("Reserved bits of RAX are refused in every state", arguments: SysState.allCases)
  func reservedRAX(state: SysState) throws {
    var bench = try Bench.inState(state)
    for bit in Array(24...62) {
      for leaf: UInt64 in [34, 44, 300] {
        #expect(bench.call(leaf | 1 << UInt64(bit)).rax == Self.invalidRAX)
      }
    }
  }

  /// tdx-module.md 1.0: who has a version 1.
  @Test(
    "Version 1 is refused in every state by leaves without it", arguments: releases)
  func versions(version: ModuleVersion) throws {
    var versioned: Set<UInt64> = [3, 11, 23, 26, 30]
    if version != ModuleVersion(1, 5, 1) { versioned.insert(22) }
    let newer = [24, 25, 28, 34].contains(version.update) && version.major == 1
    let newer20 = [14, 16, 18].contains(version.update) && version.major == 2
    if newer || newer20 { versioned.formUnion([33, 45, 53]) }
    if newer20 { versioned.insert(163) }
    var bench = try Bench(version)
    for leaf: UInt64 in 0...200 {
      let answer = bench.call(leaf, version: 1, rcx: 1).rax
      if versioned.contains(leaf) {
        #expect(answer != Self.invalidRAX, "leaf \(leaf)")
      } else {
        #expect(answer == Self.invalidRAX, "leaf \(leaf)")
      }
    }
  }

  @Test("Version 2 of a leaf with versions is refused by the leaf, after the state")
  func version2() throws {
    var pending = try Bench.inState(.initPending)
    #expect(pending.call(3, version: 2).rax == Self.notReady)
    #expect(pending.call(33, version: 2).rax == Self.invalidRAX)
    var down = try Bench.inState(.shutdown)
    #expect(down.call(33, version: 2).rax == Self.shutdown)
    var ready = try Bench.inState(.ready)
    for leaf: UInt64 in [3, 11, 22, 23, 26, 30, 33, 45, 53] {
      #expect(ready.call(leaf, version: 2).rax == Self.invalidRAX, "leaf \(leaf)")
    }
  }

  @Test("LP.INIT a second time, and CONFIG and UPDATE before all LPs did it")
  func partial() throws {
    var bench = try Bench(lps: 3)
    bench.call(33)
    #expect(bench.call(35, on: 0).rax == 0)
    #expect(bench.call(35, on: 0).rax == 0xC000_0503_0000_0000)
    #expect(bench.call(45).rax == 0xC000_050C_0000_0000)
    #expect(bench.call(53).rax == 0xC000_0508_0000_0000)
    #expect(bench.module.lastDiagnostic == "only 1 of 3 LPs did TDH.SYS.LP.INIT")
    #expect(bench.call(34, rdx: .max, on: 0).rax == 0x0000_0C0B_0000_0000)
    #expect(bench.call(34, rdx: .max, on: 1).rax == 0xC000_0502_0000_0000)
  }

  @Test("SYS.DISABLE of a module that has it forgets everything")
  func disable() throws {
    var bench = try Bench.ready { $0.features0 |= 1 << 53 }
    #expect(bench.call(69).rax == 0)
    #expect(bench.module.sysState == .initPending)
    #expect(bench.call(69).rax == Self.notReady)
    bench.initializeLPs()
    #expect(bench.call(53).rax == 0xC000_0509_0000_0000)
  }

  @Test("A new image begins anew on every LP")
  func newImage() throws {
    var bench = try Bench.ready()
    try bench.load(.init(1, 5, 34))
    #expect(bench.call(34, rdx: .max).rax == 0xC000_0502_0000_0000)
    #expect(bench.module.sysState == .initPending)
  }
}
