import Kernfs
import Platform
import SystemPackage

/// Clients of `.tdxfs/`: any text in any file, names made and removed, reads between them. What is refused is refused with a
/// reason.
enum ControlTarget {
  private static let machines: [FuzzBench] = [
    machine("abi=v8,module=1.5.24", []),
    machine("abi=v8,module=1.5.34", ["vcpu", "add", "finalize", "enter"]),
    machine("abi=merged,cpu=gnr,module=2.0.8", ["init migratable", "vcpu", "add"]),
  ].compactMap { $0 }

  private static func machine(_ options: String, _ steps: [String]) -> FuzzBench? {
    let bench = FuzzBench(options + ",lps=2,memory=1,updates=3,clock=virtual,seed=1")
    if !steps.isEmpty { try? bench?.machine.createTD("a") }
    if let machine = bench?.machine, let td = machine.td(named: "a") {
      for step in steps { try? machine.stepTD(td, step) }
    }
    return bench
  }

  private static let files = [
    "power", "cpu/0/online", "cpu/1/online", "fault/f", "fault/g", "snapshot", "watch", "trace", "kmsg", "log", "why",
    "status", "last_error", "errata", "cpu/online", "td/a/step", "td/a/step", "td/a/step", "td/a/step", "td/b/step",
    "td/a/state", "td/a/mrtd", "td/a/rtmr0", "td/a/report", "td/a/reportdata", "td/a/report_data", "td/a/image",
    "td/a/attributes", "td/a/xfam", "td/a/last_exit", "td/a/alive", "td/b/state",
  ]

  private static let words =
    TDWord.allCases.map(\.rawValue) + TDOperand.allCases.map { $0.rawValue + "=" } + FaultPlan.keys
    + FaultPlan.keys.map { $0 + "=" } + [
      "0x200000", "0x1000", "0x", "ffffffff", "measure", "migratable", "debug", "b", "a",
      "reboot", "kexec", "0", "1", "-1", "\n", "\0", "=", "18446744073709551615", "18446744073709551616", "99999999999",
      "TDH.VP.ENTER", "SEAMLDR.INSTALL", "preflight", "install", "attributes=", "xfam=", "+", "é",
    ]

  static func run(_ input: [UInt8]) throws {
    var choice = FuzzInput(input)
    guard let other = choice.element(of: machines) else { throw Finding(description: "no machine") }
    let bench = FuzzBench(like: other)
    for _ in 0..<40 where !choice.isAtEnd {
      let path = ".tdxfs/" + (choice.element(of: files) ?? "power")
      switch choice.byte() % 8 {
      case 0: bench.read(path)
      case 1: names(bench, &choice)
      case 2: bench.update(to: FuzzImages.small[Int(choice.byte() & 3)])
      case 3: bench.write(choice.bytes(choice.below(200)), to: path, from: Int64(choice.byte()))
      default:
        let text = short(choice.text(words))
        let error = bench.write(text, to: path)
        if error == .invalidArgument, bench.tree.node(at: path) != nil {
          let reason = bench.read(".tdxfs/last_error") ?? ""
          try Finding.unless(
            reason.count > 1, "\(path) refuses '\(String(decoding: text, as: UTF8.self))' without reason")
        }
      }
    }
    try bench.lookAtAll()
  }

  private static func names(_ bench: FuzzBench, _ choice: inout FuzzInput) {
    let directory = choice.bool() ? ".tdxfs/td" : ".tdxfs/fault"
    guard let control = try? bench.tree.lookup(".tdxfs", in: .root).id,
      let parent = try? bench.tree.lookup(String(directory.dropFirst(7)), in: control).id
    else { return }
    let name =
      choice.byte() % 4 == 0
      ? String(decoding: choice.bytes(choice.below(300)), as: UTF8.self)
      : choice.element(of: ["a", "b", "f", "g"]) ?? "a"
    let root = FuzzBench.root
    switch choice.byte() % 5 {
    case 0: _ = try? bench.tree.makeDirectory(name, in: parent, by: root)
    case 1: try? bench.tree.removeDirectory(name, in: parent, by: root)
    case 2: _ = try? bench.tree.makeNode(name, mode: 0o100644, in: parent, by: root)
    case 3: try? bench.tree.unlink(name, in: parent, by: root)
    default: _ = try? bench.tree.readDirectory(parent)
    }
  }

  /// Numbers in it have three digits at the most where they say how much is to be done: how long a step of a million pages
  /// takes is known, and traps are what is looked for.
  private static func short(_ text: [UInt8]) -> [UInt8] {
    guard let text = String(validating: text, as: UTF8.self), text.contains("count=") else { return text }
    var parts = text.split(separator: "count=", omittingEmptySubsequences: false).map(String.init)
    for index in parts.indices.dropFirst() {
      let digits = parts[index].prefix { $0.isHexDigit || $0 == "x" }
      parts[index] = String(digits.prefix(3) + parts[index].dropFirst(digits.count))
    }
    return Array(parts.joined(separator: "count=").utf8)
  }
}
