import ModuleImage
import PSEAMLDR
import SEAM
import Testing

@Suite("INSTALL sessions", .timeLimit(.minutes(20)))
struct SessionTests {
  @Test("every LP but the last gets success at once, and the module is gone from the first call on")
  func joining() throws {
    var rig = try Rig(lps: 4).booted(ModuleVersion(1, 5, 24))
    for (index, lp) in [2, 0, 3].enumerated() {
      #expect(rig.install(on: lp, rcx: 0xDEAD_BEEF) == .success, "RCX is not looked at")
      #expect(rig.machine.route(rax: 33) == .vmFailInvalid)
      #expect(rig.machine.route(rax: Rig.installLeaf) == .loader)
      #expect(rig.loader.lastInstall?.outcome == .joined(callers: index + 1, total: 4))
      #expect(rig.loader.lastInstall?.lp == lp)
      #expect(rig.loader.lastInstall?.scenario == nil)
    }
    #expect(rig.machine.seamExtend.info.mrseam != SEAMInfo.noMeasurement, "only SEAM_READY changed")
  }

  @Test("the last LP's RCX alone counts")
  func lastParams() throws {
    var rig = Rig(lps: 3)
    rig.stage(try .forged(ModuleVersion(1, 5, 24)), scenario: Rig.load)
    #expect(rig.install(on: 0, rcx: 1) == .success)
    #expect(rig.install(on: 2, rcx: .max) == .success)
    #expect(rig.install(on: 1) == .success)
    #expect(rig.machine.route(rax: 33) == .module)
  }

  @Test("a session that some LPs never join stays open: repeats are EBADCALL, nothing is installed")
  func incomplete() throws {
    var rig = try Rig(lps: 4).booted(ModuleVersion(1, 5, 24))
    rig.shutDownModule(handoffVersion: 1)
    rig.stage(try .forged(ModuleVersion(1, 5, 28)), scenario: Rig.update)
    for lp in 0..<3 { #expect(rig.install(on: lp) == .success) }
    for lp in 0..<3 {
      #expect(rig.install(on: lp) == .recoverable(.badCall))
      #expect(rig.loader.lastInstall?.refusal?.check == .firstCall)
    }
    #expect(rig.loader.installCallers == 3)
    #expect(rig.machine.route(rax: 33) == .vmFailInvalid)
    #expect(rig.status(Rig.shutdownLeaf) == .badCall, "the install flow is open")
    #expect(rig.status(Rig.cleanupLeaf) == .badCall)
    #expect(rig.install(on: 3) == .success, "the missing LP ends it")
    #expect(rig.machine.residentProgram?.version == ModuleVersion(1, 5, 28))
  }

  @Test("a new session may begin at once after one that ended, well or badly")
  func again() throws {
    var rig = Rig(lps: 2)
    let image = try Image.forged(ModuleVersion(1, 5, 24))
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badParam))
    #expect(rig.loader.installCallers == 0)
    #expect(rig.install(image, scenario: Rig.load) == .success)
    #expect(rig.loader.installCallers == 0)
    #expect(rig.install(image, scenario: Rig.load) == .success)
    #expect(rig.machine.imageGeneration == 2)
  }

  @Test("one LP is a whole platform")
  func single() throws {
    var rig = Rig(lps: 1)
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 24)), scenario: Rig.load) == .success)
  }

  @Test("an x2APIC id without room in the loader is EUNSPECERR")
  func tooHighID() {
    var rig = Rig(lps: 1024)
    for lp in [1024, .max, -1] {
      #expect(rig.install(on: lp) == .recoverable(.unspecifiedError))
      #expect(rig.loader.lastInstall?.refusal?.check == .x2apicID)
      #expect(rig.status(Rig.shutdownLeaf, on: lp) == .unspecifiedError)
      #expect(rig.status(Rig.cleanupLeaf, on: lp) == .unspecifiedError)
    }
    #expect(rig.loader.installCallers == 0)
  }

  @Test("while CLEANUP or SHUTDOWN is in progress, INSTALL is EBADCALL")
  func otherFlows() throws {
    var cleaning = try Rig(lps: 2).booted(ModuleVersion(1, 5, 24))
    #expect(cleaning.status(Rig.cleanupLeaf) == .success)
    #expect(cleaning.install(on: 0) == .recoverable(.badCall))
    #expect(cleaning.loader.lastInstall?.refusal?.check == .flow)

    var shuttingDown = Rig(lps: 2)
    #expect(shuttingDown.status(Rig.shutdownLeaf, on: 1) == .success)
    #expect(shuttingDown.install(on: 0) == .recoverable(.badCall))
    #expect(shuttingDown.loader.lastInstall?.refusal?.check == .noShutdown)
    #expect(shuttingDown.loader.lastInstall?.refusal?.isRecoverable == true)
  }

  @Test("a copy of machine and loader is a snapshot of the session")
  func snapshot() throws {
    var rig = Rig(lps: 2)
    rig.stage(try .forged(ModuleVersion(1, 5, 24)), scenario: Rig.load)
    #expect(rig.install(on: 0) == .success)
    let saved = rig
    #expect(rig.install(on: 1) == .success)
    rig = saved
    #expect(rig.machine.route(rax: 33) == .vmFailInvalid)
    #expect(rig.install(on: 1) == .success)
    #expect(rig.machine.route(rax: 33) == .module)
  }
}
