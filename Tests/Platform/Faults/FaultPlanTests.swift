import SEAM
import Testing

@testable import Platform

/// The words of a plan, as a table.
@Suite("A fault plan", .timeLimit(.minutes(20)))
struct FaultPlanTests {
  private func plan(_ line: String, lps: Int = 4) throws -> FaultPlan { try FaultPlan(line: line, lps: lps) }

  static let effects: [(String, FaultPlan.Effect)] = [
    ("status=0x8000000000020001", .answer(status: .badHash, rdx: nil, isExecuted: false)),
    ("status=EBADHASH rdx=1", .answer(status: .badHash, rdx: 1, isExecuted: false)),
    ("status=ebadhash executed", .answer(status: .badHash, rdx: nil, isExecuted: true)),
    ("status=TDX_SYS_BUSY", .answer(status: .sysBusy, rdx: nil, isExecuted: false)),
    ("status=SYS_BUSY", .answer(status: .sysBusy, rdx: nil, isExecuted: false)),
    ("status=operand_invalid(rcx)", .answer(status: .operandInvalid.with(.rcx), rdx: nil, isExecuted: false)),
    ("status=SUCCESS", .answer(status: .success, rdx: nil, isExecuted: false)),
    ("status=9223372036854775811", .answer(status: .badCall, rdx: nil, isExecuted: false)),
    ("rdx=0x10", .answer(status: nil, rdx: 16, isExecuted: true)),
    ("vmfailinvalid", .vmFailInvalid), ("busy", .busy), ("busy=3", .busy), ("busy=always", .busy),
    ("no-entropy", .noEntropy(draws: 1, skipping: 0)), ("no-entropy=9", .noEntropy(draws: 9, skipping: 0)),
    ("no-entropy=5 skip=1", .noEntropy(draws: 5, skipping: 1)),
    ("no-entropy=always", .noEntropy(draws: .max, skipping: 0)),
    ("corrupt-handoff", .corruptHandoff(.header)), ("corrupt-handoff=size", .corruptHandoff(.size)),
    ("bad-page", .badPage), ("stage=transfer delay=250ms", .delay(250_000)),
    ("stage=prepare delay=2s", .delay(2_000_000)), ("leaf=TDH.SYS.UPDATE delay=7us", .delay(7)),
    ("stage=install lp=2 drop-lp", .dropLP), ("stage=receive enomem", .noMemory), ("nth=3 power-loss", .powerLoss),
  ]

  @Test("says what goes wrong", arguments: effects)
  func effect(line: String, effect: FaultPlan.Effect) throws {
    #expect(try plan(line).effect == effect)
  }

  @Test("says where, and how often")
  func placeAndFrequency() throws {
    let first = try plan("stage=install  lp=2\tnth=3 after=TDH.SYS.SHUTDOWN status=EBADSIG count=4")
    #expect(first.stage == .install && first.lp == 2 && first.nth == 3)
    #expect(first.after == .leaf(.module(.sysShutdown)))
    #expect(first.limit == 4 && first.chance == 1)
    #expect(first.line == "stage=install lp=2 nth=3 after=TDH.SYS.SHUTDOWN status=EBADSIG count=4")
    let second = try plan("leaf=tdh.sys.update after=cpu-init vmfailinvalid p=0.25 seed=7")
    #expect(second.leaf == .module(.sysUpdate) && second.after == .stage(.cpuInit))
    #expect(second.limit == nil && second.chance == 0.25 && second.seed == 7)
    #expect(try plan("leaf=53 after=12 busy").after == .calls(12))
    #expect(try plan("leaf=0x8000000000000001 busy").leaf == .loader(.install))
    #expect(try plan("busy").limit == 1)
    #expect(try plan("busy=5").limit == 5)
    #expect(try plan("busy=always").limit == nil)
    #expect(try plan("vmfailinvalid always").limit == nil)
    #expect(try plan("vmfailinvalid p=0.5 count=2").limit == 2)
  }

