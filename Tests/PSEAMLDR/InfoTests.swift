import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

@Suite("SEAMLDR.INFO and SEAMLDR.SEAMINFO", .timeLimit(.minutes(20)))
struct InfoTests {
  @Test("the 256 bytes before there is a module")
  func beforeModule() {
    var rig = Rig(seamdbSize: 16, debug: true)
    let marker = [UInt8](repeating: 0xEE, count: 512)
    rig.machine.memory.write(marker, at: Rig.info)
    let before = Registers(rax: Rig.infoLeaf, rcx: Rig.info, rdx: 7, r8: 8, r9: 9)
    var registers = before
    rig.loader.seamcall(&registers, on: 3, machine: &rig.machine)
    var expected = before
    expected.rax = 0
    #expect(registers == expected, "only RAX changes")

    var bytes = [UInt8](repeating: 0, count: 256)
    bytes.replaceSubrange(8..<12, with: [0x86, 0x80, 0, 0])
    bytes.replaceSubrange(12..<16, with: [0x02, 0xD7, 0x34, 0x01])
    bytes.replaceSubrange(16..<24, with: [212, 0, 5, 0, 1, 0, 2, 0])
    bytes[28] = 16
    bytes[161] = 1
    bytes[162] = 1
    bytes[168] = 2
    #expect(rig.machine.memory.read(Rig.info, count: 256) == bytes)
    #expect(rig.machine.memory.read(Rig.info + 256, count: 256) == Array(marker.prefix(256)))
  }

  @Test("with a module: its identity, SEAM_READY, and one update less")
  func withModule() throws {
    var rig = try Rig(cpu: .gnr, lps: 2, seamdbSize: 16).booted(ModuleVersion(2, 0, 14))
    let bytes = rig.infoBytes()
    #expect(Array(bytes[18..<24]) == [0, 0, 2, 0, 0, 0])
    #expect(Array(bytes[28..<32]) == [15, 0, 0, 0])
    #expect(Array(bytes[32..<40]) == [0xFF, 0x01, 0, 0, 0, 0, 0, 0])
    #expect(Array(bytes[40..<56]) == [7, 3] + [UInt8](repeating: 0, count: 14))
    #expect(
      bytes[56..<104].hexadecimal
        == "aef4ed3e686fe6cf44c9a8d1cc63105443b558ac4f40c282abf78271e9a4586c50408c8584c7b43fd21edb736700ba5f")
    #expect(Array(bytes[104..<160]) == [UInt8](repeating: 0, count: 56))
    #expect(Array(bytes[160..<163]) == [1, 0, 1])
  }

  @Test("works in the middle of a session, and shows that the module is not callable")
  func duringSession() throws {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    #expect(rig.install(on: 0) == .success)
    #expect(rig.infoBytes(on: 0)[160] == 0)
    #expect(rig.status(Rig.seamInfoLeaf, rcx: Rig.info) == .success)
    #expect(rig.loader.installCallers == 1)
  }

  @Test(
    "an address that is no host buffer is EBADPARAM",
    arguments: [
      (0x30_0080, 0x30_0400), ((4 << 30), (4 << 30)), ((4 << 30) + (127 << 20), (4 << 30) + (127 << 20)),
      (64 << 41 | 0x30_0000, 64 << 41 | 0x30_0000), (1 << 52 | 0x30_0000, 1 << 52 | 0x30_0000),
    ] as [(UInt64, UInt64)])
  func badAddresses(info: UInt64, seamInfo: UInt64) {
    var rig = Rig()
    #expect(rig.status(Rig.infoLeaf, rcx: info) == .badParam)
    #expect(rig.status(Rig.seamInfoLeaf, rcx: seamInfo) == .badParam)
    #expect(rig.machine.memory.residentPages == 0)
  }

  @Test("a buffer under an MKTME KeyID is written under it")
  func keyID() {
    var rig = Rig()
    #expect(rig.status(Rig.infoLeaf, rcx: 63 << 41 | Rig.info) == .success)
    #expect(rig.machine.memory.page(at: Rig.info)?.keyID == 63)
  }

  @Test("SEAMINFO gives the platform's table")
  func seamInfo() {
    var rig = Rig(cpu: .emr, lps: 256)
    #expect(rig.status(Rig.seamInfoLeaf, rcx: Rig.info + 0x800) == .success)
    var expected = [UInt8](repeating: 0, count: 2048)
    expected.store(UInt32(256), at: 8)
    expected.store(UInt32(2), at: 12)
    expected.store(UInt32(0xC06F2), at: 16)
    expected.store(UInt32(0xC06F2), at: 20)
    expected.store((UInt64(4) << 30) + (120 << 20), at: 48)
    expected.store(UInt64(8) << 20, at: 56)
    expected.store(UInt64(0), at: 128)
    expected.store(UInt64(4) << 30, at: 136)
    #expect(rig.machine.memory.read(Rig.info + 0x800, count: 2048) == expected)
    #expect(rig.machine.memory.read(Rig.info, count: 2048) == [UInt8](repeating: 0, count: 2048))
  }

  @Test(
    "any other leaf is EBADPARAM and changes nothing",
    arguments: [
      0x8000_0000_0000_0005, 0x8000_0000_0000_00FE, 0x8000_0000_0001_0000, 0xC000_0000_0000_0000, .max,
    ] as [UInt64])
  func unknownLeaf(rax: UInt64) {
    var rig = Rig()
    let registers = rig.call(rax, rcx: Rig.info, rdx: 5)
    #expect(registers == Registers(rax: 1 << 63, rcx: Rig.info, rdx: 5))
    #expect(rig.machine.memory.residentPages == 0)
  }

  @Test("without entropy for the canary the very first entry fails, whatever the leaf")
  func canary() {
    for leaf in [Rig.infoLeaf, Rig.installLeaf, Rig.shutdownLeaf, Rig.seamInfoLeaf, Rig.cleanupLeaf, .max] {
      var rig = Rig()
      rig.machine.entropy.failures = 1
      #expect(rig.status(leaf, rcx: Rig.info) == .unspecifiedError)
      #expect(rig.loader.installCallers == 0)
      #expect(rig.status(Rig.infoLeaf, rcx: Rig.info) == .success)
      rig.machine.entropy.failures = .max
      #expect(rig.status(Rig.infoLeaf, rcx: Rig.info) == .success, "it is drawn once")
    }
  }
}
