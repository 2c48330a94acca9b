import Basics
import TDXHost
import Testing

@testable import Platform

/// A machine on which many TDs come and go, all of it from one seed: what is done does not depend on what comes of it.
private struct Life {
  /// What the story knows of a TD.
  private struct Guest {
    var td: BenchTD
    var pages: [UInt64] = []
    var added: [UInt64] = []
    var isOpen = true
  }

  let bench: Bench
  private var generator: SeededGenerator
  private var guests: [Guest] = []
  private var made = 0
  /// MRTD and RTMRs of every TD that was asked, in the order in which they were.
  private(set) var measurements: [String] = []

  init(seed: UInt64) throws {
    bench = try Bench()
    generator = SeededGenerator(seed: seed)
  }

  private mutating func pick<Value>(_ values: [Value]) -> Value? { values.randomElement(using: &generator) }
  private mutating func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &generator) }

  /// TDs that were made so far.
  var count: Int { made }

  /// Another TD.
  mutating func make() throws {
    made += 1
    guests.append(Guest(td: try BenchTD("td\(made)", on: bench.machine)))
  }

  /// One thing happens to one of them.
  mutating func step() throws {
    guard let index = pick(Array(guests.indices)) else { return }
    if number(0...14) == 0 { return try drop(index) }
    if guests[index].isOpen { try build(index) } else { try live(index) }
  }

  private mutating func drop(_ index: Int) throws {
    let guest = guests.remove(at: index)
    try measure(guest)
    try bench.machine.destroyTD(guest.td.reference.name)
  }

  private mutating func build(_ index: Int) throws {
    switch number(0...4) {
    case 0: try finish(index)
    case 1 where guests[index].pages.isEmpty: try guests[index].td.step("vcpu lp=\(number(0...3))")
    case _:
      let gpa = UInt64(0x1000 * (1 + guests[index].pages.count))
      try guests[index].td.step("add-page gpa=\(gpa) pattern=\(number(0...255))")
      guests[index].pages.append(gpa)
      if number(0...1) == 0 { try guests[index].td.step("extend gpa=\(gpa) chunks=\(number(1...16))") }
    }
  }

  /// The build ends.
  private mutating func finish(_ index: Int) throws {
    try guests[index].td.step("vcpu lp=\(number(0...3))", "finalize", "enter")
    guests[index].isOpen = false
  }

  private mutating func live(_ index: Int) throws {
    let td = guests[index].td
    switch number(0...6) {
    case 0: try td.step("rtmr index=\(number(0...3)) data=0\(number(0...9))")
    case 1:
      let gpa = UInt64(0x40_0000 + 0x1000 * number(0...63))
      guard !guests[index].added.contains(gpa) else { return }
      try td.step("aug gpa=\(gpa)", "accept gpa=\(gpa)", "write gpa=\(gpa) data=c0ffee")
      guests[index].added.append(gpa)
    case 2:
      guard let gpa = pick(guests[index].added) else { return }
      try td.step("zap gpa=\(gpa)")
      guests[index].added.removeAll { $0 == gpa }
    case 3:
      guard let gpa = pick(guests[index].added) else { return }
      #expect(try td.step("read gpa=\(gpa) count=3").contains("c0ffee"))
    case 4: try td.step("enter", "halt")
    case 5: try td.step("flush vcpu=0", "enter lp=\(number(0...3))")
    case _: try measure(guests[index])
    }
  }

  private mutating func measure(_ guest: Guest) throws {
    guard !guest.isOpen else { return }
    let report = try guest.td.report()
    let fields: [TDReport.Field] = [.mrtd, .rtmr(0), .rtmr(1), .rtmr(2), .rtmr(3), .attributes, .xfam]
    measurements.append(
      guest.td.reference.name + " " + fields.map { Array(report[$0]).hexadecimal }.joined(separator: " "))
  }

  /// Before an update under v8 no build is open.
  mutating func finishBuilds() throws {
    for index in guests.indices where guests[index].isOpen { try finish(index) }
  }

  /// Everything that must be true at any time.
  func check(_ place: String) {
    #expect(bench.machine.lock.withLock { bench.machine.silicon.module.inconsistencies } == [], "\(place)")
    for guest in guests { #expect(guest.td.isAlive, "\(guest.td.reference.name) \(place)") }
    let keyIDs = guests.compactMap { try? $0.td.state("hkid") }
    #expect(Set(keyIDs).count == guests.count, "\(place)")
  }

  mutating func end() throws {
    while !guests.isEmpty { try drop(0) }
  }
}

