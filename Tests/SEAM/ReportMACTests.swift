import Cryptography
import Testing

@testable import SEAM

/// SEAMDB_REPORT and SEAMVERIFYREPORT: what the CPU says about a TD (tdx-module.md 7.1).
@Suite("Reports of the CPU", .timeLimit(.minutes(20)))
struct ReportMACTests {
  private let hash = [UInt8](repeating: 0xA5, count: 48)
  private let data = (0..<64).map { UInt8($0) }

  /// A machine whose SEAMDB has two entries.
  private func twoLoads(seed: UInt64 = 3) throws -> Machine {
    var machine = Machine(configuration: MachineConfiguration(seamdbSize: 4), seed: seed)
    for svn: UInt8 in [4, 6] {
      var info = SEAMInfo()
      info.valid = SEAMInfo.validWithModule
      info.minorSVN = svn
      info.majorSVN = 1
      info.mrseam = [UInt8](repeating: svn, count: 48)
      var seamdb = machine.seamdb
      try seamdb.insert(info, entropy: &machine.entropy)
      machine.seamdb = seamdb
    }
    return machine
  }

  private func made(_ machine: Machine, index: Int = 0, nonce: [UInt64]? = nil) -> [UInt8]? {
    machine.seamdbReport(
      type: [0x81, 0, 1, 0], teeInfoHash: hash, reportData: data, index: index,
      nonce: nonce ?? machine.seamdb.entries.first?.nonce ?? [])
  }

  @Test("The old entry gives the identity, the newest TEE_TCB_SVN2, the hashes cover what they should")
  func layout() throws {
    let machine = try twoLoads()
    let report = try #require(made(machine))
    #expect(report.count == 512)
    #expect(Array(report[0..<16]) == [0x81, 0, 1] + [UInt8](repeating: 0, count: 13))
    #expect(Array(report[16..<32]) == machine.configuration.cpu.cpuSVN)
    #expect(Array(report[32..<80]) == SHA384.digest(of: report[256..<495]))
    #expect(Array(report[80..<128]) == hash)
    #expect(Array(report[128..<192]) == data)
    #expect(report[192..<224].allSatisfy { $0 == 0 })
    #expect(Array(report[256..<264]) == [0xFF, 1, 3, 0, 0, 0, 0, 0])
    #expect(Array(report[264..<280]) == [4, 1] + [UInt8](repeating: 0, count: 14))
    #expect(Array(report[280..<328]) == [UInt8](repeating: 4, count: 48))
    #expect(report[328..<384].allSatisfy { $0 == 0 })
    #expect(Array(report[384..<400]) == [6, 1] + [UInt8](repeating: 0, count: 14))
    #expect(report[400...].allSatisfy { $0 == 0 })
    #expect(machine.seamVerifyReport(Array(report.prefix(256))) == .valid)
  }

  @Test("Every bit of the first 256 bytes is under the MAC or must be zero")
  func flippedBits() throws {
    let machine = try twoLoads()
    let good = try #require(made(machine)).prefix(256)
    for bit in 0..<2048 {
      var bad = Array(good)
      bad[bit / 8] ^= 1 << UInt8(bit % 8)
      let expected: Machine.ReportVerdict = (16..<32).contains(bit / 8) ? .invalidCPUSVN : .invalidMACStruct
      #expect(machine.seamVerifyReport(bad) == expected, "bit \(bit)")
    }
    #expect(machine.seamVerifyReport([]) == .invalidMACStruct)
    #expect(machine.seamVerifyReport(Array(good) + [0]) == .invalidMACStruct)
  }

  @Test("An index or a nonce that the table does not have makes no report")
  func badReference() throws {
    let machine = try twoLoads()
    #expect(made(machine, index: 1) == nil)
    #expect(made(machine, index: 2, nonce: machine.seamdb.entries[1].nonce) == nil)
    #expect(made(machine, index: -1) == nil)
    #expect(made(machine, nonce: []) == nil)
    #expect(made(machine, index: 1, nonce: machine.seamdb.entries[1].nonce) != nil)
  }

  @Test("A report holds until the next power-on, on its machine")
  func keys() throws {
    let first = try twoLoads()
    let report = Array(try #require(made(first)).prefix(256))
    #expect(try twoLoads().seamVerifyReport(report) == .valid)
    #expect(try twoLoads(seed: 4).seamVerifyReport(report) == .invalidMACStruct)
  }

  @Test("The key takes nothing out of RDRAND")
  func entropy() {
    var machine = Machine(configuration: MachineConfiguration(), seed: 77)
    var alone = Entropy(seed: 77)
    for _ in 0..<8 { #expect(machine.entropy.rdrand() == alone.rdrand()) }
  }
}