  static let refusals: [(String, String)] = [
    ("", "the plan is empty: it says neither where nor what"),
    ("stage=install", "the plan does not say what goes wrong:"),
    ("stge=install busy", "'stge': did you mean stage?"),
    ("stage=instal busy", "stage=instal: did you mean install?"),
    ("leaf=TDH.SYS.UPDAT busy", "leaf=TDH.SYS.UPDAT: there is no such leaf: did you mean TDH.SYS.UPDATE?"),
    ("leaf=9999 busy", "leaf=9999: there is no such leaf"),
    ("after=TDH.SYS.FOO busy", "after=TDH.SYS.FOO: there is no such leaf"),
    ("status=EBADHSAH", "status=EBADHSAH: no completion status has this name: did you mean EBADHASH?"),
    ("status=SYS_BUSY(RCX)", "status=SYS_BUSY(RCX): no completion status has this name, with this operand"),
    ("lp=4 busy", "lp=4: a number from 0 to 3 is needed"),
    ("lp=-1 busy", "lp=-1: a number from 0 to 3 is needed"),
    ("nth=0 busy", "nth=0: a number from 1 to 2147483647 is needed"),
    ("lp busy", "lp needs a value: lp=…"),
    ("vmfailinvalid=1", "vmfailinvalid takes no value"),
    ("lp=1 lp=2 busy", "lp is there twice"),
    ("status=EBADSIG vmfailinvalid", "status and vmfailinvalid contradict each other"),
    ("busy=2 once", "once and busy=N contradict each other"),
    ("vmfailinvalid once always", "once and always contradict each other"),
    ("vmfailinvalid seed=4", "seed belongs to p=, without which nothing is random"),
    ("vmfailinvalid p=1.5", "p=1.5: a probability above 0 and up to 1 is needed"),
    ("vmfailinvalid rdx=1", "rdx belongs to status=, it means nothing with vmfailinvalid"),
    ("busy skip=1", "skip belongs to no-entropy=, it means nothing with busy"),
    ("stage=transfer delay=5", "delay=5: a time like 250ms is needed"),
    ("stage=transfer delay=2d", "delay=2d: a time like 250ms is needed"),
    ("stage=transfer delay=99999999s", "delay=99999999s: a time like 250ms is needed"),
    ("delay=5ms", "delay= needs a place"),
    ("stage=receive delay=5ms", "delay= acts in what the upload worker does"),
    ("leaf=TDH.VP.ENTER delay=5ms", "delay= acts in uploads, and an upload never calls TDH.VP.ENTER"),
    ("stage=prepare status=EBADSIG", "stage=prepare makes no SEAMCALL; what can go wrong there is"),
    ("stage=prepare leaf=TDH.SYS.RD delay=5ms", "stage=prepare makes no SEAMCALL, so leaf= means nothing there"),
    ("stage=install leaf=TDH.SYS.INIT busy", "stage=install never calls TDH.SYS.INIT; it calls SEAMLDR.INSTALL"),
    ("leaf=TDH.SYS.RD busy", "TDH.SYS.RD takes no lock, so it is never busy"),
    ("stage=shutdown corrupt-handoff", "corrupt-handoff in stage=shutdown means nothing"),
    ("corrupt-handoff=body", "corrupt-handoff=body: known are header, valid, size, data"),
    ("stage=update bad-page", "bad-page acts before SEAMLDR.INSTALL"),
    ("lp=2 drop-lp", "drop-lp acts when a stage begins"),
    ("stage=install drop-lp", "drop-lp needs lp="),
    ("stage=install lp=0 drop-lp", "drop-lp lp=0: CPU 0 is always online"),
    ("stage=install enomem", "enomem acts where the kernel takes pages"),
    ("stage=transfer lp=1 enomem", "enomem acts where the kernel takes pages"),
    ("no-entropy=0", "no-entropy=0: a number from 1 to 1000000 is needed"),
    ("\u{1}=1", "'?': did you mean p?"),
  ]

  @Test("that is nonsense is refused in one line that says why", arguments: refusals)
  func refusal(line: String, reason: String) {
    let error = #expect(throws: FaultPlanError.self) { try plan(line) }
    let text = error?.description ?? ""
    #expect(text.hasPrefix(reason), "\(text)")
    #expect(!text.contains("\n"))
  }

  @Test("of random words never traps, and what is taken is taken again")
  func random() {
    var generator = SystemRandomNumberGenerator()
    let values =
      FaultPlan.Stage.allCases.map(\.rawValue) + ["1", "0x", "-1", "18446744073709551616", "TDH.SYS.RD", "é", ""]
    for _ in 0..<5_000 {
      let words = (0..<Int.random(in: 0...5, using: &generator)).map { _ in
        let key = FaultPlan.keys.randomElement(using: &generator) ?? ""
        return Bool.random(using: &generator) ? key : "\(key)=\(values.randomElement(using: &generator) ?? "")"
      }
      guard let plan = try? plan(words.joined(separator: " ")) else { continue }
      #expect((try? self.plan(plan.line)) == plan)
    }
  }
}

/// When plans act, without a machine.
@Suite("The fault table", .timeLimit(.minutes(20)))
struct FaultTableTests {
  private func table(_ lines: String...) throws -> FaultTable {
    var table = FaultTable()
    for (index, line) in lines.enumerated() { table.set(try FaultPlan(line: line, lps: 4), for: "f\(index + 1)") }
    return table
  }

