import Basics
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

@Suite("The clock of a machine", .timeLimit(.minutes(20)))
struct ClockTests {
  /// Times of the kernel log in microseconds.
  private func times(_ bench: Bench) -> [UInt64] {
    bench.machine.lock.withLock { bench.machine.host.log.records.map(\.microseconds) }
  }

  @Test("that is virtual moves by what is done, so that two runs have the same log and trace to the byte")
  func identical() throws {
    func run() throws -> (String, [UInt8]) {
      let bench = try Bench(["clock": "virtual", "order": "seed", "seed": "9"])
      try bench.plan("stage=install delay=3ms always")
      for version in ["1.5.28", "1.5.34"] { #expect(try bench.update(to: Images.forge(version)) == "") }
      return (bench.machine.kernelLog(), bench.machine.traceLines())
    }
    let (first, second) = (try run(), try run())
    #expect(first.0 == second.0)
    #expect(first.1 == second.1)
  }

  @Test("that is virtual lets a delay pass at once")
  func delay() throws {
    let bench = try Bench(["clock": "virtual"])
    try bench.plan("stage=transfer delay=3600s")
    let before = try #require(times(bench).last)
    #expect(try bench.update(to: Images.forge("1.5.28")) == "")
    let after = try #require(times(bench).last)
    #expect((3_600_000_000...3_600_100_000).contains(after - before))
  }

  @Test("that is real lets a client watch a stage that takes long, and a reboot ends it")
  func visible() throws {
    let bench = try Bench()
    try bench.plan("stage=transfer delay=600s")
    try bench.write("1", to: "\(bench.upload)/loading")
    try bench.write(Images.forge("1.5.28"), to: "\(bench.upload)/data")
    try bench.write("0", to: "\(bench.upload)/loading")
    while try bench.read("\(bench.upload)/status") != "transferring\n" {}
    // Nobody waits for the delay: neither readers of attributes nor those of the control directory.
    #expect(try bench.read("version") == "1.5.24\n")
    #expect(bench.status("sys_state") == "SYS_READY")
    #expect(throws: Errno.resourceBusy) { try bench.read("\(bench.upload)/error") }
    _ = try bench.machine.power(.reboot)
    bench.machine.worker.drain()
    #expect(try bench.read("\(bench.upload)/status") == "idle\n")
    #expect(try bench.read("version") == "1.5.24\n")
  }

  @Test("order=seed: every update has an order of its own, and the same seed the same ones")
  func order() throws {
    func installs(_ seed: String) throws -> [[Int]] {
      let bench = try Bench(["order": "seed", "seed": seed, "lps": "16", "clock": "virtual"])
      let calls = Guarded<[Int]>([])
      let observer = bench.machine.silicon.observer
      bench.machine.silicon.observer = { record in
        if record.input.rax == 0x8000_0000_0000_0001 { calls.withLock { $0.append(record.lp) } }
        observer?(record)
      }
      for version in ["1.5.28", "1.5.34"] { #expect(try bench.update(to: Images.forge(version)) == "") }
      let all = calls.withLock { $0 }
      return [Array(all.prefix(16)), Array(all.dropFirst(16))]
    }
    let orders = try installs("1")
    #expect(orders.allSatisfy { $0.sorted() == Array(0..<16) })
    #expect(orders[0] != orders[1])
    #expect(try installs("1") == orders)
    #expect(try installs("2") != orders)
  }

  @Test("the options can be told as text, and read again")
  func text() throws {
    var options = MachineOptions()
    for (name, value) in [
      ("abi", "v4"), ("layout", "sys"), ("cpu", "emr"), ("lps", "7"), ("erratum", "seamret_invd_vmcs"),
      ("alias", "seamldr/:tdx_module"), ("clock", "virtual"), ("order", "seed"), ("control", "off"), ("updates", "3"),
    ] { #expect(try options.set(name, to: value)) }
    let text = options.text(seed: 77)
    let again = try MachineOptions(text: text)
    #expect(again.text(seed: 77) == text)
    #expect(again.seed == 77 && again.clock == .virtual && again.aliases == options.aliases)
    #expect(throws: OptionError.self) { try MachineOptions(text: "rw=1") }
  }
}
