import Basics
import SEAM
import SystemPackage
import TDXHost
import Testing

@testable import Platform

@Suite("TDs of a machine", .timeLimit(.minutes(20)))
struct TDTests {
  /// Byte i of the page at 0x1000 is i mod 256 (vector of tdx-module.md 6.7).
  static let mrtd =
    "15a8464628b6214951c4a1b57775507dd950263654e8790e257995b45013c84aba1d87a3bcbc1929b5f7db6d3e92cad6"

  @Test("the default TD has the MRTD of the reference's vector, and its report says so")
  func vector() throws {
    let bench = try Bench()
    let td = try bench.runningTD()
    #expect(try td.measurement(.mrtd) == Self.mrtd)
    let report = try td.report("hello")
    #expect(String(decoding: report[.reportData].prefix(5), as: UTF8.self) == "hello")
    #expect(report[.reportData].dropFirst(5).allSatisfy { $0 == 0 })
    #expect(report[.teeTCBSVN].prefix(2).elementsEqual([13, 1]))
    #expect(report[.teeTCBSVN].elementsEqual(report[.teeTCBSVN2]))
    #expect(report.integer(.attributes) == 0x1000_0000)
    #expect(report.integer(.xfam) == 3)
    #expect(try td.state("op_state") == "RUNNABLE")
    #expect(try td.state("lifecycle") == "TD_KEYS_CONFIGURED")
    #expect(td.isAlive)
    #expect(bench.status("tds") == "1")
    #expect(bench.status("open_builds") == "0")
  }

