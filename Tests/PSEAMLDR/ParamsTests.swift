import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

/// A1 to A8 of pseamldr.md 3.4.
@Suite("SEAMLDR_PARAMS", .timeLimit(.minutes(20)))
struct ParamsTests {
  /// One bad value in an otherwise good params page.
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var check: InstallCheck
    var rcx = Rig.params
    var edit: @Sendable (inout [UInt8]) -> Void = { _ in }
    var testDescription: String { name }
  }

  static let seam: UInt64 = 4 << 30

  static let cases: [Case] = [
    Case(name: "RCX not aligned", check: .paramsAddress, rcx: Rig.params + 8),
    Case(name: "RCX in the SEAM range", check: .paramsAddress, rcx: seam + 4096),
    Case(name: "RCX under a private KeyID", check: .paramsAddress, rcx: 64 << 41 | Rig.params),
    Case(name: "RCX beyond MAXPA", check: .paramsAddress, rcx: 1 << 52 | Rig.params),
    Case(name: "version 1", check: .paramsVersion) { $0.store(UInt32(1), at: 0) },
    Case(name: "version with a high bit", check: .paramsVersion) { $0[3] = 0x80 },
    Case(name: "first reserved byte", check: .paramsReserved) { $0[16] = 1 },
    Case(name: "last reserved byte", check: .paramsReserved) { $0[119] = 1 },
    Case(name: "scenario 2", check: .scenario) { $0.store(UInt32(2), at: 4) },
    Case(name: "scenario with a high bit", check: .scenario) { $0[7] = 0x80 },
    Case(name: "no pages", check: .modulePageCount) { $0.store(UInt64(0), at: 120) },
    Case(name: "497 pages", check: .modulePageCount) { $0.store(UInt64(497), at: 120) },
    Case(name: "2^63 pages", check: .modulePageCount) { $0[127] = 0x80 },
    Case(name: "first page not aligned", check: .modulePageAddress) { $0[128] = 1 },
    Case(name: "last page in the SEAM range", check: .modulePageAddress) { $0.store(seam, at: 128 + 24) },
    Case(name: "page under a private KeyID", check: .modulePageAddress) { $0.store(UInt64(64) << 41, at: 136) },
    Case(name: "page beyond MAXPA", check: .modulePageAddress) { $0.store(UInt64(1) << 63, at: 136) },
    Case(name: "sigstruct not page-aligned", check: .sigstructAddress) { $0.store(Rig.sigstruct + 2048, at: 8) },
    Case(name: "sigstruct in the SEAM range", check: .sigstructAddress) { $0.store(seam + (127 << 20), at: 8) },
  ]

  @Test("each rule, broken alone, is EBADPARAM and costs nothing", arguments: cases)
  func broken(_ broken: Case) throws {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    rig.shutDownModule(handoffVersion: 1)
    rig.stage(try .forged(ModuleVersion(1, 5, 28)), scenario: Rig.update, edit: broken.edit)
    let before = rig.machine.seamExtend
    #expect(rig.installOnAllLPs(rcx: broken.rcx) == .recoverable(.badParam))
    #expect(rig.loader.lastInstall?.refusal?.check == broken.check)
    #expect(rig.loader.lastInstall?.refusal?.reason.isEmpty == false)
    #expect(rig.machine.seamExtend == before)
    #expect(rig.remainingUpdates() == 15)
  }

  @Test("an earlier rule wins over a later one")
  func order() throws {
    var rig = Rig()
    let steps: [(InstallCheck, (inout [UInt8]) -> Void)] = [
      (.paramsVersion, { $0[0] = 0 }), (.paramsReserved, { $0[20] = 0 }), (.scenario, { $0[4] = 1 }),
      (.modulePageCount, { $0[120] = 2 }), (.modulePageAddress, { $0.store(Rig.pages, at: 128) }),
      (.sigstructAddress, { $0.store(Rig.sigstruct, at: 8) }),
    ]
    var page = [UInt8](repeating: 0, count: 4096)
    page[0] = 9
    page[20] = 9
    page[4] = 9
    page[128] = 9
    page[8] = 9
    for (check, repair) in steps {
      rig.machine.memory.write(page, at: Rig.params)
      #expect(rig.installOnAllLPs() == .recoverable(.badParam))
      #expect(rig.loader.lastInstall?.refusal?.check == check)
      repair(&page)
    }
    rig.machine.memory.write(page, at: Rig.params)
    #expect(rig.installOnAllLPs() == .recoverable(.badParam))
    #expect(rig.loader.lastInstall?.refusal?.check == .moduleToUpdate, "there is no module yet")
    #expect(rig.loader.lastInstall?.scenario == .update)
  }

  @Test("what lies behind the listed pages is not looked at, nor is the presence of memory")
  func unlooked() throws {
    var rig = Rig()
    let image = try Image.forged(ModuleVersion(1, 5, 24))
    rig.stage(image, scenario: Rig.load) { page in
      for index in 4..<496 { page.store(UInt64.max, at: 128 + 8 * index) }
    }
    #expect(rig.installOnAllLPs() == .success)
    rig.stage(image, scenario: Rig.load) { $0.store(UInt64(1) << 40, at: 8) }
    #expect(rig.installOnAllLPs() == .recoverable(.badSignature), "far beyond memory there are zeros")
  }

  @Test("pages may be anywhere, in any order, and under MKTME KeyIDs")
  func scattered() throws {
    var rig = Rig()
    let image = try Image.forged(ModuleVersion(1, 5, 24))
    rig.stage(image, scenario: Rig.load) { page in
      page.store(UInt64(5) << 41 | 0x77_0000, at: 128 + 8)
      page.store(UInt64(63) << 41 | Rig.sigstruct, at: 8)
    }
    rig.machine.memory.copyPage(from: Rig.pages + 4096, to: 0x77_0000)
    rig.machine.memory.setPage(nil, at: Rig.pages + 4096)
    #expect(rig.installOnAllLPs() == .success)
  }

  @Test("UPDATE without a module is EBADPARAM; an unrecoverable failure before leaves none")
  func updateWithoutModule() throws {
    var rig = Rig()
    let image = try Image.forged(ModuleVersion(1, 5, 24))
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badParam))
    #expect(rig.loader.lastInstall?.refusal?.check == .moduleToUpdate)
    #expect(rig.machine.route(rax: 33) == .vmFailInvalid)
  }
}
