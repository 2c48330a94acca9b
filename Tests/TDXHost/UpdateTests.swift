import ModuleImage
import SEAM
import Testing

@testable import TDXHost

@Suite("An update that succeeds", .timeLimit(.minutes(20)))
struct UpdateTests {
  @Test("v8, four LPs: these SEAMCALLs, one log line")
  func v8() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    let record = update(&host, firmware)
    #expect(record.errno == nil)
    #expect(record.stage == .done)
    #expect(record.oldVersion == ModuleVersion(1, 5, 24))
    #expect(record.newVersion == ModuleVersion(1, 5, 28))
    #expect(record.shutdownOperand == 0x10001)
    #expect(!record.isTDXLost)
    #expect(record.failures.isEmpty)
    #expect(firmware.calls.first?.registers.rdx == 0x8900_0001_0000_0000)
    #expect(
      firmware.calls.suffix(3).map(\.registers.rdx) == [
        0x0800_0001_0000_0003, 0x0800_0001_0000_0004, 0x0800_0001_0000_0005,
      ])
    #expect(
      firmware.transcript() == [
        "TDH.SYS.RD@0", "TDH.SYS.SHUTDOWN@0",
        "SEAMLDR.INSTALL@0", "SEAMLDR.INSTALL@1", "SEAMLDR.INSTALL@2", "SEAMLDR.INSTALL@3",
        "TDH.SYS.INIT@0", "TDH.SYS.LP.INIT@0", "TDH.SYS.LP.INIT@1", "TDH.SYS.LP.INIT@2", "TDH.SYS.LP.INIT@3",
        "TDH.SYS.UPDATE@0", "TDH.SYS.RD@0", "TDH.SYS.RD@0", "TDH.SYS.RD@0",
      ])
    #expect(host.lines == ["virt/tdx: version 1.5.24 -> 1.5.28"])
    #expect((try? host.version()) == ModuleVersion(1, 5, 28))
    #expect(!host.isHotplugLocked)
  }

  @Test("merged: no log line, the version is read inside stop_machine, all of it is kept")
  func merged() {
    let firmware = FakeFirmware()
    var host = bootedHost(.merged, firmware)
    var run = ModuleUpdate(image: imageV2(), host: host)
    var readsInLockStep = 0
    while true {
      let before = run.isInLockStep
      firmware.calls.removeAll()
      let step = run.step(host: &host, door: firmware)
      if before, firmware.calls.first?.leaf == "TDH.SYS.RD" { readsInLockStep += 1 }
      if case .finished(let record) = step {
        #expect(record.errno == nil)
        break
      }
      if firmware.calls.first?.leaf == "TDH.SYS.UPDATE" { firmware.metadata[0x0800_0001_0000_0003] = 6 }
    }
    // minor, major, update; MODULE_HV is read on the first step, which enters the lock step.
    #expect(readsInLockStep == 3)
    #expect(host.lines.isEmpty)
    #expect((try? host.version()) == ModuleVersion(1, 6, 28))
  }

  @Test("v8 keeps only the update version, though the log shows the others")
  func onlyUpdateVersion() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    firmware.nextUpdateVersion = 4
    firmware.metadata[0x0800_0001_0000_0004] = 2
    firmware.metadata[0x0800_0001_0000_0003] = 0
    _ = update(&host, firmware)
    #expect(host.lines == ["virt/tdx: version 1.5.24 -> 2.0.04"])
    #expect((try? host.version()) == ModuleVersion(1, 5, 4))
  }

  @Test(
    "any number of LPs, any order: every LP makes its calls once", arguments: [1, 4, 64], [nil, 1, 77] as [UInt64?])
  func everyLP(lps: Int, seed: UInt64?) {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware, lps: lps)
    let schedule = seed.map { UpdateSchedule(seed: $0) } ?? .ascending
    var run = ModuleUpdate(image: blob(), host: host, schedule: schedule)
    while true {
      let before = firmware.calls.count
      let step = run.step(host: &host, door: firmware)
      #expect(firmware.calls.count - before <= 1)
      guard case .finished(let record) = step else {
        #expect(host.isHotplugLocked)
        continue
      }
      #expect(record.errno == nil)
      break
    }
    for leaf in ["SEAMLDR.INSTALL", "TDH.SYS.LP.INIT"] {
      #expect(firmware.calls.filter { $0.leaf == leaf }.map(\.lp).sorted() == Array(0..<lps))
    }
    #expect(firmware.calls.filter { $0.leaf == "TDH.SYS.INIT" }.count == 1)
    #expect(firmware.calls.filter { $0.leaf == "TDH.SYS.UPDATE" }.map(\.lp) == [0])
    let installs = firmware.calls.filter { $0.leaf == "SEAMLDR.INSTALL" }.map(\.lp)
    #expect((installs == Array(0..<lps)) == (seed == nil || lps == 1))
    // The states never overlap.
    let names = firmware.calls.map(\.leaf)
    let lastInstall = names.lastIndex(of: "SEAMLDR.INSTALL") ?? -1
    #expect(lastInstall < names.firstIndex(of: "TDH.SYS.INIT") ?? 0)
    // Steps after the end say the same again and call nothing.
    let count = firmware.calls.count
    guard case .finished = run.step(host: &host, door: firmware) else {
      Issue.record("an update that ended goes on")
      return
    }
    #expect(firmware.calls.count == count)
  }

  @Test("the same seed gives the same order")
  func seeded() {
    func order(_ seed: UInt64) -> [String] {
      let firmware = FakeFirmware()
      var host = bootedHost(.v8, firmware, lps: 16)
      _ = update(&host, firmware, schedule: UpdateSchedule(seed: seed))
      return firmware.transcript()
    }
    #expect(order(5) == order(5))
    #expect(order(5) != order(6))
  }

  @Test("no entropy in TDH.SYS.INIT: a step an attempt, ten in all")
  func entropy() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    for _ in 0..<9 { firmware.answer(.sysInit, failed(0x8000_0203_0000_0000)) }
    #expect(update(&host, firmware).errno == nil)
    #expect(firmware.summary().contains("TDH.SYS.INIT@0 x10"))

    for _ in 0..<10 { firmware.answer(.sysInit, failed(0x8000_0203_0000_0000)) }
    #expect(update(&host, firmware).errno == .ioError)
    #expect(firmware.summary().contains("TDH.SYS.INIT@0 x10"))
  }

  @Test(
    "RCX of SHUTDOWN: handoff version, and bit 16 by the profile",
    arguments: [
      ("v8", UInt64(0xD132_6F3F_0FBF), UInt64(0x10001)), ("v8", 0x1F0FBF, 0x10001),
      ("selector", 0xD132_6F3F_0FBF, 0x10001), ("selector", 0x1F0FBF, 1),
      ("v7", 0xD132_6F3F_0FBF, 0x10001), ("v7", 0x1F0FBF, 1),
      ("merged", 0xD132_6F3F_0FBF, 1), ("merged", 0x1F0FBF, 1),
    ])
  func shutdownOperand(name: String, features: UInt64, operand: UInt64) throws {
    let profile = try #require(ABIProfile.named(name))
    let firmware = FakeFirmware(features0: features, moduleHV: 1)
    var host = bootedHost(profile, firmware)
    let record = update(&host, firmware, image: name == "merged" ? imageV2() : blob())
    #expect(record.errno == nil)
    #expect(record.shutdownOperand == operand)
    #expect(firmware.calls.first { $0.leaf == "TDH.SYS.SHUTDOWN" }?.registers.rcx == operand)
  }

  @Test("v7 has the handoff version from boot, and refreshes it")
  func v7() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v7, firmware)
    firmware.metadata[0x8900_0001_0000_0000] = 2
    #expect(update(&host, firmware).shutdownOperand == 0x10001)
    #expect(firmware.transcript().first == "TDH.SYS.SHUTDOWN@0")
    #expect(
      host.lines == [
        "virt/tdx: Module version: 1.5.28", "virt/tdx: version 1.5.24 -> 1.5.28",
      ])
    #expect(update(&host, firmware).shutdownOperand == 0x10002)
  }

  @Test("1024 LPs")
  func manyLPs() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware, lps: 1024)
    let record = update(&host, firmware)
    #expect(record.errno == nil)
    #expect(record.onlineCPUs == 1024)
    #expect(firmware.calls.count == 2 + 1024 + 1 + 1024 + 1 + 3)
  }

  @Test("a copy of host and update in the middle of it is a snapshot that goes on by itself")
  func snapshot() {
    let firmware = FakeFirmware()
    var host = bootedHost(.v8, firmware)
    var run = ModuleUpdate(image: blob(), host: host)
    for _ in 0..<5 { #expect(run.step(host: &host, door: firmware) == .running) }
    var otherHost = host
    var otherRun = run
    firmware.answer(.install, failed(0x8000_0000_0002_0000))
    #expect(otherRun.run(host: &otherHost, door: firmware).errno == .ioError)
    #expect(run.run(host: &host, door: firmware).errno == nil)
    #expect((try? host.version()) == ModuleVersion(1, 5, 28))
    #expect((try? otherHost.version()) == nil)
    #expect(host.lines == ["virt/tdx: version 1.5.24 -> 1.5.28"])
  }

  @Test("profiles have names of their own; the default is first")
  func names() {
    #expect(
      ABIProfile.all.map(\.name) == ["v8", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v9", "v10", "merged", "selector"])
    #expect(ABIProfile.named("v0") == nil)
  }
}
