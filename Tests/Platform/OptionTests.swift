import ModuleImage
import SEAM
import Testing

@testable import Platform

@Suite("The options of a machine")
struct OptionTests {
  @Test(
    "choose module and loader by the processor",
    arguments: [
      ("spr", "1.5.24", "1.5.02"), ("emr", "1.5.24", "1.5.02"), ("srf", "1.5.25", "2.0.00"),
      ("gnr", "2.0.14", "2.0.00"), ("gnrd", "2.0.14", "2.0.00"),
    ])
  func defaults(cpu: String, module: String, seamldr: String) throws {
    var options = MachineOptions()
    #expect(try options.set("cpu", to: cpu))
    #expect(options.effectiveModule.description == module)
    #expect(options.effectiveSEAMLDR.description == seamldr)
    _ = try EmulatedMachine(options: options)
  }

  @Test(
    "refuse what is impossible in one line that says what is possible",
    arguments: [
      ("lps", "0", "lps=0: a number from 1 to 1024 is needed"),
      ("lps", "1025", "lps=1025: a number from 1 to 1024 is needed"),
      ("lps", "four", "lps=four: a number from 1 to 1024 is needed"),
      ("updates", "-1", "updates=-1: a number from 0 to 65535 is needed"),
      ("memory", "0", "memory=0: a number from 1 to 1024 is needed"),
      ("cpu", "spx", "cpu=spx: did you mean spr? (known are spr, emr, srf, gnr, gnrd)"),
      ("layout", "tree", "layout=tree: known are device, sys"),
      ("module", "1.5", "module=1.5: a version like 1.5.24 is needed"),
      ("seamldr", "3.0.00", "seamldr=3.0.00: there are P-SEAMLDRs 1.5.x and 2.0.x"),
      ("td_preserving", "no", "td_preserving=no: on or off is needed"),
      ("control", "", "option 'control' needs a value: control=on|off"),
      ("clock", "fast", "clock=fast: known are real, virtual"),
      ("order", "random", "order=random: known are ascending, seed"),
      ("seed", "x", "seed=x: a number from 0 to 18446744073709551615 is needed"),
      ("erratum", "foo", "erratum=foo: known are seamret_invd_vmcs"),
    ])
  func refusals(name: String, value: String, line: String) {
    var options = MachineOptions()
    #expect(throws: OptionError(line)) { try options.set(name, to: value) }
  }

  @Test("leave names alone that are not theirs")
  func others() throws {
    var options = MachineOptions()
    #expect(try !options.set("rw", to: nil))
    #expect(options == MachineOptions())
  }

  @Test(
    "refuse a machine that cannot be",
    arguments: [
      ("cpu", "gnr", "module", "1.5.24"), ("module", "2.0.14", "cpu", "spr"), ("keys", "nobody", "cpu", "spr"),
    ])
  func machines(first: String, value: String, second: String, other: String) throws {
    var options = MachineOptions()
    #expect(try options.set(first, to: value))
    #expect(try options.set(second, to: other))
    #expect(throws: OptionError.self) { try EmulatedMachine(options: options) }
  }

  @Test("hide updates where Linux does: only version is left")
  func hidden() throws {
    for option in [("erratum", "seamret_invd_vmcs"), ("td_preserving", "off")] {
      let bench = try Bench([option.0: option.1])
      #expect(try bench.read("version") == "1.5.24\n")
      #expect(bench.tree.node(at: "firmware") == nil)
      #expect(bench.tree.node(at: "seamldr_version") == nil)
      #expect(bench.tree.node(at: "num_remaining_updates") == nil)
    }
  }

  @Test("boot 1.5.01 without TDX, as Linux does with it")
  func tooOld() throws {
    let bench = try Bench(["module": "1.5.01"])
    #expect(try bench.tree.readDirectory(.root).map(\.name) == [".", ".."])
    #expect(bench.log.last == "virt/tdx: TDX-Module initialization failed (-5)")
  }
}

@Suite("A list of CPUs")
struct CPUListTests {
  @Test(
    "is written as the kernel writes it",
    arguments: [
      ([], ""), ([0], "0"), ([0, 1, 2, 3], "0-3"), ([0, 1, 3], "0-1,3"), ([1, 3, 5], "1,3,5"),
      ([2, 3, 7, 8], "2-3,7-8"),
    ] as [([Int], String)])
  func text(cpus: [Int], text: String) { #expect(cpuList(cpus) == text) }
}
