import ModuleImage
import PSEAMLDR
import SEAM
import Testing

/// pseamldr.md 3.6.
@Suite("The update budget", .timeLimit(.minutes(20)))
struct BudgetTests {
  @Test("every successful update costs one, the same image too, until none remains")
  func costs() throws {
    var rig = try Rig(seamdbSize: 4).booted(ModuleVersion(1, 5, 24))
    let image = try Image.forged(ModuleVersion(1, 5, 24))
    for left in [2, 1, 0] as [UInt32] {
      rig.shutDownModule(handoffVersion: 1)
      #expect(rig.install(image, scenario: Rig.update) == .success)
      #expect(rig.remainingUpdates() == left)
    }
    rig.shutDownModule(handoffVersion: 1)
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badCall))
    #expect(rig.machine.seamdb.entries.count == 4)
    #expect(Set(rig.machine.seamdb.entries.map(\.nonce)).count == 4)
  }

  @Test("refused updates cost none")
  func refused() throws {
    var rig = try Rig(seamdbSize: 4).booted(ModuleVersion(1, 5, 24))
    rig.shutDownModule(handoffVersion: 9)
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 24)), scenario: Rig.update) == .recoverable(.badHandoff))
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 20)), scenario: Rig.update) == .recoverable(.badSignature))
    #expect(rig.remainingUpdates() == 3)
  }

  @Test("INFO asks the CPU again when nothing remains, and only then")
  func cache() throws {
    var rig = Rig(seamdbSize: 3)
    #expect(rig.loader.remainingUpdates == 0, "nobody asked yet")
    #expect(rig.remainingUpdates() == 3)
    rig = try rig.booted(ModuleVersion(1, 5, 24))
    rig.machine.seamdb.clear()
    #expect(rig.remainingUpdates() == 2, "the cached value")
  }

  @Test("the largest SEAMDB fits")
  func large() throws {
    var rig = try Rig(seamdbSize: 65536).booted(ModuleVersion(1, 5, 24))
    #expect(rig.remainingUpdates() == 65535)
  }
}
