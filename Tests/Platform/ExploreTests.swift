import Basics
import ModuleImage
import SEAM
import SystemPackage
import TDXHost
import TDXModule
import Testing

@testable import Platform

@Suite("Exploring an update", .timeLimit(.minutes(20)))
struct ExploreTests {
  private func exploration(
    lps: Int, abi: String = "v8", samples: Int? = nil, seed: UInt64 = 1,
    prepare: (EmulatedMachine) throws -> Void = { _ in },
    tds: @escaping @Sendable (EmulatedMachine) -> [String] = { _ in [] }
  ) throws -> Exploration {
    var options = MachineOptions()
    options.lps = lps
    #expect(try options.set("abi", to: abi))
    return try Exploration(
      options: options, image: Images.forge("1.5.28", format: abi == "merged" ? .image : .blob),
      target: ModuleVersion(1, 5, 28), samples: samples, seed: seed, prepare: prepare, tds: tds)
  }

  private func findings(_ exploration: Exploration) -> [Exploration.Finding] {
    (0..<exploration.count).compactMap { exploration.explored($0) }.compactMap { exploration.run($0) }
  }

  @Test("finds nothing in any order and with any fault", arguments: ["v8", "merged"])
  func full(abi: String) throws {
    let exploration = try exploration(lps: 3, abi: abi)
    #expect(exploration.count > 500)
    #expect(findings(exploration).map { "\($0)" } == [])
  }

