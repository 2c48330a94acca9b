import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

@Suite("INSTALL, last caller", .timeLimit(.minutes(20)))
struct InstallTests {
  @Test("a LOAD on a machine without module: identity, SEAMDB, program, image in place")
  func load() throws {
    var rig = Rig()
    let image = try Image.forged(ModuleVersion(1, 5, 28))
    #expect(rig.install(image, scenario: Rig.load) == .success)

    let hash = ImageDigest.sha384(image.module)
    var expected = [UInt8](repeating: 0, count: 136)
    expected.replaceSubrange(0..<2, with: [0xFF, 0x01])
    expected.replaceSubrange(8..<10, with: [14, 1])
    expected.replaceSubrange(24..<72, with: hash)
    expected[128] = 1
    expected[130] = 1
    #expect(rig.machine.seamExtend.bytes == expected)
    #expect(rig.machine.seamdb.entries.map(\.info.mrseam) == [hash])
    #expect(rig.machine.seamdb.entries.map(\.info.valid) == [0x1FF])
    #expect(rig.remainingUpdates() == 15)
    #expect(rig.machine.imageGeneration == 1)
    let program = try #require(rig.machine.residentProgram)
    #expect(program.version == ModuleVersion(1, 5, 28))
    #expect(program.versionSource == .constantBlock)
    #expect(rig.loader.lastInstall?.outcome == .installed(program))
    #expect(rig.loader.lastInstall?.scenario == .load)
    #expect(rig.loader.lastInstall?.lp == 3)
  }

