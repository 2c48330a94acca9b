import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// What a host may expect of the memory of its TDs, told a second time and plainly: pages and mappings in lists, no tables, no
/// sharing of code with the module.
private struct Model {
  enum Kind: UInt64 { case reg = 3, tdr = 4, tdcx = 5, ept = 8 }

  struct Page: Equatable {
    var kind: Kind
    var tdr: UInt64
    /// Pages of 4 KiB.
    var size: UInt64
  }

  struct Mapping: Equatable {
    var page: UInt64
    var state: SEPTState
    /// TD_EPOCH when it was blocked.
    var blockedIn: UInt64 = 0
  }

  struct TD {
    var epoch: UInt64 = 1
    var isRunning = false
    /// Entries by level, then by address.
    var entries: [UInt64: [UInt64: Mapping]] = [:]
  }

  /// By address of the first byte.
  var pages: [UInt64: Page] = [:]
  var tds: [UInt64: TD] = [:]

  func isFree(_ address: UInt64, size: UInt64 = 1) -> Bool {
    !pages.contains { $0.key < address + size << 12 && $0.key + $0.value.size << 12 > address }
  }

  func childCount(_ tdr: UInt64) -> UInt64 {
    pages.values.reduce(0) { $1.tdr == tdr && $1.kind != .tdr ? $0 + $1.size : $0 }
  }

  /// The entry for `gpa` at `level`, if a walk gets there: true for one that is there.
  func reaches(_ tdr: UInt64, _ gpa: UInt64, _ level: UInt64) -> Bool {
    for above in (level + 1)...4 where above <= 3 {
      let base = gpa & ~((1 << (12 + 9 * above)) - 1)
      guard tds[tdr]?.entries[above]?[base]?.state == .nonLeafMapped else { return false }
    }
    return true
  }

  func entry(_ tdr: UInt64, _ gpa: UInt64, _ level: UInt64) -> Mapping? { tds[tdr]?.entries[level]?[gpa] }

  /// Entries of the table below.
  func children(_ tdr: UInt64, _ gpa: UInt64, _ level: UInt64) -> Int {
    let range = gpa..<(gpa + 1 << (12 + 9 * level))
    return tds[tdr]?.entries[level - 1]?.keys.count { range.contains($0) } ?? 0
  }

  func isTracked(_ tdr: UInt64, _ mapping: Mapping) -> Bool { mapping.blockedIn < tds[tdr]?.epoch ?? 0 }
}

/// Random sequences of leaves on several TDs, compared with ``Model`` after every one.
@Suite("Memory of TDs against a model", .timeLimit(.minutes(20)))
struct MemoryModelTests {
  /// The status without operand; 0 for success.
  private typealias Status = UInt64
  private static let tdrs: [UInt64] = [0x100_0000, 0x140_0000, 0x180_0000]
  /// Few addresses, so that things meet: 8 pages in 2 regions of 2 MiB in 2 of 1 GiB.
  private static let gpas: [UInt64] = [0, 0x1000, 0x2000, 0x20_0000, 0x20_1000, 0x4000_0000, 0x4000_1000, 0x4020_0000]
  /// 6 × 2 MiB; the first page of each, and a few others.
  private static let hpas: [UInt64] = (0..<6).flatMap { region in
    [0, 0x1000, 0x2000, 0x3000, 0x1F_F000].map { 0x800_0000 + region << 21 + $0 }
  }

  /// Addresses and pages for what is large, now and then.
  private static let largeGPAs: [UInt64] = [0x60_0000, 0x80_0000, 0x4060_0000]
  private static let largeHPAs: [UInt64] = [0x1000_0000, 0x1020_0000, 0x1040_0000, 0x1060_0000]
  /// Pages for tables, which would use up the others.
  private static let tablePages = (0..<24).map { 0xC00_0000 + UInt64($0) << 12 }