@Suite("The life of many TDs", .timeLimit(.minutes(20)))
struct TDLifeTests {
  @Test("a hundred TDs live, are built and die over fifteen updates as they do without any", arguments: [UInt64(1), 2])
  func hundred(seed: UInt64) throws {
    func live(withUpdates: Bool) throws -> [String] {
      var life = try Life(seed: seed)
      let images = try ["1.5.28", "1.5.28", "1.5.34"].map { try Images.forge($0) }
      for round in 0..<15 {
        // Seven in each round, as long as there are less than a hundred.
        for turn in 0..<98 {
          if turn % 14 == 0, life.count < 100 { try life.make() }
          try life.step()
        }
        try life.finishBuilds()
        if withUpdates { #expect(try life.bench.update(to: images[min(2, round / 4)]) == "") }
        life.check("seed \(seed), round \(round)")
      }
      #expect(life.count == 100)
      try life.end()
      life.check("seed \(seed), at the end")
      #expect(life.bench.machine.host.tds.leakedPages == 0)
      #expect(!life.bench.machine.host.tdsExist)
      #expect(life.bench.status("remaining_updates") == (withUpdates ? "0" : "15"))
      return life.measurements
    }
    let quiet = try live(withUpdates: false)
    let updated = try live(withUpdates: true)
    #expect(quiet.count > 100)
    #expect(updated == quiet)
  }

  /// Where an update fails, by a plan at the SEAMCALL door, and what kernel-abi.md 5.4 says of it.
  static let failures: [(plan: String, error: String, isLost: Bool)] = [
    ("leaf=TDH.SYS.SHUTDOWN status=SYS_BUSY", "firmware-invalid", false),
    ("leaf=TDH.SYS.SHUTDOWN status=0x8000051200010000", "device-busy", false),
    ("stage=transfer enomem", "firmware-invalid", false),
    ("stage=install lp=0 status=EBADCALL", "firmware-invalid", true),
    ("stage=install lp=2 vmfailinvalid", "firmware-invalid", true),
    ("stage=install no-entropy=always", "firmware-invalid", true),
    ("stage=install bad-page", "firmware-invalid", true),
    ("leaf=TDH.SYS.INIT no-entropy=always", "firmware-invalid", true),
    ("stage=cpu-init lp=3 status=OPERAND_INVALID(RCX)", "firmware-invalid", true),
    ("stage=cpu-init drop-lp lp=1", "firmware-invalid", true),
    ("stage=update corrupt-handoff=valid", "firmware-invalid", true),
    ("stage=update status=SYS_INVALID_HANDOFF", "firmware-invalid", true),
  ]

  @Test(
    "an update that fails at any stage: ten TDs live or are dead as the table says, and why names the dead",
    arguments: failures.indices)
  func failure(index: Int) throws {
    let (plan, error, isLost) = Self.failures[index]
    let bench = try Bench()
    let names = (0..<10).map { "td\($0)" }
    let tds = try names.map { try bench.runningTD($0) }
    let before = try tds.map { try $0.report() }
    try bench.machine.setFault("f", to: plan)
    #expect(try bench.update(to: try Images.forge("1.5.28")) == "transferring:\(error)\n", "\(plan)")
    let why = bench.machine.why()
    #expect(tds.allSatisfy { $0.isAlive != isLost }, "\(plan)")
    #expect(why.lost == (isLost ? .tds : .none), "\(plan)")
    guard isLost else {
      for (td, old) in zip(tds, before) {
        try td.step("enter")
        #expect(Array(try td.report()[.mrtd]) == Array(old[.mrtd]))
      }
      return
    }
    for name in names { #expect(why.sentence.contains(name), "\(plan): \(why.sentence)") }
    for td in tds { #expect(throws: ControlError.self) { try td.step("enter") } }
    _ = try bench.machine.power(.reboot)
    #expect(bench.machine.tdNames() == [])
    #expect(bench.status("tds") == "0")
    #expect(bench.status("module") == "1.5.24")
  }
}