  @Test("covers every order of the steps that all LPs make, and every fault at each of them")
  func coverage() throws {
    let exploration = try exploration(lps: 4)
    let cases = (0..<exploration.count).compactMap { exploration.explored($0) }
    for state in [UpdateState.cpuInstall, .cpuInit] {
      let good = Set(cases.filter { $0.fault == nil }.compactMap { $0.orders[state] })
      #expect(good.count == 24)
      for position in 3...11 {
        let faulty = Set(cases.filter { $0.fault == "nth=\(position) vmfailinvalid" }.compactMap { $0.orders[state] })
        #expect(faulty.count == 24, "position \(position)")
      }
    }
    // RD and SHUTDOWN; 4 INSTALL; INIT and 4 LP.INIT; UPDATE; 3 RD.
    for position in 1...15 { #expect(cases.contains { $0.fault == "nth=\(position) vmfailinvalid" }) }
    #expect(!cases.contains { $0.fault?.hasPrefix("nth=16 ") == true })
    for lp in 1...3 { #expect(cases.contains { $0.fault == "stage=cpu-init lp=\(lp) drop-lp" }) }
    #expect(cases.indices.allSatisfy { cases[$0].number == $0 })
  }

  @Test("draws samples from a seed: the same ones for the same, and finds nothing on 64 LPs")
  func samples() throws {
    let exploration = try exploration(lps: 64, samples: 30, seed: 5)
    let again = try self.exploration(lps: 64, samples: 30, seed: 5)
    let other = try self.exploration(lps: 64, samples: 30, seed: 6)
    let drawn = (0..<30).map { exploration.explored($0) }
    #expect((0..<30).map { again.explored($0) } == drawn)
    #expect((0..<30).map { other.explored($0) } != drawn)
    #expect(exploration.explored(30) == nil)
    #expect(findings(exploration) == [])
  }

  @Test("a case can be repeated: the same is seen each time")
  func repeated() throws {
    let exploration = try exploration(lps: 4)
    let explored = try #require(exploration.explored(700))
    let first = exploration.evidence(of: explored, schedule: explored.schedule)
    #expect(exploration.evidence(of: explored, schedule: explored.schedule) == first)
    #expect(!first.calls.isEmpty && !first.glimpses.isEmpty)
  }

  // MARK: A broken machine is caught

  /// Schedules that no lock step has: an LP is left out of a state.
  static let brokenSchedules: [(UpdateState, [Int], String)] = [
    (.cpuInstall, [0, 1, 3], "LP 0 went on to TDH.SYS.INIT before SEAMLDR.INSTALL on LPs 2"),
    (.cpuInstall, [3], "before SEAMLDR.INSTALL on LPs 0-2"),
    (.cpuInit, [2, 1, 0], "LP 0 went on to TDH.SYS.UPDATE before TDH.SYS.LP.INIT on LPs 3"),
  ]

  @Test("catches a lock step that goes on without an LP", arguments: brokenSchedules)
  func brokenLockStep(state: UpdateState, order: [Int], sentence: String) throws {
    let exploration = try exploration(lps: 4)
    let broken = UpdateSchedule(orders: [state: order])
    let findings = ExploreJudge.findings(
      in: exploration.evidence(of: ExploreCase(number: 0), schedule: broken))
    #expect(findings.contains { $0.contains(sentence) }, "\(findings)")
  }

  @Test("catches a lock step in which an LP makes its step twice")
  func twice() throws {
    let exploration = try exploration(lps: 4)
    let broken = UpdateSchedule(orders: [.cpuInit: [0, 1, 1, 2, 3]])
    // The kernel's own flag keeps the second call from being made: nothing is there to be found.
    #expect(ExploreJudge.findings(in: exploration.evidence(of: ExploreCase(number: 0), schedule: broken)) == [])
    let install = UpdateSchedule(orders: [.cpuInstall: [0, 1, 2, 3, 3]])
    let findings = ExploreJudge.findings(in: exploration.evidence(of: ExploreCase(number: 0), schedule: install))
    #expect(findings.contains { $0.contains("LP 3 made SEAMLDR.INSTALL twice") }, "\(findings)")
  }

  /// What a sound update looks like, and what is changed in it.
  struct Tampering: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var change: @Sendable (inout ExploreEvidence) -> Void
    var sentence: String
  }

  static let tamperings: [Tampering] = [
    Tampering(
      testDescription: "somebody else's SEAMCALL between SHUTDOWN and DONE",
      change: { $0.calls.insert(.init(leaf: .module(.vpEnter), lp: 1, status: 0), at: 4) },
      sentence: "TDH.VP.ENTER on LP 1, is none of the update's"),
    Tampering(
      testDescription: "INFO in the middle",
      change: { $0.calls.insert(.init(leaf: .loader(.info), lp: 0, status: 0), at: 7) },
      sentence: "SEAMLDR.INFO on LP 0, is none of the update's"),
    Tampering(
      testDescription: "an LP that goes back",
      change: { $0.calls.insert(.init(leaf: .loader(.install), lp: 3, status: 0), at: 9) },
      sentence: "SEAMLDR.INSTALL on LP 3 was called after the state"),
    Tampering(
      testDescription: "going on after a failure", change: { $0.calls[3].status = 1 << 63 },
      sentence: "TDH.SYS.INIT on LP 0 was called though a step of state install had failed"),
    Tampering(
      testDescription: "no SHUTDOWN", change: { $0.calls.remove(at: 1) },
      sentence: "SEAMLDR.INSTALL was called without a TDH.SYS.SHUTDOWN before it"),
    Tampering(
      testDescription: "no UPDATE", change: { evidence in evidence.calls.removeAll { $0.leaf == .module(.sysUpdate) } },
      sentence: "TDH.SYS.UPDATE was never called"),
    Tampering(
      testDescription: "a torn version", change: { $0.glimpses[2].version = .success(ModuleVersion(1, 5, 26)) },
      sentence: "in the middle of the update version read 1.5.26"),
    Tampering(
      testDescription: "ENXIO in the middle", change: { $0.glimpses[5].version = .failure(.noSuchAddressOrDevice) },
      sentence: "in the middle of the update version read"),
    Tampering(
      testDescription: "the budget in the middle", change: { $0.glimpses[6].remaining = .success(14) },
      sentence: "in the middle of the update num_remaining_updates read 14"),
    Tampering(
      testDescription: "an old version after success", change: { $0.after.version = $0.before.version },
      sentence: "ended with success, and version reads 1.5.24"),
    Tampering(
      testDescription: "an update too many", change: { $0.after.remaining -= 1 },
      sentence: "1 modules were installed, and num_remaining_updates went from 15 to 13"),
    Tampering(
      testDescription: "success without a module", change: { $0.after.isReady = false },
      sentence: "the kernel told of success, and the module is in no state"),
    Tampering(
      testDescription: "an error, and the new module runs", change: { $0.error = "firmware-invalid" },
      sentence: "the kernel told of firmware-invalid, version can be read, and a module was installed"),
    Tampering(
      testDescription: "given up without need",
      change: {
        $0.error = "firmware-invalid"
        $0.after.version = .failure(.noSuchAddressOrDevice)
      }, sentence: "gave up the module, which is in SYS_READY"),
    Tampering(
      testDescription: "a TD lost though nothing happened",
      change: {
        $0.error = "device-busy"
        $0.after = $0.before
        $0.after.tds = []
      }, sentence: "the kernel told of device-busy, version can be read, and TDs are lost: td1"),
    Tampering(
      testDescription: "a TD lost by a success", change: { $0.after.tds = [] },
      sentence: "the kernel told of success, and TDs are lost: td1"),
    Tampering(
      testDescription: "the module's memory lost though nothing happened",
      change: {
        $0.error = "device-busy"
        $0.after = $0.before
        $0.after.keepsakes[0] = "global KeyID 65"
      }, sentence: "the module's state changed: global KeyID 64 → global KeyID 65"),
  ]

  @Test("catches each broken invariant", arguments: tamperings)
  func tampered(_ tampering: Tampering) throws {
    let exploration = try exploration(lps: 4, tds: { _ in ["td1"] })
    var evidence = exploration.evidence(of: ExploreCase(number: 0), schedule: .ascending)
    #expect(ExploreJudge.findings(in: evidence) == [])
    tampering.change(&evidence)
    let findings = ExploreJudge.findings(in: evidence)
    #expect(findings.contains { $0.contains(tampering.sentence) }, "\(findings)")
  }

  @Test("a power cycle in the middle has to give the BIOS's module back")
  func power() throws {
    let exploration = try exploration(lps: 4)
    let explored = ExploreCase(number: 0, fault: "nth=5 power-loss")
    var evidence = exploration.evidence(of: explored, schedule: .ascending)
    #expect(evidence.isRebooted)
    #expect(ExploreJudge.findings(in: evidence) == [])
    evidence.after.remaining = 14
    #expect(ExploreJudge.findings(in: evidence) == ["after the power cycle 14 updates remain"])
  }

  @Test("finds what early kernels do wrong: an error is told though the new module runs")
  func earlyKernel() throws {
    let exploration = try exploration(lps: 2, abi: "v7")
    let sentences = Set(findings(exploration).flatMap(\.sentences))
    #expect(sentences.contains("the kernel told of firmware-invalid, version can be read, and a module was installed"))
    #expect(sentences.allSatisfy { $0.contains("a module was installed") }, "\(sentences)")
  }

  @Test("with TDs that run loses none of them silently, whatever goes wrong")
  func tds() throws {
    let exploration = try exploration(
      lps: 2, prepare: { try ExploreTDs.build(2, on: $0) }, tds: ExploreTDs.living)
    let good = exploration.evidence(of: ExploreCase(number: 0), schedule: .ascending)
    #expect(good.before.tds == ["td1", "td2"] && good.after.tds == ["td1", "td2"])
    let lost = exploration.evidence(of: ExploreCase(number: 0, fault: "stage=update busy"), schedule: .ascending)
    #expect(lost.after.tds == [] && lost.lost == .tds)
    #expect(findings(exploration) == [])
  }

  @Test("begins from the state that it is given: here a TD is being built, so v8 refuses and nothing is lost")
  func prepared() throws {
    let exploration = try exploration(
      lps: 2,
      prepare: { machine in
        machine.lock.withLock { machine.silicon.module.tdBuildCount = 1 }
      })
    let evidence = exploration.evidence(of: ExploreCase(number: 0), schedule: .ascending)
    #expect(evidence.error == "device-busy")
    #expect(findings(exploration) == [])
  }
}

@Suite("The state of a machine", .timeLimit(.minutes(20)))
struct MachineStateTests {
  @Test(
    "taken between any two steps of an update, goes on to the same end in another machine",
    arguments: [nil, "stage=install nth=4 corrupt-handoff", "stage=cpu-init lp=2 status=SYS_BUSY"] as [String?])
  func resumed(line: String?) throws {
    let bench = try Bench(["clock": "virtual", "order": "seed", "seed": "3"])
    let machine = bench.machine
    if let line { try bench.plan(line) }
    let states = Guarded<[(MachineState, FaultTable)]>([])
    machine.onStep = { [unowned machine] in
      let moment = (machine.state, machine.faultTable)
      states.withLock { $0.append(moment) }
    }
    let error = machine.install(try Images.forge("1.5.28"), boot: machine.bootNumber)
    let end = machine.facts { _ in [] }
    let sentence = machine.why().sentence
    let moments = states.withLock { $0 }.filter { $0.0.installation != nil }
    #expect(moments.count >= 5)
    for (state, faults) in moments {
      let other = EmulatedMachine(like: machine, in: state)
      other.faultTable = faults
      #expect((try? other.version()) == ModuleVersion(1, 5, 24))
      #expect(other.resumeInstallation(boot: other.bootNumber) == error)
      #expect(other.facts { _ in [] } == end)
      #expect(other.why().sentence == sentence)
      #expect(other.kernelLog().split(separator: "]").last == machine.kernelLog().split(separator: "]").last)
    }
  }
}