  /// One leaf with its answer by the model, which is changed when it works.
  private static func expect(_ model: inout Model, leaf: UInt64, tdr: UInt64, place: UInt64, hpa: UInt64) -> Status {
    let level = place & 7
    let gpa = place & ~7
    let walkFailed: Status = 0xC000_0B00
    let stateIncorrect: Status = 0xC000_0B0D
    if leaf == 38 {
      model.tds[tdr]?.epoch += 1
      return 0
    }
    guard model.reaches(tdr, gpa, level) else { return walkFailed }
    let entry = model.entry(tdr, gpa, level)
    let isRunning = model.tds[tdr]?.isRunning == true
    func set(_ mapping: Model.Mapping?) { model.tds[tdr]?.entries[level, default: [:]][gpa] = mapping }
    func give(_ kind: Model.Kind, size: UInt64 = 1) { model.pages[hpa] = .init(kind: kind, tdr: tdr, size: size) }
    /// Nil when the entry may go.
    func blocked(_ entry: Model.Mapping, _ name: Status = 0xC000_0B08) -> Status? {
      guard isRunning else { return nil }
      guard [.blocked, .pendingBlocked, .nonLeafBlocked].contains(entry.state) else { return 0xC000_0B06 }
      return model.isTracked(tdr, entry) ? nil : name
    }
    switch leaf {
    case 2:
      guard entry == nil else { return stateIncorrect }
      guard model.isFree(hpa) else { return 0xC000_0300 }
      give(.reg)
      set(.init(page: hpa, state: .mapped))
    case 3:
      guard entry == nil else { return stateIncorrect }
      guard model.isFree(hpa) else { return 0xC000_0300 }
      give(.ept)
      set(.init(page: hpa, state: .nonLeafMapped))
    case 6:
      guard entry == nil else { return stateIncorrect }
      let size: UInt64 = level == 0 ? 1 : 512
      guard hpa & (size << 12 - 1) == 0 else { return 0xC000_0100 }
      guard model.isFree(hpa, size: size) else { return 0xC000_0300 }
      give(.reg, size: size)
      set(.init(page: hpa, state: .pending))
    case 7:
      guard let entry else { return stateIncorrect }
      let forms: [SEPTState: SEPTState] = [
        .mapped: .blocked, .pending: .pendingBlocked, .nonLeafMapped: .nonLeafBlocked,
      ]
      guard let form = forms[entry.state] else { return 0x0000_0B07 }
      set(.init(page: entry.page, state: form, blockedIn: model.tds[tdr]?.epoch ?? 0))
    case 39:
      let forms: [SEPTState: SEPTState] = [
        .blocked: .mapped, .pendingBlocked: .pending, .nonLeafBlocked: .nonLeafMapped,
      ]
      guard let entry, let form = forms[entry.state] else { return stateIncorrect }
      if let refusal = blocked(entry) { return refusal }
      set(.init(page: entry.page, state: form))
    case 29:
      guard let entry, entry.state != .nonLeafMapped, entry.state != .nonLeafBlocked else { return stateIncorrect }
      if let refusal = blocked(entry) { return refusal }
      model.pages[entry.page] = nil
      set(nil)
    case 30:
      guard let entry, entry.state == .nonLeafMapped || entry.state == .nonLeafBlocked else { return stateIncorrect }
      if let refusal = blocked(entry) { return refusal }
      guard model.children(tdr, gpa, level) == 0 else { return 0xC000_0B0E }
      model.pages[entry.page] = nil
      set(nil)
    case 5:
      guard let entry else { return stateIncorrect }
      guard entry.page != hpa else { return 0xC000_0100 }
      if let refusal = blocked(entry) { return refusal }
      guard model.isFree(hpa) else { return 0xC000_0300 }
      model.pages[entry.page] = nil
      give(.reg)
      set(.init(page: hpa, state: [.mapped, .blocked].contains(entry.state) ? .mapped : .pending))
    case 15:
      guard let entry, entry.state != .nonLeafMapped, entry.state != .nonLeafBlocked else { return stateIncorrect }
      if let refusal = blocked(entry) { return refusal }
      guard model.isFree(hpa) else { return 0xC000_0300 }
      let state: SEPTState = [.mapped, .blocked].contains(entry.state) ? .mapped : .pending
      model.pages[entry.page] = nil
      for index: UInt64 in 0..<512 {
        model.pages[entry.page + index << 12] = .init(kind: .reg, tdr: tdr, size: 1)
        model.tds[tdr]?.entries[0, default: [:]][gpa + index << 12] = .init(
          page: entry.page + index << 12, state: state)
      }
      give(.ept)
      set(.init(page: hpa, state: .nonLeafMapped))
    case 23:
      guard let entry, entry.state == .nonLeafMapped || entry.state == .nonLeafBlocked else { return stateIncorrect }
      if let refusal = blocked(entry) { return refusal }
      guard let first = model.entry(tdr, gpa, 0), first.page & 0x1F_FFFF == 0,
        [.mapped, .pending].contains(first.state),
        (0..<512 as Range<UInt64>).allSatisfy({
          let next = model.entry(tdr, gpa + $0 << 12, 0)
          return next?.page == first.page + $0 << 12 && next?.state == first.state
        })
      else { return 0xC000_0B09 }
      for index: UInt64 in 0..<512 {
        model.pages[first.page + index << 12] = nil
        model.tds[tdr]?.entries[0]?[gpa + index << 12] = nil
      }
      model.pages[entry.page] = nil
      model.pages[first.page] = .init(kind: .reg, tdr: tdr, size: 512)
      set(.init(page: first.page, state: first.state))
    default: break
    }
    return 0
  }

