import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Every leaf in every state of a secure EPT entry (tdx-module.md 6.6).
@Suite("States of secure EPT entries", .timeLimit(.minutes(20)))
struct SEPTStateTests {
  private typealias State = SEPTState

  /// Public code, and what the host sees of a leaf entry in RCX: permissions and, for leaves, 0xF0 with bit 63.
  private static let codes: [(state: SEPTState, code: UInt64, low: UInt64, isLeaf: Bool)] = [
    (.free, 0, 0, false), (.blocked, 1, 0xF0, true), (.pending, 2, 0xF0, true), (.pendingBlocked, 3, 0xF0, true),
    (.mapped, 4, 0xF7, true), (.removed, 5, 0, false), (.blockedW, 8, 0xF5, true), (.exportedBlockedW, 9, 0xF5, true),
    (.exportedDirty, 11, 0xF7, true), (.exportedDirtyBlockedW, 12, 0xF5, true), (.pendingBlockedW, 16, 0xF0, true),
    (.pendingExportedBlockedW, 17, 0xF0, true), (.pendingExportedDirty, 19, 0xF0, true),
    (.pendingExportedDirtyBlockedW, 20, 0xF0, true), (.nonLeafBlocked, 129, 0, false), (.nonLeafMapped, 132, 7, false),
  ]

  /// Leaf, its level, and what it makes of the states in which it works, while vCPUs cannot run.
  private static let table: [(leaf: UInt64, level: UInt64, works: [SEPTState: SEPTState])] = [
    (2, 0, [.free: .mapped]),
    (3, 1, [.free: .nonLeafMapped]),
    (
      5, 0,
      [
        .mapped: .mapped, .blocked: .mapped, .blockedW: .blockedW, .exportedBlockedW: .exportedBlockedW,
        .exportedDirty: .exportedDirty, .exportedDirtyBlockedW: .exportedDirtyBlockedW, .pending: .pending,
        .pendingBlocked: .pending, .pendingBlockedW: .pendingBlockedW,
        .pendingExportedBlockedW: .pendingExportedBlockedW, .pendingExportedDirty: .pendingExportedDirty,
        .pendingExportedDirtyBlockedW: .pendingExportedDirtyBlockedW,
      ]
    ),
    (6, 1, [.free: .pending, .removed: .pending]),
    (
      7, 1,
      [
        .mapped: .blocked, .blockedW: .blocked, .pending: .pendingBlocked, .pendingBlockedW: .pendingBlocked,
        .nonLeafMapped: .nonLeafBlocked,
      ]
    ),
    (
      15, 1,
      [
        .mapped: .nonLeafMapped, .blocked: .nonLeafMapped, .pending: .nonLeafMapped, .pendingBlocked: .nonLeafMapped,
      ]
    ),
    (25, 1, Dictionary(uniqueKeysWithValues: SEPTState.allCases.map { ($0, $0) })),
    (
      29, 1,
      [
        .mapped: .free, .blocked: .free, .blockedW: .free, .pending: .free, .pendingBlocked: .free,
        .pendingBlockedW: .free,
      ]
    ),
    (30, 1, [.nonLeafMapped: .free, .nonLeafBlocked: .free]),
    (
      39, 1, [.blocked: .mapped, .pendingBlocked: .pending, .nonLeafBlocked: .nonLeafMapped]
    ),
  ]

  private static let gpa: UInt64 = 0x20_0000
  private static let page = Bench.free

  /// A TD with an entry of `level` for the second 2 MiB in `state`.
  private func bench(_ state: SEPTState, level: UInt64) throws -> Bench {
    var bench = try Bench.withTD(tables: false)
    bench.addTables(gpa: Self.gpa, down: level + 1)
    let tdr = Bench.tdr
    if state == .nonLeafMapped || state == .nonLeafBlocked {
      guard level > 0 else { return bench }
      #expect(bench.call(3, rcx: Self.gpa | level, rdx: tdr, r8: Self.page).rax == 0)
    } else if state != .free && state != .removed {
      #expect(bench.call(6, rcx: Self.gpa | level, rdx: tdr, r8: Self.page).rax == 0)
    }
    if state == .removed {
      bench.module.tds[tdr]?.sept[Self.gpa, UInt8(level)] = SEPTEntry(state: .removed, hpa: 0)
    } else if let entry = bench.module.tds[tdr]?.sept[Self.gpa, UInt8(level)] {
      bench.module.tds[tdr]?.sept[Self.gpa, UInt8(level)] = entry.with(state)
    }
    return bench
  }

  @Test("The host sees every state", arguments: SEPTState.allCases)
  func view(state: SEPTState) throws {
    let (_, code, low, isLeaf) = try #require(Self.codes.first { $0.state == state })
    var bench = try bench(state, level: 1)
    let answer = bench.call(25, rcx: Self.gpa | 1, rdx: Bench.tdr)
    #expect(answer.rax == 0)
    #expect(answer.rdx == 1 | code << 8)
    let expected = isLeaf ? 1 << 63 | Self.page | low : state == .free ? 1 << 63 : low
    #expect(answer.rcx == expected)
  }

