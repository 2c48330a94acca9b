import Basics
import Platform
import SEAM

/// Fault plans: any line is a plan or is refused with a reason, a plan's line makes the same plan again, and updates under
/// any plans come to an end, as do the TDs beside them.
enum FaultsTarget {
  private static let machines: [FuzzBench] = ["v8", "v9", "v1", "merged"].compactMap {
    let bench = FuzzBench("abi=\($0),module=1.5.24,lps=2,memory=1,updates=9,clock=virtual,seed=1")
    try? bench?.machine.createTD("a")
    if let machine = bench?.machine, let td = machine.td(named: "a") {
      for step in ["vcpu", "add", "finalize"] { try? machine.stepTD(td, step) }
    }
    return bench
  }

  private static let words =
    FaultPlan.keys.map { $0 + "=" } + FaultPlan.keys + FaultPlan.Stage.allCases.map(\.rawValue)
    + FaultPlan.Stage.allCases.map { "stage=" + $0.rawValue } + Leaf.all.map(\.name)
    + Leaf.all.map { "leaf=" + $0.name }
    + FaultPlan.HandoffDamage.allCases.map { "corrupt-handoff=" + $0.rawValue } + [
      "0", "1", "2", "0x", "ms", "us", "s", "1ms", "p=0.5", "1e-9", "nan", "inf", "-0", "SYS_BUSY", "status=SYS_BUSY",
      "status=0x8000020300000000", "18446744073709551615", "calls:3", "after=calls:3", "always", "once", " ", "\t", "=",
    ]

  static func run(_ input: [UInt8]) throws {
    var choice = FuzzInput(input)
    guard let other = choice.element(of: machines) else { throw Finding(description: "no machine") }
    var lines: [String] = []
    for _ in 0..<(1 + choice.byte() % 3) {
      let line = String(decoding: choice.text(words, longest: 16), as: UTF8.self)
      do {
        let plan = try FaultPlan(line: line, lps: 2)
        try Finding.unless(try FaultPlan(line: plan.line, lps: 2) == plan, "'\(plan.line)' makes two plans")
        lines.append(line)
      } catch let error as FaultPlanError {
        try Finding.unless(!error.description.isEmpty, "'\(line)' is refused without a reason")
      }
    }
    guard !lines.isEmpty else { return }
    let bench = FuzzBench(like: other)
    for (index, line) in lines.enumerated() {
      try? bench.machine.createFault("f\(index)")
      try? bench.machine.setFault("f\(index)", to: line)
    }
    for index in 0..<(1 + Int(choice.byte() % 3)) {
      bench.update(to: FuzzImages.small[index == 0 ? 0 : 1])
      try bench.lookAtAll()
    }
    if let td = bench.machine.td(named: "a") { try? bench.machine.stepTD(td, "enter") }
    for index in lines.indices { try? bench.machine.removeFault("f\(index)") }
    bench.write("reboot\n", to: ".tdxfs/power")
    try bench.lookAtAll()
  }
}
