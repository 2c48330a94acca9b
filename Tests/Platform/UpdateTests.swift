import Basics
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

@Suite("An update of the module", .timeLimit(.minutes(20)))
struct UpdateTests {
  @Test("shows in version, costs one update and logs one line", arguments: [1, 4, 64, 1024])
  func success(lps: Int) throws {
    let bench = try Bench(["lps": "\(lps)"])
    #expect(try bench.read("version") == "1.5.24\n")

    #expect(try bench.update(to: Images.forge("1.5.28")) == "")

    #expect(try bench.read("version") == "1.5.28\n")
    #expect(try bench.read("num_remaining_updates") == "14\n")
    #expect(try bench.read("\(bench.upload)/status") == "idle\n")
    #expect(try bench.read("\(bench.upload)/remaining_size") == "0\n")
    #expect(bench.log.last == "virt/tdx: version 1.5.24 -> 1.5.28")
    let why = bench.machine.why()
    #expect(why.sentence == "TDX module 1.5.24 was updated to 1.5.28 on all \(lps) LPs; 14 updates remain")
    #expect(why.lost == .none)
    #expect(bench.status("sys_state") == "SYS_READY")
  }

  @Test("works a hundred times in a row, also with the same image")
  func hundred() throws {
    let bench = try Bench(["updates": "200"])
    let image = try Images.forge("1.5.28")
    for count in 1...100 {
      #expect(try bench.update(to: image) == "")
      #expect(try bench.read("num_remaining_updates") == "\(200 - count)\n")
    }
    #expect(try bench.read("version") == "1.5.28\n")
  }

  @Test("keeps what a reader sees whole: version is the old or the new one, never an error")
  func readers() throws {
    let bench = try Bench(["updates": "200"])
    let images = [try Images.forge("1.5.28"), try Images.forge("1.5.34")]
    #expect(try bench.update(to: images[0]) == "")
    let reader = Worker()
    let seen = Guarded<(reads: Int, strange: [String], stop: Bool)>((0, [], false))
    reader.schedule {
      while !seen.withLock({ $0.stop }) {
        let version = (try? bench.read("version")) ?? "error"
        let remaining = (try? bench.read("num_remaining_updates")) ?? "error"
        let status = (try? bench.read("\(bench.upload)/status")) ?? "error"
        seen.withLock { seen in
          seen.reads += 1
          let known = ["idle\n", "receiving\n", "preparing\n", "transferring\n", "programming\n"]
          if version != "1.5.28\n" || Int(remaining.dropLast()) == nil || !known.contains(status) {
            seen.strange.append(version + remaining + status)
          }
        }
      }
    }
    for _ in 0..<50 { #expect(try bench.update(to: images[0]) == "") }
    seen.withLock { $0.stop = true }
    reader.drain()
    #expect(seen.withLock { $0.strange } == [])
    #expect(seen.withLock { $0.reads } > 0)
  }

  @Test("of nothing does nothing, and why says so")
  func nothingStaged() throws {
    let bench = try Bench()
    try bench.write("1", to: "\(bench.upload)/loading")
    try bench.write("0", to: "\(bench.upload)/loading")
    #expect(try bench.read("\(bench.upload)/status") == "idle\n")
    #expect(try bench.read("\(bench.upload)/error") == "")
    #expect(try bench.read("version") == "1.5.24\n")
    #expect(bench.machine.why().sentence.hasPrefix("nothing was staged"))
  }

  @Test("that was never begun says that the bytes were not uploaded")
  func neverBegun() throws {
    let bench = try Bench()
    try bench.write(Images.forge("1.5.28"), to: "\(bench.upload)/data")
    try bench.write("0", to: "\(bench.upload)/loading")
    #expect(bench.log.last == "firmware tdx_module: firmware_loading_store: unexpected value (0)")
    #expect(try bench.read("version") == "1.5.24\n")
    #expect(bench.machine.why().sentence.hasPrefix("loading=0 came without loading=1"))
  }

  @Test("begins anew after a reboot: the BIOS's module, all updates, an empty error")
  func reboot() throws {
    let bench = try Bench()
    let image = try Images.forge("1.5.28")
    #expect(try bench.update(to: image) == "")
    let old = try bench.open("version")
    try bench.write(image, to: "\(bench.upload)/data")

    guard case .done = try bench.machine.power(.reboot) else {
      Issue.record("a reboot waits for nobody")
      return
    }

    #expect(try bench.read("version") == "1.5.24\n")
    #expect(try bench.read("num_remaining_updates") == "15\n")
    #expect(try bench.read("\(bench.upload)/data") == "")
    #expect(throws: Errno.operationNotSupportedByDevice) {
      try bench.tree.bytes(old, at: 0, count: 10, by: Bench.root).count
    }
    #expect(bench.machine.why().result == "success")
    #expect(try bench.update(to: image) == "")
  }

  @Test("that was committed before a reboot is not made after it", arguments: [PowerEvent.reboot, .kexec])
  func committedBefore(event: PowerEvent) throws {
    let bench = try Bench()
    let gate = Guarded(())
    let isHeld = Guarded(true)
    // The worker is late.
    bench.machine.worker.schedule { while isHeld.withLock({ $0 }) { gate.withLock { _ in } } }
    try bench.write("1", to: "\(bench.upload)/loading")
    try bench.write(Images.forge("1.5.28"), to: "\(bench.upload)/data")
    try bench.write("0", to: "\(bench.upload)/loading")
    _ = try bench.machine.power(event)
    isHeld.withLock { $0 = false }
    bench.machine.worker.drain()
    #expect(bench.status("module") == "1.5.24")
    #expect(bench.status("remaining_updates") == "15")
    #expect(bench.machine.why() == .nothingUploaded)
  }

  @Test("leaves nothing behind of the device that a reboot took away")
  func noLeak() throws {
    let bench = try Bench()
    weak let old = bench.files.uploadDevice
    #expect(old != nil)
    _ = try bench.machine.power(.reboot)
    #expect(old == nil)
  }

  @Test("is over for good after kexec: there is no tdx_host until reboot")
  func kexec() throws {
    let bench = try Bench()
    _ = try bench.machine.power(.kexec)
    #expect(throws: Errno.noSuchFileOrDirectory) { try bench.read("version") }
    #expect(bench.status("power") == "kexec")
    _ = try bench.machine.power(.reboot)
    #expect(try bench.read("version") == "1.5.24\n")
  }
}