  /// A level at which the leaf can be called, and an address that fits it: mostly one where the model has an entry, for a
  /// leaf that needs one.
  private static func place(
    _ leaf: UInt64, _ td: Model.TD?, _ generator: inout SeededGenerator
  ) throws -> UInt64 {
    let levels: [UInt64: [UInt64]] = [
      2: [0], 3: [1, 2, 3], 5: [0], 6: [0, 1], 7: [0, 0, 0, 1, 1, 2], 15: [1], 23: [1], 29: [0, 0, 1], 30: [1, 2],
      39: [0, 0, 1, 2],
    ]
    let level = try #require(levels[leaf]?.randomElement(using: &generator))
    if ![2, 3, 6].contains(leaf), Int.random(in: 0..<4, using: &generator) > 0,
      let known = td?.entries[level]?.keys.sorted().randomElement(using: &generator)
    {
      return known | level
    }
    let isLarge = level == 1 && [6, 15, 23].contains(leaf)
    let gpa = try #require((isLarge ? largeGPAs + gpas : gpas).randomElement(using: &generator))
    return gpa & ~((1 << (12 + 9 * level)) - 1) | level
  }

  /// Everything that both tell.
  private func compare(_ bench: inout Bench, _ model: Model, _ what: String) {
    let assigned = Dictionary(bench.module.pamt.assigned.map { ($0.address, $0.entry) }) { first, _ in first }
    #expect(assigned.count == model.pages.count, "\(what)")
    for (address, page) in model.pages {
      guard let entry = assigned[address] else {
        Issue.record("\(what): the module does not have page \(String(address, radix: 16))")
        return
      }
      #expect(UInt64(entry.type.rawValue) == page.kind.rawValue && 1 << (9 * UInt64(entry.level)) == page.size)
      #expect(entry.owner == (page.kind == .tdr ? 0 : page.tdr))
    }
    #expect(bench.module.inconsistencies.isEmpty, "\(what)")
    for (tdr, td) in model.tds {
      #expect(bench.module.tds[tdr]?.childCount == model.childCount(tdr), "\(what)")
      #expect(bench.module.tds[tdr]?.epoch == td.epoch)
      let entries = bench.module.tds[tdr]?.sept.entries ?? [:]
      #expect(entries.count == td.entries.values.reduce(0) { $0 + $1.count }, "\(what)")
      for (level, mappings) in td.entries {
        for (gpa, mapping) in mappings {
          let entry = entries[gpa | level]
          #expect(entry?.hpa == mapping.page && entry?.state == mapping.state, "\(what): \(String(gpa, radix: 16))")
          // The PAMT agrees with the tree: the page is there, as large, and the TD's.
          let metadata = assigned[mapping.page]
          #expect(metadata?.owner == tdr)
          let isTable = mapping.state == .nonLeafMapped || mapping.state == .nonLeafBlocked
          #expect(metadata?.type == (isTable ? .ept : .reg))
          #expect(UInt64(metadata?.level ?? 9) == (isTable ? 0 : level))
        }
      }
    }
  }

