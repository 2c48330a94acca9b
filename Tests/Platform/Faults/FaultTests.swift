import Basics
import Kernfs
import ModuleImage
import SEAM
import SystemPackage
import Testing

@testable import Platform

/// What each kind of fault leads to: rows of kernel-abi.md 5.4 and tdx-module.md 3.10, computed and not faked.
@Suite("A fault plan on a machine", .timeLimit(.minutes(20)))
struct FaultTests {
  /// A plan and the end of an update from 1.5.24 to 1.5.28 under it.
  struct Row: Sendable, CustomTestStringConvertible {
    var line: String
    var options: [String: String] = [:]
    /// `error` without its newline.
    var error = "transferring:firmware-invalid"
    /// `version`; nil for ENXIO.
    var version: String?
    var sysState: String
    var isReady: Bool
    var remaining: Int
    /// `leaf=` and `status=` of `why`, the latter up to the value.
    var leaf: String
    var status: String
    var rdx: String?
    /// The last line of the kernel log.
    var log: String?
    var testDescription: String { line }

    /// Nothing was lost.
    static func harmless(
      _ line: String, _ options: [String: String] = [:], leaf: String, status: String, log: String? = nil
    ) -> Row {
      Row(
        line: line, options: options, version: "1.5.24", sysState: "SYS_READY", isReady: true, remaining: 15,
        leaf: leaf, status: status, log: log)
    }

    /// TDX is lost; `sysState` is nil for no module.
    static func fatal(
      _ line: String, sysState: String?, remaining: Int, leaf: String, status: String, rdx: String? = nil,
      log: String? = nil
    ) -> Row {
      Row(
        line: line, version: nil, sysState: sysState ?? "-", isReady: sysState != nil, remaining: remaining,
        leaf: leaf, status: status, rdx: rdx, log: log)
    }
  }

