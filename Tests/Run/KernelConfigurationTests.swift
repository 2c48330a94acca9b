import Testing

@testable import tdxfs

@Suite("/proc/config.gz of a machine with the test driver", .timeLimit(.minutes(20)))
struct KernelConfigurationTests {
  @Test("is a gzip file of one stored block")
  func gzip() {
    // RFC 1952; the CRC of these nine digits is the check value of CRC-32/ISO-HDLC.
    #expect(
      KernelConfiguration.gzip("123456789".utf8) == [
        0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 9, 0, 0xF6, 0xFF, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39,
        0x26, 0x39, 0xF4, 0xCB, 9, 0, 0, 0,
      ])
    #expect(KernelConfiguration.gzip([]).count == 23)
    #expect(KernelConfiguration.gzip([UInt8](repeating: 0, count: 70_000)).count == 65_535 + 23)
  }

  @Test(
    "has what the kernel's selftest for uploads asks for",
    arguments: ["FW_UPLOAD", "TEST_FIRMWARE", "FW_LOADER_USER_HELPER"])
  func settings(name: String) {
    #expect(KernelConfiguration.testFirmware.split(separator: "\n").contains("CONFIG_\(name)=y"))
  }
}