  @Test("Every leaf works in its states and no other", arguments: table.map(\.leaf))
  func leaves(leaf: UInt64) throws {
    let (_, level, works) = try #require(Self.table.first { $0.leaf == leaf })
    for state in SEPTState.allCases {
      // There are no non-leaf entries at level 0.
      if level == 0, state == .nonLeafMapped || state == .nonLeafBlocked { continue }
      var bench = try bench(state, level: level)
      let place = Self.gpa | level
      // Where there is a page already, another one is given.
      let other = Self.page + 0x40_0000
      let before = bench.call(25, rcx: place, rdx: Bench.tdr)
      let answer = bench.call(leaf, rcx: place, rdx: Bench.tdr, r8: other, r9: leaf == 2 ? Bench.shared : .max)
      let after = bench.septState(place)
      if let result = works[state] {
        #expect(answer.rax == 0, "leaf \(leaf), \(state): \(answer.status)")
        #expect(after == result, "leaf \(leaf), \(state)")
        let gives = [5, 29, 30].contains(leaf)
        if leaf != 25 { #expect(answer.rcx == (gives ? Self.page : 0) && answer.rdx == 0, "leaf \(leaf), \(state)") }
      } else {
        let isAgain = leaf == 7 && [.blocked, .pendingBlocked, .nonLeafBlocked].contains(state)
        #expect(answer.rax == (isAgain ? 0x0000_0B07_0000_0001 : 0xC000_0B0D_0000_0001), "leaf \(leaf), \(state)")
        #expect(answer.rcx == before.rcx && answer.rdx == before.rdx)
        #expect(after == state)
      }
    }
  }

  @Test("TDH.MR.EXTEND measures MAPPED pages only", arguments: SEPTState.allCases)
  func extend(state: SEPTState) throws {
    var bench = try bench(state, level: 1)
    let answer = bench.call(16, rcx: Self.gpa + 0x100, rdx: Bench.tdr)
    switch state {
    case .mapped: #expect(answer.rax == 0 && answer.rcx == 0 && answer.rdx == 0)
    case .blockedW, .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW:
      // Present, but not MAPPED: no operand, no entry.
      #expect(answer.rax == 0xC000_0B03_0000_0000 && answer.rcx == 0 && answer.rdx == 0)
    default:
      #expect(answer.rax == 0xC000_0B03_0000_0001)
      // Through NL_MAPPED the walk goes on, to the free entry below.
      let code = try #require(Self.codes.first { $0.state == state }).code
      #expect(answer.rdx == (state == .nonLeafMapped ? 0 : 1 | code << 8))
    }
  }

  @Test("While vCPUs may run, a page must be blocked and tracked before it goes", arguments: [5, 15, 29, 30, 39, 23])
  func tracking(leaf: UInt64) throws {
    let isTable = leaf == 30 || leaf == 23
    let level: UInt64 = leaf == 5 ? 0 : 1
    var bench = try bench(isTable ? .nonLeafMapped : .mapped, level: level)
    if leaf == 23 {
      for page: UInt64 in 0..<512 {
        #expect(
          bench.call(6, rcx: Self.gpa + page << 12, rdx: Bench.tdr, r8: Self.page + 0x20_0000 + page << 12).rax == 0)
      }
    }
    #expect(bench.finalize().rax == 0)
    let place = Self.gpa | level
    let other = Self.page + 0x80_0000
    func call() -> Registers { bench.call(leaf, rcx: place, rdx: Bench.tdr, r8: other, r9: .max) }
    let unblocked = call()
    #expect(unblocked.rax == (leaf == 39 ? 0xC000_0B0D_0000_0001 : 0xC000_0B06_0000_0001))
    #expect(unblocked.rdx == level | (isTable ? 132 : 4) << 8)
    #expect(bench.call(7, rcx: place, rdx: Bench.tdr).rax == 0)
    // TDH.MEM.RANGE.UNBLOCK names the tree.
    #expect(call().rax == (leaf == 39 ? 0xC000_0B08_0000_0092 : 0xC000_0B08_0000_0001))
    bench.module.tds[Bench.tdr]?.epochReaders = [0, 1]
    #expect(bench.call(38, rcx: Bench.tdr).rax == 0)
    // A vCPU is inside since the old epoch, which was 1.
    #expect(call().rax == (leaf == 39 ? 0xC000_0B08_0000_0092 : 0xC000_0B08_0000_0001))
    #expect(bench.call(38, rcx: Bench.tdr).rax == 0x8000_0201_0000_0000)
    bench.module.tds[Bench.tdr]?.epochReaders = [1, 0]
    #expect(call().rax == 0)
  }

  @Test("A page that was exported needs no tracking")
  func exported() throws {
    for state in [SEPTState.exportedBlockedW, .pendingExportedBlockedW] {
      var bench = try bench(state, level: 0)
      #expect(bench.finalize().rax == 0)
      #expect(bench.call(5, rcx: Self.gpa, rdx: Bench.tdr, r8: Self.page + 4096).rax == 0)
    }
    for state in [SEPTState.exportedDirty, .exportedDirtyBlockedW, .pendingExportedDirty] {
      var bench = try bench(state, level: 0)
      #expect(bench.finalize().rax == 0)
      #expect(bench.call(5, rcx: Self.gpa, rdx: Bench.tdr, r8: Self.page + 4096).rax == 0xC000_0B06_0000_0001)
    }
  }

  @Test("While an import is in progress, a page that is removed leaves REMOVED behind")
  func importing() throws {
    for (opState, result) in [(OpState.postImport, SEPTState.removed), (.pausedExport, .free), (.failedImport, .free)] {
      var bench = try bench(.mapped, level: 1)
      bench.module.tds[Bench.tdr]?.opState = opState
      #expect(bench.call(29, rcx: Self.gpa | 1, rdx: Bench.tdr).rax == 0)
      #expect(bench.septState(Self.gpa | 1) == result)
      // REMOVED does not keep the table.
      bench.module.tds[Bench.tdr]?.opState = .initialized
      #expect(bench.call(30, rcx: 2, rdx: Bench.tdr).rax == 0)
      #expect(bench.module.tds[Bench.tdr]?.sept.entries.count == 1)
    }
  }
}
