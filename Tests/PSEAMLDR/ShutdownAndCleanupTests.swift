import ModuleImage
import PSEAMLDR
import SEAM
import Testing

/// pseamldr.md 3.8.
@Suite("SEAMLDR.SHUTDOWN", .timeLimit(.minutes(20)))
struct ShutdownTests {
  @Test("all LPs, the one of the NP-SEAMLDR last: then nothing answers any more")
  func complete() {
    var rig = Rig(lps: 4)
    for lp in 1..<4 {
      #expect(rig.call(Rig.shutdownLeaf, on: lp, rdx: 77) == Registers(rax: 0, rdx: 77), "RDX stays")
      #expect(rig.machine.route(rax: Rig.infoLeaf) == .loader)
    }
    #expect(rig.status(Rig.shutdownLeaf, on: 0) == .success)
    #expect(rig.machine.seamExtend == SEAMEXTEND())
    #expect(rig.machine.route(rax: Rig.infoLeaf) == .vmFailInvalid)
  }

  @Test("repeats are harmless; when the wrong LP is last, the right one can still finish")
  func wrongLast() {
    var rig = Rig(lps: 3)
    #expect(rig.status(Rig.shutdownLeaf, on: 0) == .success)
    #expect(rig.status(Rig.shutdownLeaf, on: 0) == .success)
    #expect(rig.status(Rig.shutdownLeaf, on: 1) == .success)
    #expect(rig.status(Rig.shutdownLeaf, on: 2) == .badCall)
    #expect(rig.machine.seamExtend.pSEAMLDRReady)
    #expect(rig.status(Rig.shutdownLeaf, on: 0) == .success)
    #expect(!rig.machine.seamExtend.pSEAMLDRReady)
  }

  @Test("there is no undo: INSTALL and CLEANUP are EBADCALL for ever, INFO still works")
  func noUndo() {
    var rig = Rig(lps: 2)
    #expect(rig.status(Rig.shutdownLeaf, on: 1) == .success)
    #expect(rig.install(on: 1) == .recoverable(.badCall))
    #expect(rig.status(Rig.cleanupLeaf, on: 1) == .badCall)
    #expect(rig.status(Rig.infoLeaf, rcx: Rig.info) == .success)
  }

  @Test("a module leaves dirty keys: ECLEANUPREQ, and the module stays callable")
  func dirty() throws {
    var rig = try Rig(lps: 2).booted(ModuleVersion(1, 5, 24))
    #expect(rig.status(Rig.shutdownLeaf) == .cleanupRequired)
    #expect(rig.machine.route(rax: 33) == .module)
    for lp in 0..<2 { #expect(rig.status(Rig.cleanupLeaf, on: lp) == .success) }
    #expect(rig.status(Rig.shutdownLeaf, on: 1) == .success)
    #expect(rig.status(Rig.shutdownLeaf, on: 0) == .success)
  }
}

/// pseamldr.md 3.9.
@Suite("SEAMLDR.CLEANUP", .timeLimit(.minutes(20)))
struct CleanupTests {
  @Test("the first caller makes the module uncallable and its handoff data invalid")
  func first() throws {
    var rig = try Rig(lps: 3).booted(ModuleVersion(1, 5, 24))
    rig.machine.seamExtend.info.teeTCBSVN[2] = 5
    rig.shutDownModule(handoffVersion: 1)
    #expect(rig.call(Rig.cleanupLeaf, on: 2, rdx: 77) == Registers(rax: 0, rdx: 77))
    #expect(rig.machine.route(rax: 33) == .vmFailInvalid)
    #expect(rig.machine.seamExtend.info.teeTCBSVN == [UInt8](repeating: 0, count: 16))
    #expect(rig.machine.seamExtend.info.mrseam != SEAMInfo.noMeasurement, "not yet")
    #expect(rig.machine.memory.read(rig.machine.dataRegionBase, count: 4) == [0, 0, 1, 0])
    #expect(rig.status(Rig.cleanupLeaf, on: 2) == .badCall, "once a session")
    #expect(rig.status(Rig.shutdownLeaf) == .badCall)
    #expect(rig.remainingUpdates() == 15)
  }