  @Test("Whatever a host does, module and model agree", arguments: 0..<6)
  func sequences(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed) &+ 1000)
    var bench = try Bench.withMemory(.init(1, 5, 24), lps: 2)
    var model = Model()
    for (index, tdr) in Self.tdrs.enumerated() {
      bench.createTD(tdr, hkid: 65 + UInt64(index))
      #expect(bench.initTD(tdr).rax == 0)
      model.tds[tdr] = .init()
      model.pages[tdr] = .init(kind: .tdr, tdr: tdr, size: 1)
      for page: UInt64 in 1...9 { model.pages[tdr + page << 12] = .init(kind: .tdcx, tdr: tdr, size: 1) }
    }
    let leaves: [UInt64] = [
      2, 2, 3, 3, 3, 3, 5, 5, 6, 6, 6, 6, 7, 7, 7, 15, 15, 23, 23, 29, 29, 30, 38, 38, 38, 39, 39, 39,
    ]
    var done: [UInt64: Int] = [:]
    for step in 0..<4000 {
      let tdr = try #require(Self.tdrs.randomElement(using: &generator))
      let isRunning = model.tds[tdr]?.isRunning == true
      if !isRunning, Int.random(in: 0..<1500, using: &generator) == 0 {
        #expect(bench.finalize(tdr).rax == 0)
        model.tds[tdr]?.isRunning = true
      }
      if step == 1500 { try bench.update(to: .init(1, 5, 28)) }
      let leaf = try #require(leaves.randomElement(using: &generator))
      if leaf == 2, model.tds[tdr]?.isRunning == true { continue }
      let place = leaf == 38 ? tdr : try Self.place(leaf, model.tds[tdr], &generator)
      let isTable = [3, 15].contains(leaf) && Int.random(in: 0..<8, using: &generator) > 0
      let isLarge = leaf == 6 && place & 7 == 1
      let hpa = try #require(
        (isTable ? Self.tablePages : isLarge ? Self.largeHPAs + Self.hpas : Self.hpas).randomElement(using: &generator))
      let expected = Self.expect(&model, leaf: leaf, tdr: tdr, place: place, hpa: hpa)
      let answer = bench.seamcall(
        Registers(rax: leaf, rcx: place, rdx: tdr, r8: hpa, r9: leaf == 15 ? .max : Bench.shared, r10: .max, r11: .max))
      let what = "seed \(seed), step \(step), leaf \(leaf), place \(String(place, radix: 16))"
      #expect(answer.rax >> 32 == expected, "\(what): \(answer.status)")
      if expected == 0 { done[leaf, default: 0] += 1 }
      if step % 100 == 0 || expected == 0 && (leaf == 15 || leaf == 23) { compare(&bench, model, what) }
    }
    compare(&bench, model, "seed \(seed), at the end")
    // Everything happened.
    for leaf in Set(leaves) where leaf != 23 { #expect(done[leaf, default: 0] > 0, "leaf \(leaf)") }

    // Teardown gives everything back.
    for tdr in Self.tdrs { #expect(bench.call(19, rcx: tdr).rax == 0) }
    #expect(bench.call(40).rax == 0)
    for tdr in Self.tdrs { #expect(bench.call(20, rcx: tdr).rax == 0) }
    for (address, page) in model.pages where page.kind != .tdr { #expect(bench.call(28, rcx: address).rax == 0) }
    for tdr in Self.tdrs { #expect(bench.call(28, rcx: tdr).rax == 0) }
    #expect(bench.module.pamt.assigned.isEmpty && bench.module.tds.isEmpty)
    #expect(bench.module.pamt.is2MBRangeFree(0x800_0000))
  }
}
