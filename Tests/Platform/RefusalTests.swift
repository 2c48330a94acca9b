import Basics
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

/// What goes wrong, what it costs, and what `why` says of it.
@Suite("A refused update", .timeLimit(.minutes(20)))
struct RefusalTests {
  static let invalid = "transferring:firmware-invalid\n"

  struct Fatal: Sendable, CustomTestStringConvertible {
    var name: String
    var options: [String: String] = [:]
    var image: @Sendable () throws -> [UInt8]
    var leaf: String
    var status: String
    var phrase: String
    var testDescription: String { name }
  }

  static let fatalRows: [Fatal] = [
    Fatal(
      name: "no updates remain", options: ["updates": "0"], image: { try Images.forge("1.5.28") },
      leaf: "SEAMLDR.INSTALL", status: "EBADCALL 0x8000000000000003", phrase: "no updates remain"),
    Fatal(
      name: "wrong CPU family", options: ["cpu": "srf"], image: { try Images.forge("1.5.24") },
      leaf: "SEAMLDR.INSTALL", status: "EUNSUPCPU 0x8000000000010004", phrase: "Sierra Forest"),
    Fatal(
      name: "downgrade", options: ["module": "1.5.34"], image: { try Images.forge("1.5.28") },
      leaf: "SEAMLDR.INSTALL", status: "EBADSIG 0x8000000000020000", phrase: "SVN is 1.14"),
    Fatal(
      name: "debug image", image: { try Images.forge("1.5.28") { $0.isDebugSigned = true } },
      leaf: "SEAMLDR.INSTALL", status: "EBADSIG 0x8000000000020000", phrase: "debug"),
    Fatal(
      name: "other line", options: ["seamldr": "2.0.00", "module": "1.5.28"],
      image: { try Images.forge("2.0.18") { $0.cpus = [0x806F0] } },
      leaf: "SEAMLDR.INSTALL", status: "EUNSUPPORTED 0x8000000000000006", phrase: "major SVN"),
    Fatal(
      name: "a key that is not trusted", options: ["keys": "intel"], image: { try Images.forge("1.5.28") },
      leaf: "SEAMLDR.INSTALL", status: "EBADSIG 0x8000000000020000", phrase: "key"),
    Fatal(
      name: "handoff version too new", options: ["module": "1.5.34"],
      image: {
        try Images.forge("1.5.34") {
          $0.handoff = HandoffRange(moduleHV: 1, minUpdateHV: 0, noDowngrade: false)
          $0.builtInHandoff = nil
        }
      },
      leaf: "SEAMLDR.INSTALL", status: "EBADHANDOFF 0x8000000000000004", phrase: "hands off version 2"),
    Fatal(
      name: "constants unlike the sigstruct",
      image: {
        try Images.forge("1.5.28") {
          $0.builtInHandoff = HandoffRange(moduleHV: 2, minUpdateHV: 0, noDowngrade: true)
        }
      },
      leaf: "TDH.SYS.INIT", status: "TDX_SYS_INCOMPATIBLE_SIGSTRUCT 0xc000050a00000000", phrase: "HV"),
    Fatal(
      name: "header and a partial page",
      image: { Array(try Images.forge("1.5.28").prefix(8192 + 100)) },
      leaf: "SEAMLDR.INSTALL", status: "EBADPARAM 0x8000000000000000", phrase: "NUM_MODULE_PAGES"),
  ]