  @Test("the last caller clears identity and SEAMDB; only LOAD is possible then, of any SVN")
  func last() throws {
    var rig = try Rig(lps: 3, seamdbSize: 8).booted(ModuleVersion(1, 5, 24))
    for lp in [1, 2, 0] { #expect(rig.status(Rig.cleanupLeaf, on: lp) == .success) }
    #expect(rig.machine.seamExtend.info == SEAMInfo())
    #expect(rig.machine.seamExtend.pSEAMLDRReady)
    #expect(rig.machine.seamdb.entries.isEmpty)
    #expect(rig.remainingUpdates() == 8)
    let older = try Image.forged(ModuleVersion(1, 5, 5))
    #expect(rig.install(older, scenario: Rig.update) == .recoverable(.badParam))
    #expect(rig.install(older, scenario: Rig.load) == .success)
    #expect(rig.remainingUpdates() == 7)
  }

  @Test("before any INSTALL session was complete, it is EBADCALL")
  func tooEarly() throws {
    var rig = Rig(lps: 2)
    #expect(rig.status(Rig.cleanupLeaf) == .badCall)
    #expect(rig.install(on: 0) == .success)
    #expect(rig.install(on: 1, rcx: 1) == .recoverable(.badParam))
    #expect(rig.status(Rig.cleanupLeaf) == .success, "the failed session was complete all the same")
  }

  @Test("pending interrupts: EINTERRUPT from the last LP of a package, which goes on at its next call")
  func interrupts() throws {
    var rig = try Rig(lps: 2).booted(ModuleVersion(1, 5, 24))
    #expect(rig.status(Rig.cleanupLeaf, on: 0) == .success)
    // 1984 private KeyIDs and some cache blocks: each is one step after which an interrupt may be pending.
    rig.loader.pendingInterrupts = 1984
    for _ in 0..<1984 { #expect(rig.status(Rig.cleanupLeaf, on: 1) == .interrupted) }
    #expect(rig.install(on: 0) == .recoverable(.badCall))
    rig.loader.pendingInterrupts = 1
    #expect(rig.status(Rig.cleanupLeaf, on: 1) == .interrupted, "the caches are interrupted, too")
    #expect(rig.machine.seamdb.entries.count == 1)
    #expect(rig.status(Rig.cleanupLeaf, on: 1) == .success)
    #expect(rig.machine.seamdb.entries.isEmpty)
  }

  @Test("no entropy for new keys: ENOENTROPY, and it goes on at the next call")
  func entropy() throws {
    var rig = try Rig(lps: 1).booted(ModuleVersion(1, 5, 24))
    rig.machine.entropy.successesBeforeFailures = 1000
    rig.machine.entropy.failures = 1
    #expect(rig.status(Rig.cleanupLeaf) == .noEntropy)
    #expect(rig.status(Rig.shutdownLeaf) == .badCall)
    rig.machine.entropy.successesBeforeFailures = 984
    rig.machine.entropy.failures = .max
    #expect(rig.status(Rig.cleanupLeaf) == .success, "984 of 1984 keys were left, and caches need none")
  }

  @Test("every package's last LP does the work of its package")
  func packages() throws {
    var rig = try Rig(lps: 256).booted(ModuleVersion(1, 5, 24))
    for lp in 0..<127 { #expect(rig.status(Rig.cleanupLeaf, on: lp) == .success) }
    rig.loader.pendingInterrupts = 1
    #expect(rig.status(Rig.cleanupLeaf, on: 128) == .success, "not the last of its package")
    #expect(rig.status(Rig.cleanupLeaf, on: 127) == .interrupted)
    #expect(rig.status(Rig.cleanupLeaf, on: 127) == .success)
    for lp in 129..<256 { #expect(rig.status(Rig.cleanupLeaf, on: lp) == .success) }
    #expect(rig.machine.seamdb.entries.isEmpty)
    #expect(rig.status(Rig.shutdownLeaf) == .success)
  }

  @Test("what was cleaned stays clean: a second CLEANUP has nothing to interrupt")
  func twice() throws {
    var rig = try Rig(lps: 1).booted(ModuleVersion(1, 5, 24))
    #expect(rig.status(Rig.cleanupLeaf) == .success)
    rig.loader.pendingInterrupts = 1
    #expect(rig.status(Rig.cleanupLeaf) == .success)
    #expect(rig.loader.pendingInterrupts == 1)
    // A new module makes it dirty again.
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 24)), scenario: Rig.load) == .success)
    #expect(rig.status(Rig.cleanupLeaf) == .interrupted)
  }
}
