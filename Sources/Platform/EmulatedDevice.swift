/// Which firmware upload device the machine's kernel has.
public enum EmulatedDevice: String, CaseIterable, Sendable {
  /// The TDX host driver.
  case tdxHost = "tdx_host"
  /// The kernel's own test driver, and no TDX: for its selftests, and to compare tdxfs with a real kernel's record.
  case testFirmware = "test_firmware"
}