  @Test("after TDH.SYS.SHUTDOWN loses TDX until reboot, and why names LP, leaf and status", arguments: fatalRows)
  func fatal(_ row: Fatal) throws {
    let bench = try Bench(row.options)
    let remaining = try bench.read("num_remaining_updates")

    #expect(try bench.update(to: row.image()) == Self.invalid)

    #expect(throws: Errno.noSuchAddressOrDevice) { try bench.read("version") }
    let why = bench.machine.why()
    #expect(why.leaf == row.leaf)
    #expect(why.text.contains("\nstatus=\(row.status)\n"))
    #expect(why.sentence.contains(row.phrase), "\(why.sentence)")
    #expect(why.lost == .module)
    #expect(why.next.contains("reboot"))
    if row.leaf == "SEAMLDR.INSTALL" { #expect(try bench.read("num_remaining_updates") == remaining) }

    // A second, good image does not help; only power does.
    #expect(try bench.update(to: Images.forge("1.5.34")) == Self.invalid)
    #expect(bench.machine.why().sentence.hasPrefix("TDX was lost by an earlier update"))
    _ = try bench.machine.power(.reboot)
    #expect(try bench.read("version") == "\(bench.machine.options.effectiveModule)\n")
    #expect(try bench.read("\(bench.upload)/error") == "")
  }

  struct Harmless: Sendable, CustomTestStringConvertible {
    var name: String
    var change: @Sendable (inout [UInt8]) -> Void
    var phrase: String
    var testDescription: String { name }
  }

  static let harmlessRows: [Harmless] = [
    Harmless(name: "signature", change: { $0[8] ^= 1 }, phrase: "TDX-BLOB"),
    Harmless(name: "version", change: { $0[1] = 2 }, phrase: "version"),
    Harmless(name: "offset beyond the end", change: { $0[7] = 0x7F }, phrase: "offset_of_module"),
    Harmless(name: "offset not aligned", change: { $0[4] = 1 }, phrase: "offset_of_module"),
    Harmless(name: "offset too small", change: { $0[5] = 0x10 }, phrase: "offset_of_module"),
    Harmless(name: "reserved0", change: { $0[20] = 1 }, phrase: "reserved"),
    Harmless(name: "last reserved byte", change: { $0[4095] = 0x80 }, phrase: "reserved"),
    Harmless(name: "header only", change: { $0 = Array($0.prefix(4096)) }, phrase: "4096"),
    Harmless(name: "truncated to one byte", change: { $0 = Array($0.prefix(1)) }, phrase: "1"),
    Harmless(name: "no image at all", change: { $0 = Array("#!/bin/sh\n".utf8) + $0 }, phrase: "TDX-BLOB"),
  ]

  @Test("for its header touches nothing", arguments: harmlessRows)
  func harmless(_ row: Harmless) throws {
    let bench = try Bench()
    var image = try Images.forge("1.5.28")
    row.change(&image)

    #expect(try bench.update(to: image) == Self.invalid)

    #expect(try bench.read("version") == "1.5.24\n")
    #expect(try bench.read("num_remaining_updates") == "15\n")
    let why = bench.machine.why()
    #expect(why.stage == "preflight")
    #expect(why.lost == .none)
    #expect(why.sentence.contains(row.phrase), "\(why.sentence)")
    #expect(bench.log.last == "virt/tdx: TDX-Module initialized")
    #expect(try bench.update(to: Images.forge("1.5.28")) == "")
  }

  @Test("because an LP is offline loses TDX, and that LP cannot come online again")
  func offline() throws {
    let bench = try Bench()
    guard case .done = try bench.machine.setOnline(false, cpu: 2) else {
      Issue.record("nothing runs")
      return
    }
    #expect(bench.status("online") == "0-1,3")

    #expect(try bench.update(to: Images.forge("1.5.28")) == Self.invalid)

    #expect(throws: Errno.noSuchAddressOrDevice) { try bench.read("version") }
    #expect(bench.machine.why().sentence.contains("CPU 2 was offline"))
    #expect(bench.log.last == "virt/tdx: module not loaded")
    #expect(throws: ControlError.self) { try bench.machine.setOnline(true, cpu: 2) }
  }

  @Test("by a running module without AVOID_COMPAT_SENSITIVE loses nothing, and why names the kernels that update it")
  func unknownFlag() throws {
    let bench = try Bench(["module": "1.5.05"])
    #expect(try bench.update(to: Images.forge("1.5.16")) == Self.invalid)
    #expect(try bench.read("version") == "1.5.05\n")
    #expect(bench.log.last == "virt/tdx: SEAMCALL (0x0000000000000034) failed: 0xc000010000000001")
    let why = bench.machine.why()
    #expect(why.sentence.contains("TDX module 1.5.05 does not know AVOID_COMPAT_SENSITIVE"))
    #expect(why.sentence.contains("selector"))
    #expect(why.lost == .none)

    let selector = try Bench(["module": "1.5.05", "abi": "selector"])
    #expect(try selector.update(to: Images.forge("1.5.16")) == "")
    #expect(try selector.read("version") == "1.5.16\n")
  }
}
