import ModuleImage
import SEAM
import Testing

@testable import PSEAMLDR

/// pseamldr.md 5.
@Suite("Memory of a module", .timeLimit(.minutes(20)))
struct LayoutTests {
  /// What the sigstructs of the real images say: handoff, stack, TLS, keyhole, global, each minus one.
  static func plan(_ line: ModuleVersion, lps: Int) throws -> MemoryPlan {
    var sigstruct = SEAMSigstruct()
    let isOld = line.major == 1
    sigstruct[SEAMSigstruct.numHandoffPages] = isOld ? 13 : 24
    sigstruct[SEAMSigstruct.numStackPages] = 1
    sigstruct[SEAMSigstruct.numTLSPages] = 1
    sigstruct[SEAMSigstruct.numKeyholePages] = 127
    sigstruct[SEAMSigstruct.numGlobalDataPages] = isOld ? 21 : 33
    return MemoryPlan(
      sigstruct: sigstruct, imageSize: (isOld ? 115 : 146) * 4096, handoffPages: MemoryPlan.handoffPages(of: sigstruct),
      configuration: MachineConfiguration(logicalProcessors: lps))
  }

  @Test(
    "required bytes of the real 1.5.16 and 2.0.08",
    arguments: [
      (8, 2482176, 2576384), (16, 2686976, 2781184), (64, 3915776, 4009984), (128, 5554176, 5648384),
      (256, 8847360, 8941568), (512, 15409152, 15503360), (1024, 28536832, 28631040),
    ] as [(Int, UInt64, UInt64)])
  func required(lps: Int, old: UInt64, new: UInt64) throws {
    #expect(try Self.plan(ModuleVersion(1, 5, 16), lps: lps).requiredSize == old)
    #expect(try Self.plan(ModuleVersion(2, 0, 8), lps: lps).requiredSize == new)
  }

  @Test("every LP count fits, page tables too")
  func fits() throws {
    for lps in 1...1024 {
      let plan = try Self.plan(ModuleVersion(2, 0, 8), lps: lps)
      #expect(plan.fits && plan.tablesFit)
      #expect(plan.neededTables >= plan.reckonedTables)
    }
  }

  @Test("the largest numbers that a sigstruct can hold do not overflow")
  func largest() {
    let sigstruct = SEAMSigstruct([UInt8](repeating: 0xFF, count: 2048)) ?? SEAMSigstruct()
    let plan = MemoryPlan(
      sigstruct: sigstruct, imageSize: 496 * 4096, handoffPages: 65536,
      configuration: MachineConfiguration(logicalProcessors: 1024))
    #expect(!plan.fits)
    #expect(!plan.tablesFit)
  }

  @Test("linear bases differ by the random bits 46:34 only")
  func bases() {
    #expect(LinearBases(random: 0).code == 0xFFFF_8000_0000_0000)
    #expect(LinearBases(random: 0).sysInfo == 0xFFFF_8003_FFFF_0000)
    #expect(LinearBases(random: .max).stack == 0xFFFF_FFFD_0000_0000)
    #expect(LinearBases(random: .max).keyholeEdit == 0x7FFD_0000_0000)
  }
}
