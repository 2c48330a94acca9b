import SEAM
import Testing

@Suite("Machine", .timeLimit(.minutes(20)))
struct MachineTests {
  @Test("after the NP-SEAMLDR the loader is ready and there is no module")
  func powerOn() {
    let machine = Machine(configuration: MachineConfiguration(systemUnderDebug: true), seed: 1)
    #expect(machine.route(rax: 0x8000_0000_0000_0000) == .loader)
    #expect(machine.route(rax: 33) == .vmFailInvalid)
    var expected = [UInt8](repeating: 0, count: 136)
    expected[129] = 1
    expected[130] = 1
    #expect(machine.seamExtend.bytes == expected)
  }

  @Test("SEAMEXTEND decides which firmware the CPU enters")
  func routes() {
    var machine = Machine(configuration: MachineConfiguration(), seed: 1)
    machine.seamExtend.seamReady = true
    #expect(machine.route(rax: 0) == .module)
    #expect(machine.route(rax: 0x7FFF_FFFF_FFFF_FFFF) == .module)
    #expect(machine.route(rax: .max) == .loader)
    machine.seamExtend.pSEAMLDRReady = false
    #expect(machine.route(rax: 1 << 63) == .vmFailInvalid)
    #expect(machine.route(rax: 0) == .module)
  }

  @Test("host buffers: aligned, below MAXPA, under a KeyID that is not private, outside the SEAM range")
  func sharedAddresses() {
    let machine = Machine(configuration: MachineConfiguration(memoryGiB: 16), seed: 1)
    let seam: UInt64 = 16 << 30
    func accepts(_ hpa: UInt64, _ size: UInt64 = 4096) -> Bool {
      machine.isSharedAddress(hpa, size: size, alignment: size)
    }
    #expect(accepts(0))
    #expect(accepts(0x1000))
    #expect(!accepts(0x1800))
    #expect(accepts(0x1800, 2048))
    #expect(accepts(seam - 4096))
    #expect(!accepts(seam))
    #expect(!accepts(seam + 128 << 20 - 4096))
    #expect(!accepts((16 << 30) + (128 << 20) - 4096))
    #expect(accepts((16 << 30) + (128 << 20)))
    #expect(accepts(1 << 41 | 0x1000), "KeyID 1 is the host's")
    #expect(accepts(63 << 41 | 0x1000), "KeyID 63 is the last of MKTME")
    #expect(!accepts(64 << 41 | 0x1000), "KeyID 64 is private")
    #expect(!accepts(63 << 41 | seam))
    #expect(!accepts(1 << 52 | 0x1000), "MAXPA is 52")
    #expect(!accepts(1 << 63 | 0x1000))
    #expect(!machine.isSharedAddress(0x1000, size: .max, alignment: 4096))
  }

  @Test(
    "packages and addressable LPs",
    arguments: [
      (1, 1, 1), (3, 1, 4), (4, 1, 4), (127, 1, 128), (128, 1, 128), (255, 1, 256), (256, 2, 256), (300, 2, 512),
      (1023, 7, 1792), (1024, 8, 1024), (0, 1, 1), (-5, 1, 1), (5000, 8, 1024),
    ])
  func topology(lps: Int, packages: Int, addressable: Int) {
    let configuration = MachineConfiguration(logicalProcessors: lps)
    #expect(configuration.packages == packages)
    #expect(configuration.addressableLPs == addressable)
    #expect(configuration.socketSignatures.count == packages)
    let total = configuration.logicalProcessors
    var counts = [Int](repeating: 0, count: packages)
    for lp in 0..<total { counts[configuration.package(of: lp)] += 1 }
    #expect(counts == (0..<packages).map { configuration.logicalProcessors(in: $0) })
    #expect(configuration.logicalProcessors(in: packages) == 0)
    #expect((0..<total).map { configuration.x2apicID(of: $0) } == (0..<total).map { UInt32($0) })
    #expect(configuration.x2apicID(of: -1) == .max)
  }

  @Test("the SEAM range lies behind memory, the loader's range at its end, the code region before that")
  func ranges() {
    let machine = Machine(configuration: MachineConfiguration(logicalProcessors: 3, memoryGiB: 2), seed: 1)
    let base: UInt64 = 2 << 30
    #expect(machine.sysInfoBase == base)
    #expect(machine.dataRegionBase == base + 5 * 4096, "SYS_INFO and 4 VMCS pages: three LPs, four can be addressed")
    #expect(machine.configuration.loaderRangeBase == base + (120 << 20))
    #expect(machine.codeRegionBase == base + (118 << 20))
    #expect(MachineConfiguration(memoryGiB: -1).seamRangeBase == 1 << 30)
    #expect(MachineConfiguration(memoryGiB: .max).seamRangeBase == 2047 << 30)
  }

  @Test("key-id bits are the eleven below MAXPA")
  func keyIDs() {
    let address = PhysicalAddress(rawValue: 0x5 << 41 | 0x1234_5000)
    #expect(address.keyID == 5)
    #expect(address.withoutKeyID == 0x1234_5000)
    #expect(!address.exceedsMaxPA)
    #expect(PhysicalAddress(rawValue: .max).keyID == 2047)
    #expect(PhysicalAddress(rawValue: .max).exceedsMaxPA)
  }

  @Test("a CPU list covers all steppings")
  func steppings() {
    #expect(CPUModel.matches(listed: 0x806F0, signature: 0x806F8))
    #expect(CPUModel.matches(listed: 0x806FF, signature: CPUModel.spr.signature))
    #expect(!CPUModel.matches(listed: 0xC06F0, signature: 0x806F8))
  }
}
