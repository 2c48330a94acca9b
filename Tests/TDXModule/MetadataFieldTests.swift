import Basics
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// TDH.MNG.RD, TDH.MNG.WR, TDH.VP.RD, TDH.VP.WR, and the guest's side of them (tdx-module.md 5.2, 6.9).
@Suite("Metadata of TDs and vCPUs", .timeLimit(.minutes(20)))
struct MetadataFieldTests {
  private let tdr = Bench.tdr
  private let tdvpr = Bench.tdvpr
  private static let incorrect: UInt64 = 0xC000_0C00_0000_0000
  private static let notReadable: UInt64 = 0xC000_0C02_0000_0000
  private static let notWritable: UInt64 = 0xC000_0C01_0000_0000
  private static let notValid: UInt64 = 0xC000_0C03_0000_0000

  private static let debug = Bench.parameters { $0.store(UInt64(1), at: 0) }

  typealias Row = (id: UInt64, count: UInt64, always: Bool?)

  /// tdx-module.md 6.9: id, elements, and whether the host reads it only of a DEBUG TD (nil: never).
  static let td: [Row] = [
    (0x8010_0000_0000_0001, 1, true), (0x8010_0002_0000_0002, 1, true), (0x8010_0003_0000_0004, 1, true),
    (0x8010_0002_0000_0005, 1, true), (0x8010_0003_0000_0010, 9, true), (0x8010_0003_0000_0020, 4, true),
    (0x8110_0001_0000_0001, 1, true), (0x8110_0003_0000_0002, 1, true), (0x8210_0001_0000_0000, 1, true),
    (0x8210_0003_0000_0001, 1, true), (0x8210_0003_0000_0002, 4, nil), (0x9010_0002_0000_0001, 1, true),
    (0x9010_0002_0000_0002, 1, true), (0x9010_0002_0000_0004, 1, true), (0x9010_0001_0000_0005, 1, true),
    (0x1110_0003_0000_0000, 1, true), (0x1110_0003_0000_0001, 1, true), (0x1110_0002_0000_0002, 1, true),
    (0x1110_0000_0000_0003, 1, true), (0x1110_0003_0000_0004, 1, true), (0x1110_0003_0000_000A, 1, true),
    (0x1110_0003_0000_000B, 1, true), (0x1110_0001_0000_000C, 1, true), (0x1110_0003_0000_0016, 1, true),
    (0x1110_0003_0000_0017, 1, false), (0x9210_0003_0000_0000, 1, true), (0x1310_0003_0000_0000, 6, true),
    (0x1310_0003_0000_0010, 6, true), (0x1310_0003_0000_0018, 6, true), (0x1310_0003_0000_0020, 6, true),
    (0x1310_0003_0000_0040, 24, false), (0x9910_0003_0000_0000, 6, true),
  ]
  static let vcpu: [Row] = [
    (0xA020_0000_0000_0000, 1, false), (0xA020_0002_0000_0002, 1, true), (0xA020_0002_0000_0004, 1, true),
    (0xA020_0003_0000_0006, 1, true), (0xA020_0003_0000_0032, 1, false), (0x2020_0000_0000_000B, 1, true),
  ]