  private func call(_ leaf: Leaf, lp: Int = 0, stage: FaultPlan.Stage? = nil) -> FaultMoment {
    .call(FaultCall(leaf: leaf, lp: lp, stage: stage))
  }

  /// Names of the plans that act at each of `moments`.
  private func names(_ table: inout FaultTable, _ moments: [FaultMoment]) -> [String] {
    moments.map { table.actions(at: $0).map(\.plan).joined(separator: "+") }
  }

  private let install = Leaf.loader(.install)

  @Test("counts what matches: once, the nth, a number of times, always")
  func frequency() throws {
    var table = try table(
      "leaf=SEAMLDR.INSTALL lp=1 no-entropy", "nth=2 corrupt-handoff count=2", "stage=install bad-page always")
    let calls = (0..<4).map { call(install, lp: $0, stage: .install) } + [call(install, lp: 1)]
    #expect(names(&table, calls) == ["f3", "f1+f2+f3", "f2+f3", "f3", ""])
    #expect(table.entries.map(\.acted) == [1, 2, 4])
    #expect(table["f2"]?.text == "nth=2 corrupt-handoff count=2 acted=2\n")
    #expect(table.actedInUpload == ["f3", "f1", "f2"])
  }

  @Test("the first plan that answers ends it: later ones neither act nor count")
  func answer() throws {
    var table = try table("no-entropy", "vmfailinvalid", "status=EBADSIG always")
    #expect(names(&table, [call(install), call(install)]) == ["f1+f2", "f3"])
    #expect(table.entries.map(\.acted) == [1, 1, 1])
  }

  @Test("after= waits for a success of the leaf, the end of the stage, a number of calls, in each upload anew")
  func after() throws {
    var table = try table(
      "after=TDH.SYS.UPDATE no-entropy always", "after=install corrupt-handoff always",
      "after=2 executed rdx=1 always")
    let read = call(.module(.sysRD))
    func next(_ leaf: Leaf, isSuccess: Bool) -> String {
      table.ended(leaf, isSuccess: isSuccess)
      return names(&table, [read])[0]
    }
    #expect(names(&table, [read]) == [""])
    #expect(next(.module(.sysUpdate), isSuccess: false) == "")
    #expect(next(.module(.sysUpdate), isSuccess: true) == "f1+f3")
    table.passed(.shutdown)
    #expect(names(&table, [read]) == ["f1+f3"])
    table.passed(.install)
    #expect(names(&table, [read]) == ["f1+f2+f3"])
    table.beginUpload()
    #expect(names(&table, [read]) == [""])
    #expect(table.actedInUpload == [])
  }

  @Test("p= acts now and then, the same for the same seed, and never more often than count=")
  func chance() throws {
    func acted(_ line: String) throws -> [Bool] {
      var table = try table(line)
      return (0..<200).map { _ in !table.actions(at: call(install)).isEmpty }
    }
    let first = try acted("no-entropy p=0.25 seed=3")
    #expect(try acted("no-entropy p=0.25 seed=3") == first)
    #expect(try acted("no-entropy p=0.25 seed=4") != first)
    #expect((20...80).contains(first.count { $0 }))
    #expect(try acted("no-entropy p=0.5 seed=1 count=3").count { $0 } == 3)
  }

  @Test("busy only matches leaves that take a lock; a plan for a stage only its kind of moment")
  func moments() throws {
    var table = try table("busy=always", "stage=install lp=2 drop-lp", "stage=transfer enomem", "stage=prepare enomem")
    #expect(names(&table, [call(.module(.sysRD)), call(.module(.sysInit))]) == ["", "f1"])
    #expect(names(&table, [call(install, lp: 2, stage: .install)]) == ["f1"])
    #expect(names(&table, [.stage(.install), .stage(.transfer), .stage(.prepare)]) == ["f2", "f3", ""])
    #expect(names(&table, [.allocation(.prepare)]) == ["f4"])
  }

  @Test("a plan that is written anew counts from 0; a new file of an old name is another one")
  func identity() throws {
    var table = try table("no-entropy")
    let first = table["f1"]?.identity
    _ = table.actions(at: call(install))
    table.set(try FaultPlan(line: "busy", lps: 4), for: "f1")
    #expect(table["f1"]?.acted == 0)
    #expect(table["f1"]?.identity == first)
    let outcomes = [table.remove("f1"), table.remove("f1"), table.create("f1"), table.create("f1")]
    #expect(outcomes == [true, false, true, false])
    #expect(table["f1"]?.identity != first)
    #expect(table["f1"]?.text == "")
  }
}