  static let rows: [Row] = [
    // SHUTDOWN rejected: the old module goes on.
    .harmless(
      "stage=shutdown leaf=TDH.SYS.SHUTDOWN status=SYS_BUSY", leaf: "TDH.SYS.SHUTDOWN", status: "TDX_SYS_BUSY",
      log: "virt/tdx: SEAMCALL (0x0000000000000034) failed: 0x8000020200000000"),
    .harmless("leaf=TDH.SYS.SHUTDOWN busy=1", leaf: "TDH.SYS.SHUTDOWN", status: "TDX_SYS_BUSY"),
    .harmless("leaf=TDH.SYS.SHUTDOWN vmfailinvalid", leaf: "TDH.SYS.SHUTDOWN", status: "VMfailInvalid"),
    .harmless(
      "stage=shutdown leaf=TDH.SYS.RD status=METADATA_FIELD_NOT_READABLE", ["abi": "merged"], leaf: "TDH.SYS.RD",
      status: "TDX_METADATA_FIELD_NOT_READABLE"),
    // Some LPs did INSTALL: nobody is there until the others do.
    .fatal(
      "stage=install lp=1 status=EBADCALL", sysState: nil, remaining: 15, leaf: "SEAMLDR.INSTALL", status: "EBADCALL",
      rdx: "0x0", log: "seamldr: SEAMCALL (0x8000000000000001) failed: 0x8000000000000003"),
    .fatal(
      "stage=install lp=2 busy", sysState: nil, remaining: 15, leaf: "SEAMLDR.INSTALL", status: "VMfailInvalid"),
    .fatal(
      "stage=install lp=2 drop-lp", sysState: nil, remaining: 15, leaf: "TDH.SYS.INIT", status: "VMfailInvalid",
      log: "virt/tdx: module not loaded"),
    .fatal(
      "stage=shutdown lp=3 drop-lp", sysState: nil, remaining: 15, leaf: "TDH.SYS.INIT", status: "VMfailInvalid"),
    .fatal(
      "stage=prepare lp=3 drop-lp", sysState: nil, remaining: 15, leaf: "TDH.SYS.INIT", status: "VMfailInvalid"),
    // The last LP, recoverably: the old module is back, but shut down.
    .fatal(
      "stage=install corrupt-handoff", sysState: "SYS_SHUTDOWN", remaining: 15, leaf: "SEAMLDR.INSTALL",
      status: "EBADHANDOFF", rdx: "0x0"),
    .fatal(
      "stage=install nth=4 corrupt-handoff=valid", sysState: "SYS_SHUTDOWN", remaining: 15, leaf: "SEAMLDR.INSTALL",
      status: "EBADHANDOFF", rdx: "0x0"),
    .fatal(
      "stage=install no-entropy", sysState: "SYS_SHUTDOWN", remaining: 15, leaf: "SEAMLDR.INSTALL",
      status: "ENOENTROPY", rdx: "0x0"),
    // The last LP, unrecoverably: there is no module.
    .fatal(
      "stage=install bad-page", sysState: nil, remaining: 15, leaf: "SEAMLDR.INSTALL", status: "EBADHASH", rdx: "0x1"),
    .fatal(
      "stage=install no-entropy=5 skip=1", sysState: nil, remaining: 15, leaf: "SEAMLDR.INSTALL",
      status: "ENOENTROPY", rdx: "0x1"),
    // The loader lies: the kernel gives up what is installed.
    .fatal(
      "stage=install nth=4 status=EBADHASH rdx=1 executed", sysState: "SYSINIT_PENDING", remaining: 14,
      leaf: "SEAMLDR.INSTALL", status: "EBADHASH", rdx: "0x1"),
    // Installed, TDH.SYS.INIT failed.
    .fatal(
      "leaf=TDH.SYS.INIT no-entropy=always", sysState: "SYSINIT_PENDING", remaining: 14, leaf: "TDH.SYS.INIT",
      status: "TDX_RND_NO_ENTROPY", log: "virt/tdx: SEAMCALL (0x0000000000000021) failed: 0x8000020300000000"),
    .fatal(
      "stage=cpu-init leaf=TDH.SYS.INIT busy", sysState: "SYSINIT_PENDING", remaining: 14, leaf: "TDH.SYS.INIT",
      status: "TDX_SYS_BUSY"),
    // Some LP.INIT is missing.
    .fatal(
      "stage=cpu-init leaf=TDH.SYS.LP.INIT lp=2 status=INCONSISTENT_MSR", sysState: "SYSINIT_DONE", remaining: 14,
      leaf: "TDH.SYS.LP.INIT", status: "TDX_INCONSISTENT_MSR"),
    .fatal(
      "stage=cpu-init lp=3 drop-lp", sysState: "SYSINIT_DONE", remaining: 14, leaf: "TDH.SYS.UPDATE",
      status: "TDX_SYS_STATE_INCORRECT"),
    // TDH.SYS.UPDATE failed.
    .fatal(
      "stage=update corrupt-handoff", sysState: "SYSINIT_DONE", remaining: 14, leaf: "TDH.SYS.UPDATE",
      status: "TDX_SYS_INVALID_HANDOFF", log: "virt/tdx: SEAMCALL (0x0000000000000035) failed: 0xc000050900000000"),
    .fatal(
      "stage=update busy=1", sysState: "SYSINIT_DONE", remaining: 14, leaf: "TDH.SYS.UPDATE", status: "TDX_SYS_BUSY"),
    // Internal corruption: the module stops for good.
    .fatal(
      "stage=update corrupt-handoff=size", sysState: nil, remaining: 14, leaf: "TDH.SYS.UPDATE",
      status: "VMfailInvalid"),
    .fatal(
      "stage=update corrupt-handoff=data", sysState: nil, remaining: 14, leaf: "TDH.SYS.UPDATE",
      status: "VMfailInvalid"),
  ]