  @Test("Every id of 6.9, of a production TD and of a DEBUG TD", arguments: [false, true])
  func everyID(isDebug: Bool) throws {
    var bench = try Bench.running(.init(1, 5, 34), isDebug ? Self.debug : Bench.parameters())
    for (leaf, address, table) in [(11, tdr, Self.td), (26, tdvpr, Self.vcpu)] as [(UInt64, UInt64, [Row])] {
      for (id, count, always) in table {
        for element in 0..<count {
          let isReadable = always.map { $0 || isDebug } ?? false
          let answer = bench.call(leaf, rcx: address, rdx: id + element)
          #expect(answer.rax == (isReadable ? 0 : Self.notReadable), "\(String(id, radix: 16))")
          if !isReadable { #expect(answer.r8 == 0) }
          // Version 0 leaves RDX alone.
          #expect(answer.rdx == id + element)
        }
        // Size, context and NON_ARCH do not matter; lengths and reserved bits do.
        #expect(bench.call(leaf, rcx: address, rdx: id ^ (1 << 63 | 3 << 32 | 7 << 52)).rax != Self.incorrect)
        for bit: UInt64 in [24, 31, 34, 38, 47, 55, 62] {
          #expect(bench.call(leaf, rcx: address, rdx: id | 1 << bit).rax == Self.incorrect)
        }
      }
      #expect(bench.call(leaf, rcx: address, rdx: 0x3F00_0000_0000_0000).rax == Self.incorrect)
      #expect(bench.call(leaf, rcx: address, rdx: .max).rax == Self.incorrect)
    }
  }

  @Test("The values of a TD that is being built")
  func values() throws {
    var bench = try Bench.withMemory(.init(1, 5, 28))
    bench.createTD()
    bench.initTD(
      tdr,
      Bench.parameters { bytes in
        bytes.store([UInt8](repeating: 0xAB, count: 48), at: 80)
        bytes.store(UInt32(0x000C_06F0), at: 256)
        bytes.store(UInt32(0x0010_0000), at: 260)
      })
    bench.createVCPU()
    bench.call(22, rcx: tdvpr, rdx: 1, on: 3)
    func read(_ id: UInt64) -> UInt64 { bench.call(11, rcx: tdr, rdx: id).r8 }
    #expect(read(0x8010_0002_0000_0002) == 9)
    #expect(read(0x8010_0003_0000_0004) == 15)
    #expect(read(0x8010_0002_0000_0005) == 1)
    #expect(read(0x8010_0003_0000_0012) == tdr + 3 * 4096)
    #expect(read(0x8110_0001_0000_0001) == 65)
    #expect(read(0x8110_0003_0000_0002) == 1)
    #expect(read(0x8210_0001_0000_0000) == 1)
    #expect(read(0x9010_0002_0000_0001) == 1)
    #expect(read(0x9010_0002_0000_0002) == 1)
    #expect(read(0x9010_0002_0000_0004) == 1)
    #expect(read(0x1110_0003_0000_0001) == 3)
    #expect(read(0x1110_0002_0000_0002) == 4)
    #expect(read(0x1110_0001_0000_000C) == 40)
    #expect(read(0x1310_0003_0000_0015) == 0xABAB_ABAB_ABAB_ABAB)
    #expect(read(0x9210_0003_0000_0000) == 1)
    // CPUID(1): no subleaves; EAX and EBX, ECX and EDX.
    #expect(read(0x9410_0003_0000_0000 | 1 << 9 | 1 << 8) == 0x0010_0000 << 32 | 0x000C_06F0)
    #expect(read(0x9410_0003_0000_0001 | 1 << 9 | 1 << 8) == 0)
    #expect(bench.call(11, rcx: tdr, rdx: 0x9410_0003_0000_0000 | 1 << 9).rax == Self.incorrect)
    // CPUID(0x80000008).
    #expect(bench.call(11, rcx: tdr, rdx: 0x9410_0003_0000_0000 | 1 << 16 | 8 << 9 | 1 << 8).rax == 0)
    #expect(bench.call(26, rcx: tdvpr, rdx: 0xA020_0002_0000_0004, on: 3).r8 == 3)
    #expect(bench.call(26, rcx: tdvpr, rdx: 0xA020_0003_0000_0011, on: 3).r8 == tdvpr + 4096)
  }

  /// The ids that a chain of version 1 reads gives, from the first to the end.
  private func chain(_ bench: inout Bench, _ leaf: UInt64, _ address: UInt64) -> [UInt64] {
    let start = bench.call(leaf, version: 1, rcx: address, rdx: .max)
    #expect(start.rax == 0x0000_0C0B_0000_0000)
    var ids: [UInt64] = []
    var next = start.rdx
    while next != .max, ids.count < 2000 {
      ids.append(next)
      let answer = bench.call(leaf, version: 1, rcx: address, rdx: next)
      #expect(answer.rax == 0, "\(String(next, radix: 16))")
      next = answer.rdx
    }
    return ids
  }

  @Test("Chains of next ids ascend, end, and hold exactly what can be read", arguments: [false, true])
  func chains(isDebug: Bool) throws {
    for version in releases {
      var bench = try Bench.running(version, isDebug ? Self.debug : Bench.parameters())
      for (leaf, address, table) in [(11, tdr, Self.td), (26, tdvpr, Self.vcpu)] as [(UInt64, UInt64, [Row])] {
        let ids = chain(&bench, leaf, address)
        #expect(Set(ids).count == ids.count && ids.count < 2000)
        let classes = ids.map { $0 >> 56 & 0x3F }
        #expect(classes == classes.sorted())
        for id in ids { #expect(id >> 52 & 7 == (leaf == 11 ? 1 : 2)) }
        for (id, count, always) in table {
          let isReadable = always.map { $0 || isDebug } ?? false
          for element in 0..<count { #expect(ids.contains(id + element) == isReadable) }
        }
      }
    }
  }

  @Test("A read that is refused tells no next id; version 2 is refused")
  func refusedReads() throws {
    var bench = try Bench.running()
    for (leaf, address, id) in [(11, tdr, 0x1310_0003_0000_0040), (26, tdvpr, 0xA020_0000_0000_0000)]
      as [(UInt64, UInt64, UInt64)]
    {
      let answer = bench.call(leaf, version: 1, rcx: address, rdx: id, r8: 5)
      #expect(answer.rax == Self.notReadable && answer.rdx == .max && answer.r8 == 0)
      let wrong = bench.call(leaf, version: 2, rcx: 1, rdx: id, r8: 5)
      #expect(wrong.rax == 0xC000_0100_0000_0000 && wrong.rdx == .max && wrong.r8 == 0)
      #expect(bench.call(leaf, version: 1, rcx: 1, rdx: id).rax == 0xC000_0100_0000_0001)
    }
  }

  @Test("OP_STATE before the field; a read of a vCPU associates it, also a dead one")
  func states() throws {
    var bench = try Bench.withMemory()
    bench.createTD()
    #expect(bench.call(11, rcx: tdr, rdx: 1 << 24).rax == 0xC000_0608_0000_0000)
    bench = try Bench.running()
    bench.module.tds[tdr]?.opState = .pausedExport
    #expect(bench.call(11, rcx: tdr, rdx: 0x9010_0002_0000_0004).r8 == 4)
    #expect(bench.call(13, rcx: tdr, rdx: 1 << 24).rax == 0xC000_0608_0000_0000)
    #expect(bench.call(43, rcx: tdvpr, rdx: 1 << 24).rax == 0xC000_0608_0000_0000)
    bench.module.tds[tdr]?.opState = .runnable
    #expect(bench.call(26, rcx: tdvpr, rdx: 1 << 24, on: 1).rax == 0x8000_0701_0000_0000)
    #expect(bench.call(18, rcx: tdvpr).rax == 0)
    #expect(bench.call(26, rcx: tdvpr, rdx: 1 << 24, on: 1).rax == Self.incorrect)
    #expect(bench.module.vcpus[tdvpr]?.associatedLP == 1)
    bench.module.vcpus[tdvpr]?.state = .disabled
    #expect(bench.call(26, rcx: tdvpr, rdx: 0xA020_0002_0000_0002, on: 1).rax == 0)
    #expect(bench.call(43, rcx: tdvpr, rdx: 0x2020_0000_0000_000B, r8: 1, r9: 1, on: 1).rax == 0xC000_0700_0000_0000)
    let pages = bench.module.vcpus[tdvpr]?.pages ?? []
    bench.module.vcpus[tdvpr]?.pages = [tdvpr]
    #expect(bench.call(26, rcx: tdvpr, rdx: 1 << 24, on: 1).rax == 0xC000_0610_0000_0000)
    bench.module.vcpus[tdvpr]?.pages = pages
  }

  @Test("The fields that KVM writes keep what was written, under their masks")
  func hostWrites() throws {
    var bench = try Bench.running()
    let vector: UInt64 = 0x0024_0001_0000_0002
    let descriptor: UInt64 = 0x0024_0003_0000_2016
    let pinBased: UInt64 = 0x0024_0002_0000_4000
    let sharedEPTP: UInt64 = 0x0024_0003_0000_203C
    let pendNMI: UInt64 = 0x2020_0000_0000_000B
    func write(_ id: UInt64, _ value: UInt64, _ mask: UInt64) -> UInt64 {
      bench.call(43, rcx: tdvpr, rdx: id, r8: value, r9: mask).rax
    }
    #expect(bench.call(26, rcx: tdvpr, rdx: vector).r8 == 0xFFFF)
    #expect(write(pinBased, 1 << 7, 1 << 7) == 0xC000_0730_0000_0002)
    #expect(write(vector, 256, .max) == Self.notValid)
    #expect(write(vector, 0xF2, .max) == 0)
    #expect(write(pinBased, 1 << 7, 1 << 7) == 0xC000_0730_0000_2016)
    #expect(write(descriptor, 0x30_0001, .max) == Self.notValid)
    #expect(write(descriptor, 0x30_0000 | 64 << 41, ~0x3F) == Self.notValid)
    #expect(write(descriptor, 0x30_0040, ~0x3F) == 0)
    #expect(write(pinBased, 1 << 7, 1 << 7) == 0)
    #expect(write(pinBased, 1 << 6, 1 << 6) == Self.notWritable)
    #expect(write(pinBased, 3 << 6, 3 << 6) == Self.notValid)
    #expect(write(sharedEPTP, 0x40_0000, 0x000F_FFFF_FFFF_F000) == 0)
    #expect(write(pendNMI, 1, 0xFF) == 0)
    #expect(write(pendNMI, 1, 0) == Self.notWritable)
    let again = bench.call(43, rcx: tdvpr, rdx: pendNMI, r8: 0, r9: 1)
    #expect(again.rax == 0 && again.r8 == 1)
    for (id, value) in [(vector, 0xF2), (descriptor, 0x30_0040), (pinBased, 0x80), (sharedEPTP, 0x40_0000)]
      as [(UInt64, UInt64)]
    {
      #expect(bench.call(26, rcx: tdvpr, rdx: id).r8 == value)
    }
    #expect(write(0xA020_0002_0000_0002, 1, 1) == Self.notWritable)
    #expect(write(1 << 24, 1, 1) == Self.incorrect)
    // Of the TD.
    let timeout: UInt64 = 0x9110_0003_0000_0011
    func writeTD(_ id: UInt64, _ value: UInt64, _ mask: UInt64) -> UInt64 {
      bench.call(13, rcx: tdr, rdx: id, r8: value, r9: mask).rax
    }
    #expect(writeTD(timeout, 50_000, 0xFFFF) == 0xC000_0C0A_0000_0000)
    #expect(writeTD(timeout, 9_999, .max) == Self.notValid)
    #expect(writeTD(timeout, 50_000, .max) == 0)
    let old = bench.call(13, rcx: tdr, rdx: timeout, r8: 60_000, r9: .max)
    #expect(old.rax == 0 && old.r8 == 50_000)
    #expect(bench.call(11, rcx: tdr, rdx: timeout).r8 == 60_000)
    #expect(writeTD(0x1110_0003_0000_0000, 0, 1) == Self.notWritable)
  }

  @Test("What a migration and a service TD leave in the TDCS; keys are the debugger's")
  func migration() throws {
    for isDebug in [false, true] {
      var bench = try Bench.running(.init(1, 5, 34), isDebug ? Self.debug : Bench.parameters())
      bench.module.tds[tdr]?.migration.exportCount = 3
      bench.module.tds[tdr]?.migration.decryptionKey = [1, 2, 3, 4]
      bench.module.tds[tdr]?.serviceTDs.slots = [
        .init(
          state: .bound, type: 0, attributes: .init(rawValue: 1), infoHash: [UInt8](repeating: 0xAB, count: 48),
          uuid: [5, 6, 7, 8])
      ]
      #expect(bench.call(11, rcx: tdr, rdx: 0x9810_0002_0000_0002).r8 == 3)
      let key = bench.call(11, rcx: tdr, rdx: 0x9810_0003_0000_0012)
      #expect(isDebug ? key.rax == 0 && key.r8 == 3 : key.rax == Self.notReadable && key.r8 == 0)
      #expect(bench.call(11, rcx: tdr, rdx: 0x9910_0001_0000_0006).r8 == 1)
      let words = (0..<16).map { bench.call(11, rcx: tdr, rdx: 0x9910_0003_0000_0080 + $0).r8 }
      #expect(words == [2, 1, 5, 6, 7, 8] + [UInt64](repeating: 0xABAB_ABAB_ABAB_ABAB, count: 6) + [0, 0, 0, 0])
      #expect(bench.tdcall(7, rdx: 0x9910_0003_0000_0083)?.r8 == 6)
    }
  }

  @Test("Registers are the debugger's, and nobody else's")
  func registers() throws {
    var production = try Bench.running()
    #expect(production.call(26, rcx: tdvpr, rdx: 0x1020_0003_0000_0001).rax == Self.notReadable)
    #expect(production.call(43, rcx: tdvpr, rdx: 0x1020_0003_0000_0001, r8: 1, r9: .max).rax == Self.notWritable)
    var bench = try Bench.running(.init(1, 5, 34), Self.debug)
    #expect(bench.call(26, rcx: tdvpr, rdx: 0x1020_0003_0000_0001).r8 == 0x1234)
    #expect(bench.call(26, rcx: tdvpr, rdx: 0x1020_0003_0000_0003).r8 == 48)
    let old = bench.call(43, rcx: tdvpr, rdx: 0x1020_0003_0000_0008, r8: 0xFF, r9: 0x0F)
    #expect(old.rax == 0 && old.r8 == 0x1234)
    #expect(bench.call(26, rcx: tdvpr, rdx: 0x1020_0003_0000_0008).r8 == 0x123F)
  }

  @Test("The guest reads what is the guest's")
  func guest() throws {
    var bench = try Bench.running()
    #expect(bench.tdcall(7, rdx: 0x1110_0002_0000_0002)?.r8 == 4)
    #expect(bench.tdcall(7, rdx: 0x9010_0002_0000_0004)?.rax == Self.notReadable)
    #expect(bench.tdcall(7, rdx: 1 << 24)?.rax == Self.incorrect)
    #expect(bench.tdcall(7, rcx: 1, rdx: 0x1110_0002_0000_0002)?.rax == 0xC000_0100_0000_0001)
    #expect(bench.tdcall(7, rdx: .max)?.rax == Self.incorrect)
    #expect(bench.tdcall(8, rdx: 0x1110_0002_0000_0002, r8: 5, r9: .max)?.rax == Self.notWritable)
    #expect(bench.tdcall(8, rdx: 0x9110_0003_0000_0010, r8: 1, r9: 1)?.rax == 0)
    #expect(bench.tdcall(7, rdx: 0x9110_0003_0000_0010)?.r8 == 1)
    // RTMR[1], word 0.
    bench.map(0x1000, .mapped)
    #expect(bench.tdcall(2, rcx: 0x1000, rdx: 1)?.rax == 0)
    #expect(bench.tdcall(7, rdx: 0x1310_0003_0000_0046)?.r8 != 0)
    for (leaf, first) in [(7 | 1 << 16, 0x8010_0003_0000_0020), (9, 0xA020_0002_0000_0002)] as [(UInt64, UInt64)] {
      var next = bench.tdcall(leaf, rdx: .max)?.rdx
      #expect(next == first)
      var count = 0
      while let id = next, id != .max, count < 300 {
        let answer = bench.tdcall(leaf, rdx: id)
        #expect(answer?.rax == 0)
        next = answer?.rdx
        count += 1
      }
      #expect(next == .max)
      #expect(count == (leaf == 9 ? 3 : 4 + 1 + 1 + 8 + 24 + 24 + 4 + 6 + 1 + 16))
    }
  }

  @Test("The guest sees the new module's version after an update, never UPDATE_VERSION")
  func guestSystem() throws {
    var bench = try Bench.running(.init(1, 5, 24))
    bench.map(0x1000, .mapped)
    let features: UInt64 = 0x0A00_0003_0000_0008
    #expect(bench.tdcall(11, rdx: 0x0800_0001_0000_0003)?.r8 == 5)
    #expect(bench.tdcall(11, rdx: 0x0800_0001_0000_0005)?.rax == Self.notReadable)
    #expect(bench.tdcall(11, rdx: 0x3F00_0000_0000_0000)?.rax == Self.incorrect)
    let before = bench.tdcall(11, rdx: features)?.r8
    #expect(before == bench.machine.residentProgram?.features0)
    let hostList = bench.read(features)
    #expect(hostList == before)
    #expect(bench.call(52, rcx: 1).rax == 0)
    try bench.load(.init(1, 5, 34), keepingHandoff: true)
    bench.initializeLPs()
    #expect(bench.call(53).rax == 0)
    let after = bench.tdcall(11, rdx: features)?.r8
    #expect(after == bench.machine.residentProgram?.features0 && after != before)

    // The chain of single reads and the list of all agree.
    var ids: [UInt64] = []
    var next = bench.tdcall(11, rdx: .max)?.rdx
    #expect(next == 0x0800_0002_0000_0000)
    while let id = next, id != .max, ids.count < 100 {
      ids.append(id)
      next = bench.tdcall(11, rdx: id)?.rdx
    }
    #expect(ids.count == 12)
    #expect(bench.tdcall(12, rdx: 0x1000, r8: .max)?.rax == 0)
    bench.enter([.read(gpa: 0x1000, count: 4096)])
    guard case .bytes(let page)? = bench.outcomes().last else {
      Issue.record("no list")
      return
    }
    var listed: [UInt64: UInt64] = [:]
    var offset = 8
    for _ in 0..<UInt16(littleEndianBytes: page[2..<4]) {
      let header = UInt64(littleEndianBytes: page[offset..<(offset + 8)])
      let id = header & ~(0x1FF << 38)
      for field in 0...(header >> 38 & 0x1FF) {
        let start = offset + 8 + 8 * Int(field)
        listed[id + field] = UInt64(littleEndianBytes: page[start..<(start + 8)])
      }
      offset += 8 + 8 * Int(header >> 38 & 0x1FF) + 8
    }
    #expect(Int(UInt16(littleEndianBytes: page[0..<2])) == offset)
    #expect(Set(listed.keys) == Set(ids))
    for id in ids { #expect(listed[id] == bench.tdcall(11, rdx: id)?.r8) }
  }

  @Test("RDALL: alignment, privacy, memory, first id")
  func guestList() throws {
    var bench = try Bench.running()
    bench.map(0x1000, .mapped)
    #expect(bench.tdcall(12, rdx: 0x1008, r8: .max)?.rax == 0xC000_0100_0000_0002)
    #expect(bench.tdcall(12, rdx: 1 << 47, r8: .max)?.rax == 0xC000_0100_0000_0002)
    #expect(bench.enter([.tdcall(Registers(rax: 12, rcx: 0, rdx: 0x9000, r8: .max))]).rcx == 3)
    bench.machine.guests = [:]
    #expect(bench.tdcall(12, rdx: 0x1000, r8: 0x3F00_0000_0000_0000)?.rax == Self.incorrect)
    #expect(bench.tdcall(12, rdx: 0x1000, r8: 0x0A00_0003_0000_0008)?.rax == 0)
    bench.enter([.read(gpa: 0x1008, count: 8)])
    #expect(bench.outcomes().last == .bytes(UInt64(0x0A00_0003_0000_0008).littleEndianBytes))
    // From a field that is the host's: the next one that is the guest's.
    #expect(bench.tdcall(12, rdx: 0x1000, r8: 0x8900_0001_0000_0000)?.rax == 0)
    bench.enter([.read(gpa: 0x1008, count: 8)])
    #expect(bench.outcomes().last == .bytes(UInt64(0x0A00_0002_0000_0000).littleEndianBytes))
  }
}
