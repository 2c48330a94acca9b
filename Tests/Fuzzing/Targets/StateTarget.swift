import Basics
import Platform

/// State files and snapshots: what is refused is refused with a reason and leaves the machine as it was, and what is accepted
/// is a machine that works and can be saved again.
enum StateTarget {
  private static let options = "abi=v8,module=1.5.34,lps=2,memory=1,updates=3,clock=virtual,seed=1"

  /// Machines at several moments, as snapshots.
  private static let samples: [[UInt8]] = {
    guard let bench = FuzzBench(options) else { return [] }
    var samples: [[UInt8]] = []
    func take() { if let bytes = try? bench.machine.snapshot() { samples.append(bytes) } }
    take()
    try? bench.machine.createTD("a")
    if let td = bench.machine.td(named: "a") {
      for step in ["init migratable", "vcpu", "add", "finalize", "enter", "export-start"] {
        try? bench.machine.stepTD(td, step)
      }
    }
    bench.write("stage=transfer enomem\n", to: ".tdxfs/fault/f")
    bench.write("1\n", to: "\(bench.upload)/loading")
    bench.write([1, 2, 3], to: "\(bench.upload)/data")
    take()
    return samples
  }()

  private static let blank = FuzzBench(options)

  static func run(_ input: [UInt8]) throws {
    var choice = FuzzInput(input)
    guard let blank else { throw Finding(description: "no machine") }
    let bench = FuzzBench(like: blank)
    let bytes = choice.byte() % 8 == 0 ? choice.remaining() : forged(&choice)
    let before = bench.machine.status()
    do throws(SnapshotError) {
      try bench.machine.restore(bytes)
    } catch {
      try Finding.unless(!error.description.isEmpty, "a snapshot is refused without a reason")
      try Finding.unless(bench.machine.status() == before, "a refused snapshot changed the machine")
      return
    }
    use(bench)
    try lookAround(bench)
    if let again = try? bench.machine.snapshot() {
      do throws(SnapshotError) {
        try FuzzBench(like: blank).machine.restore(again)
      } catch {
        throw Finding(description: "what a restored machine saves is refused: \(error)")
      }
    }
  }

  /// Of what is forged consistency cannot be asked, only that nothing traps.
  private static func lookAround(_ bench: FuzzBench) throws {
    bench.settle()
    for file in ["version", "seamldr_version", "num_remaining_updates"] { bench.read(file) }
    _ = (
      bench.machine.kernelLog(), bench.machine.kernelMessages(), bench.machine.why().text, bench.machine.status().text
    )
    _ = bench.machine.traceLines()
    _ = bench.machine.faultPlans().map(\.text)
  }

  private static func use(_ bench: FuzzBench) {
    bench.settle()
    let machine = bench.machine
    for name in machine.tdNames() {
      guard let td = machine.td(named: name) else { continue }
      _ = try? machine.tdState(td)
      _ = try? machine.tdLastExit(td)
      _ = try? machine.tdReport(td, file: "report")
      for word in [
        "enter", "aug gpa=0x400000", "add", "read gpa=0x1000 count=16", "export-state", "export-abort", "zap gpa=0",
      ] {
        try? machine.stepTD(td, word)
      }
    }
    try? machine.createTD("new")
    bench.update(to: FuzzImages.small[1])
    bench.write("reboot\n", to: ".tdxfs/power")
  }

  /// A sample with bytes of its archive changed, cut out or put in, its lengths and its checksum right again.
  private static func forged(_ choice: inout FuzzInput) -> [UInt8] {
    guard let sample = choice.element(of: samples), let format = try? SnapshotFormat(sample) else { return [] }
    var body = format.body
    var place = 0
    for _ in 0..<(1 + choice.byte() % 8) where !body.isEmpty {
      // The archive begins with what is small; large memory comes later. Some changes stand near the one before.
      place = choice.bool() ? (place + Int(choice.byte())) % body.count : Int(choice.number(UInt32.self)) % body.count
      switch choice.byte() % 6 {
      case 0: body[place] = choice.byte()
      case 1: body[place] ^= 1 << (choice.byte() & 7)
      case 2: body.insert(contentsOf: choice.bytes(choice.below(12)), at: place)
      case 3: body.removeSubrange(place..<min(body.count, place + 1 + choice.below(16)))
      case 4: body[place] = 0xFF
      default: body[place] &+= 1
      }
    }
    return SnapshotFormat.bytes(options: format.options, body: body)
  }
}
