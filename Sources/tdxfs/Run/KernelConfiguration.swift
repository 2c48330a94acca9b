/// `/proc/config.gz` of a kernel with the test driver: what its selftests ask for before they run.
enum KernelConfiguration {
  /// The settings of `device=test_firmware` that anybody asks for.
  static let testFirmware = """
    #
    # Linux kernel configuration: the part of it that tdxfs emulates
    #
    CONFIG_IKCONFIG=y
    CONFIG_IKCONFIG_PROC=y
    CONFIG_FW_LOADER=y
    CONFIG_FW_LOADER_SYSFS=y
    CONFIG_FW_LOADER_USER_HELPER=y
    # CONFIG_FW_LOADER_USER_HELPER_FALLBACK is not set
    # CONFIG_FW_LOADER_COMPRESS is not set
    CONFIG_FW_UPLOAD=y
    CONFIG_TEST_FIRMWARE=y

    """

  /// `text` as a gzip file (RFC 1952) of one stored block (RFC 1951, 3.2.4); what goes beyond 65,535 bytes is cut.
  static func gzip(_ text: some Sequence<UInt8>) -> [UInt8] {
    let bytes = Array(text.prefix(Int(UInt16.max)))
    let length = UInt16(truncatingIfNeeded: bytes.count)
    var file: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
    file.append(1)
    file += littleEndian(length) + littleEndian(~length) + bytes
    file += littleEndian(crc32(bytes)) + littleEndian(UInt32(length))
    return file
  }

  private static func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
    (0..<number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }

  private static func crc32(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 0 ? 0 : 0xEDB8_8320) }
    }
  }
}
