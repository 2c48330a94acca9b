import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

/// A30 to A33, B1 to B7 and the epilogue of pseamldr.md 3.4.
@Suite("INSTALL that fails late", .timeLimit(.minutes(20)))
struct FailureTests {
  /// A machine with 1.5.24, which was shut down for handoff version 1.
  static func rig(seamdbSize: Int = 16, seamldr: ModuleVersion = ModuleVersion(1, 5, 2)) throws -> Rig {
    var rig = try Rig(seamdbSize: seamdbSize, seamldr: seamldr).booted(ModuleVersion(1, 5, 24))
    rig.shutDownModule(handoffVersion: 1)
    return rig
  }

  static func image() throws -> Image { try .forged(ModuleVersion(1, 5, 28)) }

  // MARK: Recoverable

  @Test("A30: no entropy for the addresses")
  func noEntropy() throws {
    var rig = try Self.rig()
    rig.machine.entropy.failures = 1
    let before = rig.machine.memory.read(rig.machine.sysInfoBase, count: 100_000)
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .recoverable(.noEntropy))
    #expect(rig.loader.lastInstall?.refusal?.check == .randomAddresses)
    #expect(rig.machine.route(rax: 33) == .module)
    #expect(rig.machine.memory.read(rig.machine.sysInfoBase, count: 100_000) == before)
    #expect(rig.installOnAllLPs() == .success)
  }

  @Test("A31: a module that asks for more memory than there is")
  func noMemory() throws {
    var rig = try Self.rig()
    let image = try Image.forged(ModuleVersion(1, 5, 28), edit: { $0[SEAMSigstruct.numGlobalDataPages] = 0xFFFF })
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.noMemory))
    #expect(rig.loader.lastInstall?.refusal?.check == .fits)
    #expect(rig.machine.route(rax: 33) == .module)
  }

  @Test("A32: no updates remain; a LOAD is still possible")
  func noUpdates() throws {
    var rig = try Self.rig(seamdbSize: 1)
    #expect(rig.remainingUpdates() == 0)
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .recoverable(.badCall))
    #expect(rig.loader.lastInstall?.refusal?.check == .remainingUpdates)
    #expect(rig.machine.route(rax: 33) == .module)
    #expect(rig.install(try Self.image(), scenario: Rig.load) == .success)
    #expect(rig.remainingUpdates() == 0)
  }

  @Test("A32 comes before A33, and after signature and memory")
  func budgetOrder() throws {
    var rig = try Self.rig(seamdbSize: 1)
    rig.shutDownModule(handoffVersion: 7)
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .recoverable(.badCall))
    var unsigned = try Self.image()
    unsigned.sigstruct.replace(516..<520, with: [1, 2, 3, 4])
    #expect(rig.install(unsigned, scenario: Rig.update) == .recoverable(.badSignature))
  }

  @Test(
    "A33: handoff data that is not valid, too large, too old or too new",
    arguments: [
      (0, 1, 53386, InstallCheck.handoffValid), (1, 1, 14 * 4096 - 7, .handoffSize), (1, 1, .max, .handoffSize),
      (1, 2, 53386, .manifest(.handoffVersion)), (1, .max, 53386, .manifest(.handoffVersion)),
    ] as [(UInt8, UInt16, UInt32, InstallCheck)])
  func handoff(valid: UInt8, version: UInt16, size: UInt32, check: InstallCheck) throws {
    var rig = try Self.rig()
    let header: [UInt8] = [valid, 0] + version.littleEndianBytes + size.littleEndianBytes
    rig.machine.memory.write(header, at: rig.machine.dataRegionBase)
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .recoverable(.badHandoff))
    #expect(rig.loader.lastInstall?.refusal?.check == check)
    #expect(rig.machine.route(rax: 33) == .module)
    #expect(rig.remainingUpdates() == 15)
  }

  @Test("A33: below MIN_UPDATE_HV; any nonzero VALID counts")
  func oldHandoff() throws {
    var rig = try Self.rig()
    let image = try Image.forged(ModuleVersion(1, 5, 34)) {
      $0.handoff = HandoffRange(moduleHV: 2, minUpdateHV: 2, noDowngrade: true)
    }
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badHandoff))
    rig.shutDownModule(handoffVersion: 2, valid: 0x80)
    #expect(rig.install(image, scenario: Rig.update) == .success)
  }

  @Test("a module that still runs: EBADHANDOFF, and it runs on")
  func notShutDown() throws {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    let before = rig.machine.seamExtend
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .recoverable(.badHandoff))
    #expect(rig.machine.seamExtend == before)
    #expect(rig.machine.residentProgram?.version == ModuleVersion(1, 5, 24))
    #expect(rig.machine.imageGeneration == 1)
  }

  @Test("after a recoverable failure the handoff data is still there for another try")
  func anotherTry() throws {
    var rig = try Self.rig()
    let wrong = try Image.forged(ModuleVersion(1, 5, 25))
    #expect(rig.install(wrong, scenario: Rig.update) == .recoverable(.unsupportedCPU))
    #expect(rig.machine.seamExtend.seamReady)
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .success)
    #expect(rig.machine.memory.read(rig.machine.dataRegionBase + 8, count: 53386) == Rig.handoffData(53386))
  }

  // MARK: Unrecoverable

  /// What stays of a module when its successor fails after the point of no return.
  static func expectNoModule(_ rig: inout Rig, updates: UInt32, entries: Int) {
    var expected = [UInt8](repeating: 0, count: 136)
    expected[130] = 1
    #expect(rig.machine.seamExtend.bytes == expected)
    #expect(rig.machine.residentProgram == nil)
    #expect(rig.machine.route(rax: 33) == .vmFailInvalid)
    #expect(rig.machine.route(rax: Rig.infoLeaf) == .loader)
    #expect(rig.remainingUpdates() == updates)
    #expect(rig.machine.seamdb.entries.count == entries)
    #expect(rig.loader.lastInstall?.isUnrecoverable == true)
    #expect(rig.loader.installCallers == 0)
  }

  @Test(
    "B1: page tables that meet the data region: mapping takes 6 tables more than A31 reckons with",
    arguments: [
      (30096, Answer.success), (30097, .unrecoverable(.noMemory)), (30102, .unrecoverable(.noMemory)),
      (30103, .recoverable(.noMemory)),
    ] as [(UInt16, Answer)])
  func pageTables(globalPages: UInt16, answer: Answer) throws {
    // Of the 30720 pages of 120 MiB, 551 are SYS_INFO, 4 VMCS, 12 of stacks, 14 of handoff data, 8 of TLS, 512 of code.
    // A31 reckons with 67 tables: 59 + 1 for the data region, 2 for the keyholes, one each for the four others and the
    // root. Mapping takes 73.
    var rig = try Self.rig()
    let image = try Image.forged(
      ModuleVersion(1, 5, 28),
      edit: {
        $0[SEAMSigstruct.numGlobalDataPages] = globalPages - 1
      })
    #expect(rig.install(image, scenario: Rig.update) == answer)
    guard answer.rdx == 1 else { return }
    #expect(rig.loader.lastInstall?.refusal?.check == .pageTables)
    Self.expectNoModule(&rig, updates: 15, entries: 1)
  }

  @Test("B2: a changed page is EBADHASH; it costs the module, but no update")
  func hash() throws {
    var rig = try Self.rig()
    var image = try Self.image()
    image.module[3 * 4096 + 5] ^= 0x10
    #expect(rig.install(image, scenario: Rig.update) == .unrecoverable(.badHash))
    #expect(rig.loader.lastInstall?.refusal?.check == .manifest(.imageHash))
    #expect(rig.loader.lastInstall?.refusal?.isRecoverable == false)
    Self.expectNoModule(&rig, updates: 15, entries: 1)
  }

  @Test("B2: pages in another order, one page less, a page of zeros in place of one")
  func otherPages() throws {
    let edits: [(inout [UInt8]) -> Void] = [
      { page in
        page.store(Rig.pages + 4096, at: 128)
        page.store(Rig.pages, at: 136)
      },
      { $0.store(UInt64(3), at: 120) },
      { $0.store(UInt64(0x7000_0000), at: 136) },
    ]
    let image = try Image.forged(
      ModuleVersion(1, 5, 28),
      edit: {
        $0[SEAMSigstruct.gdtIDTOffset] = 0
        $0[SEAMSigstruct.faultWrapperOffset] = 0
      })
    for edit in edits {
      var rig = try Self.rig()
      rig.stage(image, scenario: Rig.update, edit: edit)
      #expect(rig.installOnAllLPs() == .unrecoverable(.badHash))
    }
  }

  @Test(
    "B3: signed images whose ELF the loader does not take",
    arguments: [
      (0, [0x7E]), (4, [1]), (5, [2]), (6, [0]), (60, [0xFF, 0xFF]),
      (40, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
      (0x80 + 56, [0]), (0x80 + 24, [0, 0, 0, 0, 0, 0, 0, 0x80]), (0x108, [7]), (0x10F, [1]),
      (0x100, [0xF9, 0x3F]), (0x110, [0, 0x40]),
    ] as [(Int, [UInt8])])
  func relocation(offset: Int, bytes: [UInt8]) throws {
    var rig = try Self.rig()
    let image = try Self.image().replacingModule { $0.store(bytes, at: offset) }
    #expect(rig.install(image, scenario: Rig.update) == .unrecoverable(.badParam))
    #expect(rig.loader.lastInstall?.refusal?.check == .manifest(.relocation))
    Self.expectNoModule(&rig, updates: 15, entries: 1)
  }

  @Test("B3: the last place and the last address that are allowed")
  func lastRelocation() throws {
    var rig = try Self.rig()
    let image = try Self.image().replacingModule {
      $0.store([0xF8, 0x3F], at: 0x100)
      $0.store([0xFF, 0x3F], at: 0x110)
    }
    #expect(rig.install(image, scenario: Rig.update) == .success)
  }

  @Test("B7: five times no entropy for the SEAMDB; the identity is already the new one, the module is not ready")
  func seamdb() throws {
    var rig = try Self.rig()
    rig.machine.entropy.successesBeforeFailures = 1
    rig.machine.entropy.failures = 5
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .unrecoverable(.noEntropy))
    #expect(rig.loader.lastInstall?.refusal?.check == .seamdbInsert)
    #expect(rig.machine.seamExtend.info.minorSVN == 14)
    #expect(rig.machine.seamExtend.info.valid == 0x1FF)
    #expect(rig.machine.seamExtend.seamReady == false)
    #expect(rig.machine.seamdb.entries.map(\.info.minorSVN) == [13])
    #expect(rig.remainingUpdates() == 15)
    let handoffFields = rig.machine.memory.read(rig.machine.sysInfoBase + 2152, count: 8)
    #expect(handoffFields == [UInt8](repeating: 0, count: 8))
  }

  @Test("B7: the fifth attempt may succeed")
  func fifthAttempt() throws {
    var rig = try Self.rig()
    rig.machine.entropy.successesBeforeFailures = 1
    rig.machine.entropy.failures = 4
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .success)
    #expect(rig.remainingUpdates() == 14)
  }

  @Test("B7: a SEAMDB without any room refuses even a LOAD")
  func noSEAMDB() throws {
    var rig = Rig(seamdbSize: 0)
    #expect(rig.install(try Self.image(), scenario: Rig.load) == .unrecoverable(.noEntropy))
    #expect(rig.loader.lastInstall?.refusal?.check == .seamdbInsert)
  }

  @Test("after an unrecoverable failure UPDATE finds no module; a LOAD needs CLEANUP first, as keys are dirty")
  func afterwards() throws {
    var rig = try Self.rig()
    var image = try Self.image()
    image.module[0] ^= 1
    #expect(rig.install(image, scenario: Rig.update) == .unrecoverable(.badHash))
    #expect(rig.install(try Self.image(), scenario: Rig.update) == .recoverable(.badParam))
    #expect(rig.loader.lastInstall?.refusal?.check == .moduleToUpdate)
    #expect(rig.install(try Self.image(), scenario: Rig.load) == .recoverable(.cleanupRequired))
    for lp in 0..<4 { #expect(rig.status(Rig.cleanupLeaf, on: lp) == .success) }
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 6)), scenario: Rig.load) == .success)
  }

  @Test("a LOAD that fails late leaves the SEAMDB cleared")
  func failedLoad() throws {
    var rig = try Self.rig()
    var image = try Self.image()
    image.module[0] ^= 1
    #expect(rig.install(image, scenario: Rig.load) == .unrecoverable(.badHash))
    Self.expectNoModule(&rig, updates: 16, entries: 0)
  }
}
