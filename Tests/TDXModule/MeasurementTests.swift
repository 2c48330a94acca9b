import Basics
import Cryptography
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// MRTD, from TDH.MEM.PAGE.ADD to TDH.MR.FINALIZE (tdx-module.md 6.7), and what an update in between does to it (9).
@Suite("Measurement of TDs", .timeLimit(.minutes(20)))
struct MeasurementTests {
  private static let vectors = [
    "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
    "fcdabf6fdf38b87d2e3a89b1ab68c242abb261dffa70ef6f1dc2220c2752d2729cdf1be92afc2e0e4297f04e2b629552",
    "15a8464628b6214951c4a1b57775507dd950263654e8790e257995b45013c84aba1d87a3bcbc1929b5f7db6d3e92cad6",
    "56336d1d218f604f4b8c80a1be4e7769fb04165eb1840fe4416cadf9b9032fc8614beb9378156e1678023abcef1285ee",
  ]
  private static let rightMRTD = vectors[3]

  /// The first `steps` of what the vectors measure.
  private func build(_ bench: inout Bench, _ steps: Range<Int>) {
    for step in steps {
      switch step {
      case 0: #expect(bench.addPage(gpa: 0x1000, page: Bench.free).rax == 0)
      case 1: bench.extendPage(gpa: 0x1000)
      default: #expect(bench.addPage(gpa: 0x2000, page: Bench.free + 4096).rax == 0)
      }
    }
  }

  @Test("The vectors of the reference, through SEAMCALLs", arguments: 0...3)
  func referenceVectors(steps: Int) throws {
    for version in [ModuleVersion(1, 5, 5), ModuleVersion(1, 5, 34)] {
      var bench = try Bench.withTD(version)
      build(&bench, 0..<steps)
      #expect(bench.mrtd() == String(repeating: "0", count: 96))
      bench.createVCPU()
      #expect(bench.call(17, rcx: Bench.tdr).rax == 0xC000_0609_0000_0000)
      #expect(bench.call(22, rcx: Bench.tdvpr).rax == 0)
      #expect(bench.call(17, rcx: Bench.tdr).rax == 0)
      #expect(bench.mrtd() == Self.vectors[steps])
      #expect(bench.module.tds[Bench.tdr]?.opState == .runnable)
      #expect(bench.module.tds[Bench.tdr]?.measurement.servtdHash == [UInt8](repeating: 0, count: 48))
      #expect(bench.module.tdBuildCount == 0)
      #expect(bench.finalize().rax == 0xC000_0608_0000_0000)
    }
  }

  @Test("An update to a module with the same crypto library keeps the measurement right")
  func sameLibrary() throws {
    var bench = try Bench.withTD(.init(1, 5, 24))
    build(&bench, 0..<1)
    try bench.update(to: .init(1, 5, 28))
    #expect(bench.module.tdBuildCount == 1)
    build(&bench, 1..<3)
    #expect(bench.finalize().rax == 0)
    #expect(bench.mrtd() == Self.rightMRTD)
  }

