import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

/// pseamldr.md 3.11: what the 1.5 and the 2.0 loaders do differently.
@Suite("Loader generations", .timeLimit(.minutes(20)))
struct GenerationTests {
  @Test("the version's major decides the rules")
  func rules() {
    for (version, generation) in [
      (ModuleVersion(1, 0, 0), ManifestRules.Generation.v1_5), (ModuleVersion(1, 5, 2), .v1_5),
      (ModuleVersion(2, 0, 0), .v2_0), (ModuleVersion(2, 1, 7), .v2_0),
    ] {
      #expect(PSEAMLDR(version: version, trustedSigners: .standard).rules.generation == generation)
    }
  }

  @Test("sigstruct bytes 1000 to 1023: refused by 1.5, ignored by 2.0")
  func reserved3() throws {
    let image = try Image.forged(ModuleVersion(2, 0, 14))
    var old = Rig(cpu: .gnr, seamldr: ModuleVersion(1, 5, 2))
    #expect(old.install(image, scenario: Rig.load) == .recoverable(.badSignature))
    #expect(old.loader.lastInstall?.refusal?.check == .manifest(.reservedNotZero))
    var new = Rig(cpu: .gnr)
    #expect(new.install(image, scenario: Rig.load) == .success)
    let odd = try Image.forged(ModuleVersion(2, 0, 14), edit: { $0.replace(1008..<1024, with: [UInt8](1...16)) })
    #expect(new.install(odd, scenario: Rig.load) == .success)
  }

  @Test("a major SVN of 0: EUNSUPPORTED by 1.5; loaded by 2.0, where an UPDATE keeps no TDs")
  func majorZero() throws {
    let image = try Image.forged(ModuleVersion(1, 5, 24)) { $0.svn = ModuleSVN(major: 0, minor: 3) }
    var old = Rig()
    #expect(old.install(image, scenario: Rig.load) == .recoverable(.unsupported))
    #expect(old.loader.lastInstall?.refusal?.check == .manifest(.svnMajorZero))

    var new = Rig(seamldr: ModuleVersion(2, 0, 0))
    #expect(new.install(image, scenario: Rig.load) == .success)
    #expect(new.remainingUpdates() == 15)
    #expect(new.install(image, scenario: Rig.update) == .success, "without any handoff data")
    #expect(new.remainingUpdates() == 15, "the SEAMDB began anew")
    #expect(new.machine.seamdb.entries.count == 1)
  }

  @Test("handoff room on UPDATE: 1.5 takes the new image's, 2.0 never less than before")
  func handoffArea() throws {
    func reserved(_ rig: Rig) -> UInt16 {
      UInt16(littleEndianBytes: rig.machine.memory.read(rig.machine.sysInfoBase + 2158, count: 2))
    }
    let big = try Image.forged(ModuleVersion(1, 5, 24), edit: { $0[SEAMSigstruct.numHandoffPages] = 29 })
    let small = try Image.forged(ModuleVersion(1, 5, 24), edit: { $0[SEAMSigstruct.numHandoffPages] = 9 })
    for (seamldr, afterUpdate) in [(ModuleVersion(1, 5, 2), 9), (ModuleVersion(2, 0, 0), 29)]
      as [(ModuleVersion, UInt16)]
    {
      var rig = Rig(seamldr: seamldr)
      #expect(rig.install(big, scenario: Rig.load) == .success)
      #expect(reserved(rig) == 29)
      rig.shutDownModule(handoffVersion: 1, size: 30 * 4096 - 8)
      #expect(rig.install(small, scenario: Rig.update) == .success)
      #expect(reserved(rig) == afterUpdate)
      // The next update may bring as much as is reserved now, and not a byte more.
      let room = (UInt32(afterUpdate) + 1) * 4096 - 8
      rig.shutDownModule(handoffVersion: 1, size: room + 1)
      #expect(rig.install(small, scenario: Rig.update) == .recoverable(.badHandoff))
      #expect(rig.loader.lastInstall?.refusal?.check == .handoffSize)
      rig.shutDownModule(handoffVersion: 1, size: room)
      #expect(rig.install(small, scenario: Rig.update) == .success)
      #expect(rig.install(small, scenario: Rig.load) == .success)
      #expect(reserved(rig) == 9, "a LOAD takes the image's")
    }
  }
}