  @Test("has the consequences that the references tell, and why names it", arguments: rows)
  func consequence(_ row: Row) throws {
    let bench = try Bench(row.options)
    try bench.plan(row.line)
    let format: ModuleImageFile.Format = row.options["abi"] == "merged" ? .image : .blob

    #expect(try bench.update(to: Images.forge("1.5.28", format: format)) == row.error + "\n")

    #expect((try? bench.read("version")) == row.version.map { $0 + "\n" })
    #expect(bench.status("sys_state") == row.sysState)
    #expect(bench.status("seam_ready") == (row.isReady ? "1" : "0"))
    #expect(try bench.read("num_remaining_updates") == "\(row.remaining)\n")
    let why = bench.machine.why()
    #expect(why.sentence.contains("injected by fault plan f1"), "\(why.sentence)")
    #expect(why.leaf == row.leaf)
    #expect(why.text.contains("\nstatus=\(row.status) 0x"), "\(why.text)")
    #expect(why.lost == (row.version == nil ? .module : .none))
    if let rdx = row.rdx { #expect(why.text.contains("\nrdx=\(rdx)\n"), "\(why.text)") }
    if let log = row.log { #expect(bench.log.last == log) }
    #expect(bench.machine.faultPlan("f1")?.text == "\(row.line) acted=1\n")

    // kernel-abi.md 5.4, column "retry": only what was lost can't be done again, and a reboot brings it back.
    let image = try Images.forge("1.5.28", format: format)
    let retry = try bench.update(to: image)
    #expect(retry == (row.version == nil ? row.error + "\n" : ""))
    _ = try bench.machine.power(.reboot)
    #expect(try bench.read("version") == "1.5.24\n")
    #expect(try bench.read("num_remaining_updates") == "15\n")
    #expect(bench.status("online") == "0-3")
    #expect(try bench.update(to: image) == "")
  }

  @Test("the wrapper's ten attempts outlast no entropy for nine draws")
  func entropy() throws {
    let bench = try Bench()
    try bench.plan("leaf=TDH.SYS.INIT no-entropy=9")
    #expect(try bench.update(to: Images.forge("1.5.28")) == "")
    #expect(bench.machine.why().sentence.contains("(injected by fault plan f1 (leaf=TDH.SYS.INIT no-entropy=9))"))
    try bench.plan("leaf=TDH.SYS.INIT no-entropy=10")
    #expect(try bench.update(to: Images.forge("1.5.28")) == "transferring:firmware-invalid\n")
  }

  @Test("v8 keeps the old version when the new one can't be read, and success is told")
  func stale() throws {
    let bench = try Bench()
    try bench.plan("leaf=TDH.SYS.RD after=TDH.SYS.UPDATE status=SYS_BUSY always")
    #expect(try bench.update(to: Images.forge("1.5.28")) == "")
    #expect(try bench.read("version") == "1.5.24\n")
    #expect(bench.status("module") == "1.5.28")
    #expect(bench.log.contains { $0.hasPrefix("WARNING: arch/x86/virt/vmx/tdx/tdx.c at tdx_module_refresh_version") })
  }

  @Test(
    "no memory in the driver is ENOMEM, and nothing happened",
    arguments: [("v8", "firmware-invalid"), ("v7", "read-write-error"), ("v4", "read-write-error")])
  func noMemory(abi: String, error: String) throws {
    let bench = try Bench(["abi": abi])
    try bench.plan("stage=transfer enomem")
    #expect(try bench.update(to: Images.forge("1.5.28")) == "transferring:\(error)\n")
    #expect(bench.machine.why().sentence.contains("the kernel has no memory"))
    #expect(bench.machine.why().sentence.contains("injected by fault plan f1"))
    #expect(try bench.read("version") == "1.5.24\n")
    #expect(try bench.update(to: Images.forge("1.5.28")) == "")
  }

  @Test("no memory to map the image is ENOMEM of loading=0, and the device takes nothing more until reboot")
  func noMapping() throws {
    let bench = try Bench()
    try bench.plan("stage=prepare enomem")
    try bench.write("1", to: "\(bench.upload)/loading")
    try bench.write(Images.forge("1.5.28"), to: "\(bench.upload)/data")
    #expect(throws: Errno.noMemory) { try bench.write("0", to: "\(bench.upload)/loading") }
    #expect(bench.log.last == "firmware tdx_module: firmware_loading_store: map pages failed")
    #expect(bench.machine.why().sentence.contains("injected by fault plan f1"))
    #expect(try bench.update(to: Images.forge("1.5.28")) == "")
    #expect(try bench.read("version") == "1.5.24\n")
    _ = try bench.machine.power(.reboot)
    #expect(try bench.update(to: Images.forge("1.5.28")) == "")
    #expect(try bench.read("version") == "1.5.28\n")
  }

  @Test("no memory for data is ENOMEM of the write that needs a page")
  func noPage() throws {
    let bench = try Bench()
    try bench.plan("stage=receive nth=3 enomem")
    try bench.write("1", to: "\(bench.upload)/loading")
    #expect(throws: Errno.noMemory) { try bench.write(Images.forge("1.5.28"), to: "\(bench.upload)/data") }
    #expect(bench.machine.why().sentence.contains("the kernel had no memory to take a page for data"))
    try bench.write("0", to: "\(bench.upload)/loading")
    #expect(try bench.read("\(bench.upload)/status") == "idle\n")
    #expect(try bench.read("version") == "1.5.24\n")
  }

  @Test(
    "the power can go at every step of an update",
    arguments: ["stage=prepare", "stage=transfer"] + (1...15).map { "after=\($0)" })
  func powerLoss(place: String) throws {
    let bench = try Bench()
    try bench.plan("\(place) power-loss")
    try bench.write("1\n", to: "\(bench.upload)/loading")
    try bench.write(Images.forge("1.5.28"), to: "\(bench.upload)/data")
    try bench.write("0\n", to: "\(bench.upload)/loading")
    bench.machine.worker.drain()
    let isOver = bench.machine.faultPlan("f1")?.acted == 0
    #expect(try bench.read("version") == (isOver ? "1.5.28\n" : "1.5.24\n"))
    #expect(bench.status("sys_state") == "SYS_READY")
    #expect(try bench.read("num_remaining_updates") == (isOver ? "14\n" : "15\n"))
    if !isOver, place.hasPrefix("after") {
      #expect(bench.machine.why().sentence.contains("a power cycle in the middle of an update"))
      #expect(bench.machine.why().sentence.contains("injected by fault plan f1"))
    }
    #expect(try bench.update(to: Images.forge("1.5.28")) == "")
  }

  @Test("a lost LP stays offline, and after a lost module it can't come back")
  func droppedLP() throws {
    let bench = try Bench()
    try bench.plan("stage=install lp=2 drop-lp")
    _ = try bench.update(to: Images.forge("1.5.28"))
    #expect(bench.status("online") == "0-1,3")
    #expect(bench.machine.why().sentence.hasPrefix("CPU 2 was offline, which this kernel does not check"))
    let error = #expect(throws: ControlError.self) { try bench.machine.setOnline(true, cpu: 2) }
    #expect(error?.errno == .operationNotSupportedByDevice)
  }

  @Test("kernels that look at offline CPUs refuse before anything is touched")
  func checkedCPU() throws {
    let bench = try Bench(["abi": "v4"])
    try bench.plan("stage=transfer lp=2 drop-lp")
    #expect(try bench.update(to: Images.forge("1.5.28")) == "transferring:device-busy\n")
    #expect(try bench.read("version") == "1.5.24\n")
  }

  @Test("a P-SEAMLDR that is busy makes INFO a VMfailInvalid: ENODEV of the read")
  func busyLoader() throws {
    let bench = try Bench()
    try bench.plan("leaf=SEAMLDR.INFO busy=2")
    for _ in 0..<2 {
      #expect(throws: Errno.operationNotSupportedByDevice) { try bench.read("num_remaining_updates") }
    }
    #expect(try bench.read("num_remaining_updates") == "15\n")
  }

  @Test("plans stay over a reboot, and act at the bring-up too")
  func reboot() throws {
    let bench = try Bench()
    try bench.plan("leaf=TDH.SYS.CONFIG status=INVALID_TDMR")
    _ = try bench.machine.power(.reboot)
    #expect(throws: Errno.noSuchFileOrDirectory) { try bench.read("version") }
    #expect(bench.log.last == "virt/tdx: TDX-Module initialization failed (-5)")
    #expect(bench.machine.faultPlan("f1")?.acted == 1)
    _ = try bench.machine.power(.reboot)
    #expect(try bench.read("version") == "1.5.24\n")
  }

  @Test("a plan that did not act is not blamed")
  func innocent() throws {
    let bench = try Bench(["updates": "0"])
    try bench.plan("stage=update busy")
    _ = try bench.update(to: Images.forge("1.5.28"))
    #expect(bench.machine.why().sentence.hasSuffix("until the next power-on"))
    try bench.machine.removeFault("f1")
    #expect(throws: ControlError.self) { try bench.machine.removeFault("f1") }
  }

  @Test("a refused line leaves the old plan, and no new file")
  func refused() throws {
    let bench = try Bench()
    try bench.plan("busy")
    #expect(throws: ControlError.invalid("fault/f1: vmfailinvalid takes no value")) {
      try bench.machine.setFault("f1", to: "vmfailinvalid=2")
    }
    #expect(bench.machine.faultPlan("f1")?.text == "busy acted=0\n")
    try bench.machine.createFault("f2")
    #expect(throws: ControlError.self) { try bench.machine.setFault("f2", to: "nothing") }
    #expect(bench.machine.faultPlan("f2") == nil)
    #expect(throws: ControlError.self) { try bench.machine.createFault("a b") }
  }
}

extension Bench {
  /// Makes `line` the plan `name`.
  func plan(_ line: String, name: String = "f1") throws(ControlError) {
    if machine.faultPlan(name) == nil { try machine.createFault(name) }
    try machine.setFault(name, to: line)
  }
}
