import Basics
import Cryptography
import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// MRTD, from TDH.MEM.PAGE.ADD to TDH.MR.FINALIZE (tdx-module.md 6.7), and what an update in between does to it (9).
@Suite("Measurement of TDs", .timeLimit(.minutes(10)))
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
      #expect(bench.finalize().rax == 0)
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

  @Test("TDH.MR.FINALIZE needs a vCPU")
  func noVCPU() throws {
    var bench = try Bench.withTD()
    #expect(bench.call(17, rcx: Bench.tdr).rax == 0xC000_0609_0000_0000)
    #expect(bench.module.tds[Bench.tdr]?.opState == .initialized)
    #expect(bench.module.tdBuildCount == 1)
  }
}