  @Test("the image lies relocated at the start of the code region")
  func relocated() throws {
    var rig = Rig()
    let image = try Image.forged(ModuleVersion(1, 5, 28))
    #expect(rig.install(image, scenario: Rig.load) == .success)
    let code = rig.machine.memory.read(rig.machine.codeRegionBase, count: image.module.count)
    let sysInfo = rig.machine.memory.read(rig.machine.sysInfoBase, count: 4096)
    let base = UInt64(littleEndianBytes: sysInfo[2056..<2064])
    #expect(base & 0xFFFF_FFFF == 0)
    #expect(base | 0x7FFC << 32 == 0xFFFF_FFFC_0000_0000, "0xFFFF8000_00000000 with up to 13 random bits")
    // A forged image has its relocations as an array of {place, 8, addend} at 0x100.
    var expected = image.module
    for entry in 0..<4 {
      let place = Int(UInt64(littleEndianBytes: image.module[(0x100 + 24 * entry)...].prefix(8)))
      let addend = UInt64(littleEndianBytes: image.module[(0x110 + 24 * entry)...].prefix(8))
      expected.store(base + addend, at: place)
    }
    let table = Int(image.sigstruct[SEAMSigstruct.gdtIDTOffset])
    let wrapper = UInt64(image.sigstruct[SEAMSigstruct.faultWrapperOffset])
    for vector in 0..<32 {
      let stub = (base + wrapper + 16 * UInt64(vector)).littleEndianBytes
      expected.store(stub[0..<2], at: table + 16 * vector)
      expected.store(stub[2..<8], at: table + 16 * vector + 6)
    }
    #expect(code == expected)
    #expect(
      rig.machine.memory.read(Rig.pages, count: image.module.count) == image.module, "the host's pages are not changed")
  }

  @Test("an UPDATE keeps exactly the handoff bytes, and nothing else of the module")
  func update() throws {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    let data = rig.machine.dataRegionBase
    rig.machine.memory.write([UInt8](repeating: 0xAA, count: 14 * 4096 + 4096 * 40), at: data)
    rig.shutDownModule(handoffVersion: 1, size: 5000)
    rig.machine.memory.write([1, 2, 3], at: rig.machine.sysInfoBase + 4096)
    let image = try Image.forged(ModuleVersion(1, 5, 28))
    #expect(rig.install(image, scenario: Rig.update) == .success)

    #expect(
      rig.machine.memory.read(data, count: 5010)
        == [1, 0, 1, 0, 0x88, 0x13, 0, 0] + Rig.handoffData(5000) + [0, 0])
    #expect(rig.machine.memory.read(data + 5008, count: 54 * 4096).allSatisfy { $0 == 0 })
    #expect(rig.machine.memory.read(rig.machine.sysInfoBase + 4096, count: 3) == [0, 0, 0])
    #expect(rig.machine.seamdb.entries.map(\.info.minorSVN) == [13, 14])
    #expect(rig.machine.seamExtend.info.minorSVN == 14)
    #expect(rig.machine.route(rax: 33) == .module)
    #expect(rig.machine.imageGeneration == 2)
    #expect(rig.loader.lastInstall?.scenario == .update)
  }

  @Test("handoff data that ends at a page's end")
  func wholePages() throws {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    rig.shutDownModule(handoffVersion: 1, size: 14 * 4096 - 8)
    rig.machine.memory.write([9], at: rig.machine.dataRegionBase + 14 * 4096)
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 28)), scenario: Rig.update) == .success)
    let data = rig.machine.dataRegionBase
    #expect(rig.machine.memory.read(data + 8, count: 14 * 4096 - 8) == Rig.handoffData(14 * 4096 - 8))
    #expect(rig.machine.memory.read(data + 14 * 4096, count: 1) == [0])
  }

  @Test("a LOAD destroys the handoff data and begins the SEAMDB anew")
  func loadOverModule() throws {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    rig.shutDownModule(handoffVersion: 1)
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 28)), scenario: Rig.update) == .success)
    #expect(rig.remainingUpdates() == 14)
    rig.shutDownModule(handoffVersion: 1)
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 28)), scenario: Rig.load) == .success)
    #expect(rig.machine.memory.read(rig.machine.dataRegionBase, count: 60000).allSatisfy { $0 == 0 })
    #expect(rig.machine.seamdb.entries.count == 1)
    #expect(rig.remainingUpdates() == 15)
  }

  @Test("A24: while keys are dirty, a LOAD may not be a downgrade")
  func loadDowngrade() throws {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    let before = rig.machine
    for (version, ok) in [
      (ModuleVersion(1, 5, 20), false), (ModuleVersion(1, 5, 24), true), (ModuleVersion(1, 5, 28), true),
    ] {
      let answer = rig.install(try .forged(version), scenario: Rig.load)
      #expect(answer == (ok ? .success : .recoverable(.cleanupRequired)))
      if !ok {
        #expect(rig.loader.lastInstall?.refusal?.check == .manifest(.svnNeedsCleanup))
        #expect(rig.machine.seamExtend == before.seamExtend)
      }
    }
  }

  @Test("last_patch_se_svn of the microcode stays through all of it")
  func patchSVN() throws {
    var rig = Rig()
    rig.machine.seamExtend.info.teeTCBSVN[2] = 6
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 28)), scenario: Rig.load) == .success)
    #expect(Array(rig.machine.seamExtend.info.teeTCBSVN.prefix(4)) == [14, 1, 6, 0])
    var broken = try Image.forged(ModuleVersion(1, 5, 28))
    broken.module[4095] ^= 1
    #expect(rig.install(broken, scenario: Rig.load) == .unrecoverable(.badHash))
    #expect(Array(rig.machine.seamExtend.info.teeTCBSVN.prefix(4)) == [0, 0, 6, 0])
  }

  @Test("SYS_INFO: the platform's half, the regions, and the handoff fields")
  func sysInfo() throws {
    var rig = Rig(lps: 4)
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 34)), scenario: Rig.load) == .success)
    _ = rig.status(Rig.seamInfoLeaf, rcx: Rig.info)
    let page = rig.machine.memory.read(rig.machine.sysInfoBase, count: 4096)
    #expect(Array(page[0..<2048]) == rig.machine.memory.read(Rig.info, count: 2048))
    func word(_ offset: Int) -> UInt64 { UInt64(littleEndianBytes: page[offset..<(offset + 8)]) }
    let random = word(2056) & 0x7FFC_0000_0000
    #expect(word(2048) == 0)
    #expect(word(2056) == 0xFFFF_8000_0000_0000 | random)
    #expect(word(2064) == 4 * 4096)
    #expect(word(2072) == 0xFFFF_8003_0000_0000 | random)
    #expect(word(2080) == (14 + 2 * 4 + 22) * 4096)
    #expect(word(2088) == 0xFFFF_8001_0000_0000 | random)
    #expect(word(2096) == 3 * 4 * 4096)
    #expect(word(2104) == 0xFFFF_8002_0000_0000 | random)
    #expect(word(2112) == 128 * 4 * 4096)
    #expect(word(2120) == 0x1_0000_0000 | random)
    #expect(word(2128) == 4096)
    #expect(word(2136) == 1)
    #expect(word(2144) == 1)
    #expect(Array(page[2152..<2160]) == [2, 0, 0, 0, 1, 0, 13, 0])
    #expect(page[2160...].allSatisfy { $0 == 0 })
  }
}
