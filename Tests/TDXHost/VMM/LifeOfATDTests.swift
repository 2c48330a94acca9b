import SEAM
import SystemPackage
import Testing

@testable import TDXHost

/// The life of a TD as KVM lives it, over a firmware that takes everything (arch/x86/kvm/vmx/tdx.c).
@Suite("The life of a TD, leaf by leaf", .timeLimit(.minutes(20)))
struct LifeOfATDTests {
  /// VP.ENTER of the fake leaves with status 0, which is exit reason 0; a test that runs says what it leaves with.
  @Test("from its creation to its end, in KVM's order, and everything comes back")
  func order() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    let pages = host.pages.pagesInUse
    try host.createTD("a", door: firmware)
    #expect(
      firmware.summary() == ["TDH.MNG.CREATE@0", "TDH.MNG.KEY.CONFIG@0", "TDH.MNG.ADDCX@0 x9", "TDH.MNG.INIT@0"])
    #expect(host.td()?.keyID == 65)
    #expect(host.td()?.isOpenBuild == true)
    #expect(host.tds.openBuilds == 1)
    try host.withTD("a") { (td, host) throws(TDError) in
      try td.addVCPU(rcx: 7, host: &host, door: firmware)
    }
    #expect(firmware.summary() == ["TDH.VP.CREATE@0", "TDH.VP.ADDCX@0 x5", "TDH.VP.INIT@0"])
    try host.withTD("a") { (td, host) throws(TDError) in
      try td.addPages(at: 0x1000, count: 2, content: .counting, isMeasured: true, host: &host, door: firmware)
      try td.addPages(at: 0x20_0000, content: .filled(0), isMeasured: false, host: &host, door: firmware)
    }
    #expect(
      firmware.summary() == [
        "TDH.MEM.SEPT.ADD@0 x3", "TDH.MEM.PAGE.ADD@0", "TDH.MR.EXTEND@0 x16", "TDH.MEM.PAGE.ADD@0",
        "TDH.MR.EXTEND@0 x16", "TDH.MEM.SEPT.ADD@0", "TDH.MEM.PAGE.ADD@0",
      ])
    try host.withTD("a") { (td, host) throws(TDError) in try td.finalize(host: &host, door: firmware) }
    #expect(firmware.summary() == ["TDH.MR.FINALIZE@0"])
    #expect(host.tds.openBuilds == 0)
    firmware.exits(interrupted)
    #expect(try host.run(door: firmware).kind == .externalInterrupt)
    #expect(firmware.summary() == ["TDH.VP.ENTER@0"])
    host.destroyTD("a", door: firmware)
    // 6 pages of the vCPU, 3 of the guest and 4 tables, 9 TDCS and the TDR.
    #expect(
      firmware.summary() == [
        "TDH.VP.FLUSH@0", "TDH.MNG.VPFLUSHDONE@0", "TDH.PHYMEM.CACHE.WB@0", "TDH.MNG.KEY.FREEID@0",
        "TDH.PHYMEM.PAGE.RECLAIM@0 x23", "TDH.PHYMEM.PAGE.WBINVD@0",
      ])
    #expect(host.pages.pagesInUse == pages)
    #expect(!host.tdsExist)
    #expect(host.lines.isEmpty)
  }

  @Test("the operands that the leaves get")
  func operands() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    let calls = firmware.calls
    func call(_ leaf: String, _ index: Int = 0) throws -> Registers {
      try #require(calls.filter { $0.leaf == leaf }.dropFirst(index).first).registers
    }
    let tdr = try #require(host.td()?.tdr)
    let tdvpr = try #require(host.td()?.vcpus.first?.tdvpr)
    #expect(try call("TDH.MNG.CREATE") == Registers(rax: 9, rcx: tdr, rdx: 65))
    #expect(try call("TDH.MNG.ADDCX", 8).rdx == tdr)
    #expect(try call("TDH.MNG.ADDCX", 8).rcx == host.td()?.tdcs.last)
    // Version 1 with the x2APIC id, because the module has TOPOLOGY_ENUM.
    #expect(try call("TDH.VP.INIT") == Registers(rax: 0x1_0016, rcx: tdvpr))
    // From the root down: 512 GiB, 1 GiB, 2 MiB.
    #expect(try (0..<3).map { try call("TDH.MEM.SEPT.ADD", $0).rcx } == [3, 2, 1])
    let add = try call("TDH.MEM.PAGE.ADD")
    #expect(add.rcx == 0x1000)
    #expect(add.rdx == tdr)
    #expect(add.r8 == host.td()?.memory.pages[0x1000]?.hpa)
    #expect(firmware.readPhysical(add.r9, count: 4096) == (0..<4096).map { UInt8(truncatingIfNeeded: $0) })
    #expect(try call("TDH.MR.EXTEND", 15) == Registers(rax: 16, rcx: 0x1F00, rdx: tdr))
  }

  @Test("the TD_PARAMS that KVM gives")
  func parameters() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    var parameters = TDParameters(info: host.sysInfo, presentCPUs: 4)
    parameters.hasWideGPA = true
    parameters.mrOwner = [1, 2, 3]
    try host.createTD("a", parameters: parameters, door: firmware)
    let address = try #require(firmware.calls.last { $0.leaf == "TDH.MNG.INIT" }).registers.rdx
    let bytes = firmware.readPhysical(address, count: 1024)
    func integer(_ offset: Int) -> UInt64 { UInt64(littleEndianBytes: bytes.dropFirst(offset).prefix(8)) }
    #expect(integer(0) == 0x1000_0000)
    #expect(integer(8) == 3)
    #expect(integer(16) == 4)
    #expect(integer(24) == 6 | 4 << 3)
    #expect(integer(32) == 1)
    #expect(integer(40) == 80)
    #expect(Array(bytes[128..<132]) == [1, 2, 3, 0])
    #expect(bytes[256...].allSatisfy { $0 == 0 })
  }

  @Test("an older module: six TDCS pages, and TDH.VP.INIT without x2APIC id")
  func olderModule() throws {
    let firmware = FakeFirmware(features0: 1 << 1 | 1 << 18)
    firmware.metadata[0x9800_0001_0000_0100] = 24576
    var host = bootedHost(.v7, firmware)
    try host.makeRunningTD(door: firmware)
    #expect(firmware.calls.count { $0.leaf == "TDH.MNG.ADDCX" } == 6)
    #expect(firmware.calls.first { $0.leaf == "TDH.VP.INIT" }?.registers.rax == 22)
  }

  @Test("each package gets the key, and writes its caches back")
  func packages() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware, lps: 256)
    try host.createTD("a", door: firmware)
    #expect(firmware.summary().contains("TDH.MNG.KEY.CONFIG@128"))
    // Interrupted three times: resumed until it is done.
    let resumable = failed(0x8000_0003_0000_0000)
    firmware.answer(.phymemCacheWB, on: 128, resumable, resumable, resumable)
    firmware.calls.removeAll()
    host.destroyTD("a", door: firmware)
    let calls = firmware.calls.filter { $0.leaf == "TDH.PHYMEM.CACHE.WB" }
    #expect(calls.map(\.lp) == [0, 128, 128, 128, 128])
    #expect(calls.map(\.registers.rcx) == [0, 0, 1, 1, 1])
    #expect(!host.tdsExist)
  }

  @Test("without an online CPU in every package there is no TD, and KVM says why")
  func missingPackage() throws {
    let firmware = FakeFirmware()
    var host = LinuxHost(
      profile: .v8, configuration: HostConfiguration(packages: [0, 1], memory: [0..<(1 << 30)]), now: { 0 })
    host.boot(door: firmware)
    try host.takeOffline(1, door: firmware)
    let pages = host.pages.pagesInUse
    host.log = KernelLog(now: { 0 })
    #expect(throws: TDError.self) { try host.createTD("a", door: firmware) }
    #expect(
      host.lines == ["kvm_intel: All packages need to have online CPU to create TD. Online CPU and retry."])
    #expect(host.pages.pagesInUse == pages)
    #expect(!host.tdsExist)
  }

  @Test("a vCPU that moves is flushed where it was, and so is one whose CPU goes offline")
  func moves() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    firmware.exits(interrupted, interrupted, interrupted)
    firmware.calls.removeAll()
    try host.run(on: 2, door: firmware)
    #expect(firmware.transcript() == ["TDH.VP.FLUSH@0", "TDH.VP.ENTER@2"])
    try host.takeOffline(2, door: firmware)
    #expect(firmware.transcript() == ["TDH.VP.FLUSH@2"])
    try host.run(door: firmware)
    #expect(firmware.transcript() == ["TDH.VP.ENTER@0"])
    #expect(throws: TDError.self) { try host.run(on: 2, door: firmware) }
  }

  @Test("pages that the guest misses are added on the way; the run ends with what is not KVM's affair")
  func faults() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    firmware.calls.removeAll()
    firmware.exits(fault(0x5000), fault(0x4000_0000), vmCall(12))
    let exit = try host.run(door: firmware)
    #expect(exit.kind == .vmCall(12))
    #expect(exit.detail == "Instruction.HLT")
    #expect(exit.entries == 3)
    #expect(
      firmware.summary() == [
        "TDH.VP.ENTER@0", "TDH.MEM.PAGE.AUG@0", "TDH.VP.ENTER@0", "TDH.MEM.SEPT.ADD@0 x2", "TDH.MEM.PAGE.AUG@0",
        "TDH.VP.ENTER@0",
      ])
    #expect(host.td()?.memory.pages.count == 3)
    // The answer to the call goes in with the next entry: R10 is 0, or says that there is no such thing.
    firmware.exits(vmCall(0x10002), interrupted)
    try host.run(door: firmware)
    try host.run(door: firmware)
    #expect(
      firmware.calls.filter { $0.leaf == "TDH.VP.ENTER" }.map(\.registers.r10) == [0, 0x8000_0000_0000_0003])
  }

  @Test("a shared address, a blocked page and a triple fault end the run")
  func otherExits() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    firmware.exits(fault(1 << 47 | 0x8000), fault(0x1000), Registers(rax: 0x4000_0001_0000_0002))
    #expect(try host.run(door: firmware).kind == .sharedAccess(1 << 47 | 0x8000))
    #expect(try host.run(door: firmware).kind == .blockedAccess(0x1000))
    #expect(try host.run(door: firmware).kind == .shutdown)
    #expect(host.td()?.bug == nil)
  }

  @Test("the guest touches a page that it has not accepted: KVM gives the VM up")
  func pendingAccess() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    firmware.exits(fault(0x9000), fault(0x9000, extended: 6))
    try host.run(door: firmware)
    #expect(host.lines == ["kvm_intel: Guest access before accepting 0x9000 on vCPU 0"])
    #expect(host.td()?.bug != nil)
  }

  @Test("pages go by block, track, remove and write back, and the host has them again")
  func zap() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.makeRunningTD(door: firmware)
    let pages = host.pages.pagesInUse
    firmware.calls.removeAll()
    let page = try #require(host.td()?.memory.pages[0x1000]?.hpa)
    try host.withTD("a") { (td, host) throws(TDError) in try td.zap(0x1000, host: &host, door: firmware) }
    let last = firmware.calls.last?.registers
    #expect(
      firmware.transcript() == [
        "TDH.MEM.RANGE.BLOCK@0", "TDH.MEM.TRACK@0", "TDH.MEM.PAGE.REMOVE@0", "TDH.PHYMEM.PAGE.WBINVD@0",
      ])
    // The TD's KeyID is in the top bits below MAXPA.
    #expect(last?.rcx == page | 65 << 41)
    #expect(host.pages.pagesInUse == pages - 1)
    #expect(throws: TDError.self) {
      try host.withTD("a") { (td, host) throws(TDError) in try td.zap(0x1000, host: &host, door: firmware) }
    }
  }

  @Test("a TD is made anew with other parameters as long as it is empty")
  func remake() throws {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    try host.createTD("a", door: firmware)
    let pages = host.pages.pagesInUse
    var parameters = TDParameters(info: host.sysInfo, presentCPUs: 4)
    parameters.attributes.insert(.migratable)
    try host.remakeTD("a", parameters: parameters, door: firmware)
    #expect(host.td()?.parameters.attributes.contains(.migratable) == true)
    #expect(host.pages.pagesInUse == pages)
    try host.withTD("a") { (td, host) throws(TDError) in try td.addVCPU(host: &host, door: firmware) }
    #expect(throws: TDError.self) { try host.remakeTD("a", parameters: parameters, door: firmware) }
    #expect(host.td()?.vcpus.count == 1)
  }

  @Test("1983 TDs have KeyIDs 65 to 2047; the next one gets ENOSPC, and a KeyID that comes back is used again")
  func keyIDs() {
    var pool = KeyIDPool(privateKeyIDs: 64..<2048)
    let all = (0..<1983).map { _ in pool.allocate() }
    #expect(all == (65..<2048).map { UInt16($0) })
    #expect(pool.allocate() == nil)
    pool.give(back: 100)
    pool.give(back: 100)
    pool.give(back: 64)
    #expect(pool.inUse == 1982)
    #expect(pool.allocate() == 100)
  }
}
