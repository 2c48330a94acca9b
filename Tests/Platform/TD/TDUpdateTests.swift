import Basics
import SystemPackage
import TDXHost
import Testing

@testable import Platform

/// TDs while the module beneath them is replaced, or lost (issue 4; tdx-module.md 7.3, 8, 9).
@Suite("TDs and updates", .timeLimit(.minutes(20)))
struct TDUpdateTests {
  @Test("three TDs over two updates: alive, measured as before, and TEE_TCB_SVN2 advances")
  func threeTDs() throws {
    let bench = try Bench()
    let tds = try ["a", "b", "c"].map { try bench.runningTD($0) }
    try tds[1].step("rtmr index=0 data=01", "rtmr index=3 data=02")
    try tds[2].step("halt")
    let before = try tds.map { try $0.report("before") }
    for (version, svn) in [("1.5.28", UInt8(14)), ("1.5.34", 15)] {
      #expect(try bench.update(to: try Images.forge(version)) == "")
      for (td, old) in zip(tds, before) {
        #expect(td.isAlive)
        try td.step("enter")
        let now = try td.report("now")
        for field in [
          TDReport.Field.mrtd, .rtmr(0), .rtmr(1), .rtmr(2), .rtmr(3), .teeTCBSVN, .mrSEAM, .mrSignerSEAM, .attributes,
          .xfam, .infoHash, .servTDHash, .valid, .type,
        ] { #expect(now[field].elementsEqual(old[field]), "\(field.name)") }
        #expect(now[.teeTCBSVN2].prefix(2).elementsEqual([svn, 1]))
        #expect(!now[.mac].elementsEqual(old[.mac]))
      }
      #expect(bench.machine.why().lost == .none)
    }
    // One that is made now has the new number in both.
    let young = try bench.runningTD("d").report()
    #expect(young[.teeTCBSVN].elementsEqual(young[.teeTCBSVN2]))
    #expect(young[.teeTCBSVN].first == 15)
    for td in tds { try bench.machine.destroyTD(td.reference.name) }
    #expect(bench.machine.host.tds.leakedPages == 0)
  }

  @Test("v8, an open build: device-busy, nothing consumed, and why names it; success after finalize")
  func openBuild() throws {
    let bench = try Bench()
    _ = try bench.runningTD("busy")
    let td = try BenchTD("open", on: bench.machine)
    try td.step("vcpu", "add")
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "transferring:device-busy\n")
    #expect(bench.status("remaining_updates") == "15")
    let why = bench.machine.why()
    #expect(why.sentence.contains("being built: open"))
    #expect(why.lost == .none)
    #expect(td.isAlive)
    try td.step("finalize", "enter")
    #expect(try td.measurement(.mrtd) == TDTests.mrtd)
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "")
    #expect(try td.measurement(.mrtd) == TDTests.mrtd)
  }

  @Test("dropping the open build makes the way free too")
  func dropped() throws {
    let bench = try Bench()
    _ = try BenchTD("open", on: bench.machine)
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "transferring:device-busy\n")
    try bench.machine.destroyTD("open")
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "")
  }

  /// A build that goes on after an update; gives its MRTD.
  func buildAcross(_ options: [String: String], to version: String, format: ImageFormat) throws -> (String, String?) {
    let bench = try Bench(options)
    let td = try BenchTD("open", on: bench.machine)
    try td.step("vcpu", "add-page", "extend")
    let error = try bench.update(to: try Images.forge(version, format: format == .blob ? .blob : .image))
    try td.step("finalize", "enter")
    return (error, try td.measurement(.mrtd))
  }

  enum ImageFormat { case blob, image }

  @Test("merged lets it through: right with the same crypto library, wrong with another one, and always the same")
  func silentRace() throws {
    #expect(
      try buildAcross(["abi": "merged", "module": "1.5.24"], to: "1.5.28", format: .image) == ("", TDTests.mrtd))
    let wrong = try buildAcross(["abi": "merged", "module": "1.5.28"], to: "1.5.34", format: .image)
    #expect(wrong.0 == "")
    #expect(wrong.1 != TDTests.mrtd)
    #expect(try buildAcross(["abi": "merged", "module": "1.5.28"], to: "1.5.34", format: .image) == wrong)
  }

  @Test("v7: from 1.5.20, which has no bit, a wrong MRTD; from 1.5.24 device-busy")
  func v7() throws {
    let wrong = try buildAcross(["abi": "v7", "module": "1.5.20"], to: "1.5.28", format: .blob)
    #expect(wrong.0 == "")
    #expect(wrong.1 != TDTests.mrtd)
    let busy = try buildAcross(["abi": "v7", "module": "1.5.24"], to: "1.5.28", format: .blob)
    #expect(busy == ("transferring:device-busy\n", TDTests.mrtd))
  }

  @Test("a lost update kills ten TDs, why names them, what they have leaks, and a reboot brings an empty machine")
  func lost() throws {
    let bench = try Bench(["updates": "0"])
    let pages = bench.machine.host.pages.pagesInUse
    let tds = try (0..<10).map { try bench.runningTD("td\($0)") }
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "transferring:firmware-invalid\n")
    let why = bench.machine.why()
    #expect(why.lost == .tds)
    #expect(why.sentence.contains("and with it the TDs td0, td1, td2, td3, td4, td5, td6, td7, td8 and td9"))
    for td in tds {
      #expect(!td.isAlive)
      #expect(td.refusal(of: "enter")?.errno == .ioError)
      let error = #expect(throws: ControlError.self) { try td.measurement(.mrtd) }
      #expect(error?.errno == .ioError)
    }
    let error = #expect(throws: ControlError.self) { try bench.machine.createTD("new") }
    #expect(error?.errno == .ioError)
    let used = bench.machine.host.pages.pagesInUse
    for td in tds { try bench.machine.destroyTD(td.reference.name) }
    #expect(bench.status("tds") == "0")
    #expect(bench.machine.host.pages.pagesInUse == used)
    #expect(bench.machine.host.tds.keyIDs.inUse == 10)
    #expect(bench.log.contains { $0.contains("HKID 65 is leaked") })
    _ = try bench.machine.power(.reboot)
    #expect(bench.status("tds") == "0")
    #expect(bench.machine.host.pages.pagesInUse == pages)
    #expect(!bench.machine.host.tdsExist)
    _ = try bench.runningTD("td0")
  }

  @Test("with eleven TDs why names ten and counts the rest")
  func manyLost() throws {
    let bench = try Bench(["updates": "0"])
    for index in 0..<11 { _ = try bench.runningTD("t\(index)") }
    _ = try bench.update(to: try Images.forge("1.5.28"))
    #expect(bench.machine.why().sentence.contains("t8, t9 and 1 more"))
  }

  @Test("blocked before an update, tracked and removed after it")
  func tracking() throws {
    let bench = try Bench()
    let td = try bench.runningTD()
    try td.step("aug gpa=0x9000", "accept gpa=0x9000", "block gpa=0x9000")
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "")
    #expect(td.refusal(of: "remove gpa=0x9000")?.reason.contains("TRACKING_NOT_DONE") == true)
    try td.step("track", "remove gpa=0x9000")
  }

  @Test("kexec: the new kernel knows no TDs, and makes none")
  func kexec() throws {
    let bench = try Bench()
    let td = try bench.runningTD()
    _ = try bench.machine.power(.kexec)
    #expect(bench.machine.tdNames().isEmpty)
    #expect(td.refusal(of: "enter")?.errno == .operationNotSupportedByDevice)
    let error = #expect(throws: ControlError.self) { try bench.machine.createTD("b") }
    #expect(error?.errno == .operationNotSupportedByDevice)
  }

  @Test("while an update runs, everything of a TD waits")
  func waits() throws {
    let bench = try Bench()
    let td = try bench.runningTD()
    bench.machine.lock.withLock { bench.machine.isUpdating = true }
    #expect(td.refusal(of: "enter")?.errno == .restartSystemCall)
    let error = #expect(throws: ControlError.self) { try td.report() }
    #expect(error?.errno == .restartSystemCall)
    #expect(bench.machine.tdNames() == ["a"])
    bench.machine.lock.withLock { bench.machine.isUpdating = false }
    #expect(td.refusal(of: "enter") == nil)
  }

  @Test("a package keeps a CPU while a TD exists")
  func hotplug() throws {
    let bench = try Bench(["lps": "256"])
    _ = try bench.runningTD()
    for cpu in 129..<256 { _ = try bench.machine.setOnline(false, cpu: cpu) }
    let error = #expect(throws: ControlError.self) { try bench.machine.setOnline(false, cpu: 128) }
    #expect(error?.errno == .resourceBusy)
    try bench.machine.destroyTD("a")
    _ = try bench.machine.setOnline(false, cpu: 128)
  }
}