  @Test("an open build is one in the module too: finalize needs a vCPU, and the reason names it")
  func openBuild() throws {
    let bench = try Bench()
    let td = try BenchTD(on: bench.machine)
    #expect(bench.status("open_builds") == "1")
    #expect(try td.state("op_state") == "INITIALIZED")
    let refusal = td.refusal(of: "finalize")
    #expect(refusal?.errno == .invalidArgument)
    #expect(
      refusal?.reason.hasPrefix("td/a/step: TDH.MR.FINALIZE on LP 0: TDX_NO_VCPUS 0xc000060900000000") == true)
    // Nobody knows its measurement yet, and it makes no report.
    #expect(try td.measurement(.mrtd) == nil)
    #expect(throws: ControlError.self) { try td.report() }
    try td.step("vcpu", "finalize")
    #expect(bench.status("open_builds") == "0")
    #expect(
      try td.measurement(.mrtd)
        == "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b")
  }

  @Test("what the guest does can be seen from the inside and from the outside")
  func guest() throws {
    let bench = try Bench()
    let td = try bench.runningTD()
    #expect(try td.step("info").hasPrefix("gpa_width=0x30 attributes=0x10000000 num_vcpus=0x1 max_vcpus=0x4 index=0x0"))
    #expect(try td.step("read gpa=0x1010 count=4") == "10111213")
    try td.step("write gpa=0x1010 data=cafe")
    #expect(try td.step("read gpa=0x1010 count=4") == "cafe1213")
    try td.step(
      "rtmr index=2 data=38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"
    )
    // The vector of tdx-module.md 6.7: SHA-384("") into a zero RTMR.
    #expect(
      try td.measurement(.rtmr(2))
        == "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a")
    #expect(try td.measurement(.rtmr(3)) == String(repeating: "0", count: 96))
    #expect(td.refusal(of: "rtmr index=4 data=00")?.reason.contains("TDX_OPERAND_INVALID(RDX)") == true)
    #expect(try td.step("halt") == "exit=tdvmcall Instruction.HLT")
    #expect(try td.step("vmcall leaf=0x10002") == "exit=tdvmcall GetQuote")
    #expect(try td.step("enter") == "exit=external-interrupt entries=1")
    // A page that it misses comes, and is not there before it is accepted.
    try td.step("accept gpa=0x200000 count=3")
    #expect(try td.state("pages") == "5")
    #expect(try td.step("read gpa=0x202ff0 count=2") == "0000")
  }

  @Test("a page that the guest touches without accepting it is the end of the TD, as in KVM")
  func touchedTooEarly() throws {
    let bench = try Bench()
    let td = try bench.runningTD()
    #expect(td.refusal(of: "read gpa=0x300000 count=1")?.errno == .ioError)
    #expect(!td.isAlive)
    #expect(bench.log.last == "kvm_intel: Guest access before accepting 0x300000 on vCPU 0")
    #expect(td.refusal(of: "enter")?.errno == .ioError)
    #expect(throws: ControlError.self) { try td.measurement(.mrtd) }
    // It can be torn down all the same, and nothing is lost.
    try bench.machine.destroyTD("a")
    #expect(bench.machine.host.tds.leakedPages == 0)
    #expect(!bench.machine.host.tdsExist)
  }

  @Test("pages go in the module's order only")
  func pages() throws {
    let bench = try Bench()
    let td = try bench.runningTD()
    try td.step("aug gpa=0x5000", "accept gpa=0x5000")
    #expect(td.refusal(of: "remove gpa=0x5000")?.reason.contains("TDX_GPA_RANGE_NOT_BLOCKED") == true)
    try td.step("block gpa=0x5000")
    #expect(td.refusal(of: "remove gpa=0x5000")?.reason.contains("TDX_TLB_TRACKING_NOT_DONE") == true)
    #expect(td.refusal(of: "read gpa=0x5000 count=1")?.reason.contains("is blocked") == true)
    try td.step("track", "unblock gpa=0x5000")
    #expect(try td.step("read gpa=0x5000 count=1") == "00")
    try td.step("block gpa=0x5000", "track", "remove gpa=0x5000", "zap gpa=0x1000")
    #expect(try td.state("pages") == "0")
    #expect(td.refusal(of: "remove gpa=0x5000")?.reason.contains("the guest has no page at 0x5000") == true)
    #expect(td.isAlive)
  }

  @Test("what comes in comes back: pages and KeyID, after everything that a TD can have")
  func everythingComesBack() throws {
    let bench = try Bench(["lps": "8"])
    let machine = bench.machine
    _ = try bench.runningTD("first")
    try machine.destroyTD("first")
    let pages = machine.host.pages.pagesInUse
    for round in 0..<3 {
      let td = try BenchTD("a\(round)", on: machine)
      try td.step("vcpu count=3", "add count=5", "add-page gpa=0x40000000 pattern=0xaa count=600", "finalize")
      for vcpu in 0..<3 { try td.step("enter vcpu=\(vcpu) lp=\(vcpu + round)") }
      try td.step("aug gpa=0x8000000000 count=2", "accept gpa=0x8000001000", "zap gpa=0x1000")
      _ = try td.report()
      try machine.destroyTD("a\(round)")
      #expect(machine.host.pages.pagesInUse == pages)
      #expect(machine.host.tds.keyIDs.inUse == 0)
      #expect(bench.status("tds") == "0")
    }
    #expect(!bench.log.contains { $0.hasPrefix("kvm") || $0.hasPrefix("WARNING") })
  }

  @Test("a TD of the same name is another one: files of the first are dead")
  func identity() throws {
    let bench = try Bench()
    let first = try bench.runningTD()
    try bench.machine.destroyTD("a")
    let second = try bench.runningTD()
    #expect(first.reference != second.reference)
    #expect(first.refusal(of: "enter")?.errno == .operationNotSupportedByDevice)
    _ = try bench.machine.power(.reboot)
    let third = try BenchTD(on: bench.machine)
    #expect(third.reference != second.reference && third.reference != first.reference)
  }

  @Test(
    "words and operands that can't be are EINVAL, with the reason",
    arguments: [
      ("", "no word: there are init, vcpu"), ("fly", "'fly' is no word"),
      ("finalize now", "finalize does not take 'now': it takes nothing"),
      ("vcpu gpa=1", "vcpu does not take 'gpa': it takes count, lp, rcx"),
      ("add gpa", "gpa needs a value"), ("add-page measure=1", "measure takes no value"),
      ("add gpa=x", "gpa=x is no number"), ("add gpa=-1", "no number"), ("add gpa=+1", "no number"),
      ("add gpa=0x10000000000000000", "no number"), ("add gpa=1", "0x1 is no page address"),
      ("add gpa=0x1000 gpa=0x2000", "gpa comes twice"), ("add count=0", "no page was asked for"),
      ("add count=99999999999999999999", "no number"), ("add count=18446744073709551615", "too large"),
      ("add count=9223372036854775807", "one step adds 1048576 pages at most"),
      ("add gpa=0x800000000000", "private guest addresses end"),
      ("add pattern=300", "neither counting nor a byte"), ("add source=0", "beyond the end of the file image"),
      ("extend", "no page was added"), ("extend gpa=0x1010", "no multiple of 256"), ("extend gpa=0x1000", "0 pages"),
      ("vcpu lp=77", "CPU 77 is not online"), ("vcpu count=5", "has 4 vCPUs already"),
      ("enter", "is not finalized"), ("accept gpa=0", "is not finalized"),
      ("write gpa=0 data=abc", "pairs of hexadecimal"),
      ("init attributes=0x1000000000000000", "TDX_OPERAND_INVALID(ATTRIBUTES)"), ("init mrowner=\(mrtd)00", "48 bytes"),
      ("image", "has no image"), ("rd field=0x77", "METADATA_FIELD"), ("rd", "rd needs field="),
    ])
  func nonsense(words: String, reason: String) throws {
    let bench = try Bench()
    let td = try BenchTD(on: bench.machine)
    let refusal = td.refusal(of: words)
    #expect(refusal?.errno == .invalidArgument)
    #expect(refusal?.reason.contains(reason) == true, "\(refusal?.reason ?? "-")")
    #expect(refusal?.reason.contains("\n") == false)
  }

  @Test("names are printable and have 255 bytes at most")
  func names() throws {
    let bench = try Bench()
    for name in ["a b", "ä", "日本", String(repeating: "x", count: 255)] { try bench.machine.createTD(name) }
    for name in ["", "a\tb", "a\u{7F}", "a\u{202E}b", String(repeating: "x", count: 256)] {
      let error = #expect(throws: ControlError.self) { try bench.machine.createTD(name) }
      #expect(error?.errno == .invalidArgument)
    }
    #expect(bench.status("tds") == "4")
  }
}