  @Test(
    "An update to a module with another crypto library spoils it, wherever in the build, always in the same way",
    arguments: [(.init(1, 5, 20), .init(1, 5, 28)), (.init(1, 5, 28), .init(1, 5, 34))]
      as [(ModuleVersion, ModuleVersion)])
  func otherLibrary(from old: ModuleVersion, to new: ModuleVersion) throws {
    for done in 0...3 {
      var results: Set<String> = []
      for _ in 0..<2 {
        var bench = try Bench.withTD(old)
        build(&bench, 0..<done)
        try bench.update(to: new)
        build(&bench, done..<3)
        #expect(bench.finalize().rax == 0)
        results.insert(try #require(bench.mrtd()))
      }
      #expect(results.count == 1)
      #expect(!results.contains(Self.rightMRTD), "after \(done) steps")
    }
  }

  @Test("A finalised TD keeps its MRTD across every update")
  func finalised() throws {
    var bench = try Bench.withTD(.init(1, 5, 20))
    build(&bench, 0..<3)
    #expect(bench.finalize().rax == 0)
    for version in [ModuleVersion(1, 5, 24), .init(1, 5, 28), .init(1, 5, 34)] {
      try bench.update(to: version)
      #expect(bench.mrtd() == Self.rightMRTD)
    }
  }

  @Test("Under the host's opt-in, a build that another library began is refused, and can only be dropped")
  func optIn() throws {
    let flag: UInt64 = 1 << 47
    for (old, new, answer) in [
      (.init(1, 5, 20), .init(1, 5, 28), 0xC000_0622_0000_0000),
      (.init(1, 5, 28), .init(1, 5, 34), 0xC000_0622_0000_0000),
      (.init(1, 5, 24), .init(1, 5, 28), 0),
    ] as [(ModuleVersion, ModuleVersion, UInt64)] {
      var bench = try Bench.withTD(old)
      build(&bench, 0..<1)
      try bench.update(to: new, flags: flag)
      #expect(bench.call(16, rcx: 0x1000, rdx: Bench.tdr).rax == answer)
      #expect(bench.addPage(gpa: 0x2000, page: Bench.free + 4096).rax == answer)
      #expect((bench.module.pamt[Bench.free + 4096] == nil) == (answer != 0))
      #expect(bench.finalize().rax == answer)
      guard answer != 0 else { continue }
      // Other memory leaves do not mind.
      #expect(bench.call(6, rcx: 0x3000, rdx: Bench.tdr, r8: Bench.free + 8192).rax == 0)
      #expect(bench.call(19, rcx: Bench.tdr).rax == 0)
      #expect(bench.module.tdBuildCount == 0)
      // A TD of the new module is measured.
      bench.createTD(0x180_0000, hkid: 66)
      #expect(bench.initTD(0x180_0000).rax == 0)
      #expect(bench.finalize(0x180_0000).rax == 0)
      #expect(bench.mrtd(0x180_0000) == Self.vectors[0])
    }
  }

  @Test("The opt-in is lost with the next update that does not repeat it")
  func optInLost() throws {
    var bench = try Bench.withTD(.init(1, 5, 28))
    build(&bench, 0..<1)
    try bench.update(to: .init(1, 5, 34), flags: 1 << 47)
    #expect(bench.finalize().rax == 0xC000_0622_0000_0000)
    try bench.update(to: .init(1, 5, 34))
    #expect(bench.finalize().rax == 0)
    #expect(bench.mrtd() != Self.vectors[1])
  }

  @Test("Pages in any order, and any parts of them, equal a hash of the same records")
  func independent() throws {
    var bench = try Bench.withTD()
    var stream: [UInt8] = []
    func record(_ name: String, _ gpa: UInt64) {
      var bytes = Array(name.utf8)
      bytes += [UInt8](repeating: 0, count: 16 - bytes.count) + gpa.littleEndianBytes
      stream += bytes + [UInt8](repeating: 0, count: 128 - bytes.count)
    }
    var generator = SeededGenerator(seed: 5)
    for index: UInt64 in 0..<64 {
      let gpa = (index * 37 % 64) << 12
      let bytes = (0..<4096).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      #expect(bench.addPage(gpa: gpa, page: Bench.free + (index << 12), bytes: bytes).rax == 0)
      record("MEM.PAGE.ADD", gpa)
      for part in 0..<16 where Bool.random(using: &generator) {
        #expect(bench.call(16, rcx: gpa + 256 * UInt64(part), rdx: Bench.tdr).rax == 0)
        record("MR.EXTEND", gpa + 256 * UInt64(part))
        stream += bytes[(256 * part)..<(256 * part + 256)]
      }
    }
    #expect(bench.finalize().rax == 0)
    #expect(bench.mrtd() == SHA384.digest(of: stream).hexadecimal)
  }
}
