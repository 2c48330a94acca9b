import Basics
import SystemPackage
import TDXHost
import Testing

@testable import Platform

/// Export sessions, as far as updates meet them, and a TD that moves (tdx-module.md 9).
@Suite("Migration of TDs", .timeLimit(.minutes(20)))
struct TDMigrationTests {
  /// A TD that can be migrated, and runs.
  func migratable(_ bench: Bench, _ name: String = "a") throws -> BenchTD {
    let td = try BenchTD(name, on: bench.machine)
    try td.step("init migratable", "vcpu", "add", "finalize", "enter")
    return td
  }

  @Test("a TD that is not MIGRATABLE can't be exported, and says so")
  func notMigratable() throws {
    let bench = try Bench()
    let td = try bench.runningTD()
    let refusal = td.refusal(of: "export-start")
    #expect(refusal?.errno == .invalidArgument)
    #expect(refusal?.reason.contains("TDX_TD_NOT_MIGRATABLE 0xc0000e0900000000") == true)
    #expect(td.isAlive)
    #expect(td.refusal(of: "export-resume")?.reason.contains("no migration operation") == true)
  }

  @Test("an interrupted export makes an update wait, and why names it; a live one does not")
  func interrupted() throws {
    let bench = try Bench()
    let td = try migratable(bench)
    #expect(bench.status("tds") == "1")
    #expect(try td.step("export-interrupt") == "interrupted")
    #expect(try td.state("op_state") == "RUNNABLE")
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "transferring:device-busy\n")
    #expect(bench.machine.why().sentence.contains("in an interrupted migration: a"))
    #expect(bench.machine.why().status?.rawValue == 0x8000_0512_0001_0001)
    #expect(try td.step("export-resume") == "complete pages=3")
    #expect(try td.state("op_state") == "LIVE_EXPORT")
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "")
    // The TD runs on, and reports as before.
    #expect(try td.measurement(.mrtd) == TDTests.mrtd)
    #expect(try td.step("export-interrupt") == "interrupted")
    #expect(try td.state("op_state") == "PAUSED_EXPORT")
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "transferring:device-busy\n")
    try td.step("export-abort")
    #expect(try td.state("op_state") == "RUNNABLE")
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "")
    try td.step("enter", "export-start")
    #expect(try td.state("op_state") == "LIVE_EXPORT")
  }

  @Test("everything of a migratable TD comes back, the monitor's migration TD with the last")
  func comesBack() throws {
    let bench = try Bench()
    let pages = bench.machine.host.pages.pagesInUse
    _ = try migratable(bench)
    let td = try migratable(bench, "b")
    #expect(bench.machine.host.tds.keyIDs.inUse == 3)
    try td.step("export-start", "export-pause")
    try bench.machine.destroyTD("b")
    try bench.machine.destroyTD("a")
    #expect(bench.machine.host.tds.keyIDs.inUse == 0)
    #expect(bench.machine.host.pages.pagesInUse == pages)
    #expect(!bench.log.contains { $0.hasPrefix("kvm") })
  }

  @Test("a TD can be served by another one")
  func serviceTD() throws {
    let bench = try Bench()
    _ = try bench.runningTD("mig")
    let td = try BenchTD("a", on: bench.machine)
    try td.step("init migratable")
    #expect(td.refusal(of: "bind service=x")?.reason.contains("there is no TD x") == true)
    try td.step("bind service=mig", "vcpu", "add", "finalize", "export-start")
    #expect(bench.machine.host.tds.keyIDs.inUse == 2)
    #expect(try td.report()[.servTDHash].contains { $0 != 0 })
  }

  @Test("a TD moves to another one, with its vCPUs, its memory and its measurements, also across an update")
  func moves() throws {
    let bench = try Bench()
    let source = try BenchTD("a", on: bench.machine)
    try source.step("init migratable")
    try source.step("vcpu count=2", "add", "add-page gpa=0x40000000 count=700 pattern=0x5a", "finalize")
    try source.step("enter vcpu=0", "enter vcpu=1 lp=3", "write gpa=0x40000ffe data=0102030405", "rtmr index=1 data=77")
    let before = try source.report("x")
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "")
    let target = try BenchTD("b", on: bench.machine)
    try target.step("init import migratable")
    #expect(bench.status("open_builds") == "0")
    try source.step("migrate to=b")
    #expect(!source.isAlive)
    #expect(target.isAlive)
    #expect(try target.state("state") == "imported")
    #expect(try target.state("pages") == "702")
    #expect(try target.step("read gpa=0x40000ffc count=9") == "5a5a01020304055a5a")
    let after = try target.report("x")
    for field in [TDReport.Field.mrtd, .rtmr(0), .rtmr(1), .attributes, .xfam, .servTDHash, .infoHash] {
      #expect(after[field].elementsEqual(before[field]), "\(field.name)")
    }
    // It was made under the new module.
    #expect(after[.teeTCBSVN].first == 14)
    try target.step("enter vcpu=1 lp=2")
    try bench.machine.destroyTD("a")
    try bench.machine.destroyTD("b")
    #expect(bench.machine.host.tds.keyIDs.inUse == 0)
    #expect(bench.machine.host.tds.leakedPages == 0)
  }

  @Test("what can't be moved is refused")
  func refused() throws {
    let bench = try Bench()
    let td = try migratable(bench)
    _ = try bench.runningTD("other")
    #expect(td.refusal(of: "migrate")?.reason.contains("needs to=NAME") == true)
    #expect(td.refusal(of: "migrate to=a")?.reason.contains("no other TD") == true)
    #expect(td.refusal(of: "migrate to=x")?.reason.contains("no other TD") == true)
    #expect(td.refusal(of: "migrate to=other")?.reason.contains("not made for an import") == true)
    #expect(td.isAlive)
  }
}
