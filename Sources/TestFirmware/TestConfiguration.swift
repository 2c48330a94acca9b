/// `struct test_config`, but for what belongs to a running test.
struct TestConfiguration: Equatable {
  /// Name of the file that batched requests ask for.
  var name = Array("test-firmware.bin".utf8)
  var numRequests: UInt8 = 4
  var sendUevent = true
  var intoBuf = false
  /// `size_t`: negative numbers that are written show as huge ones.
  var bufSize: UInt = 1024
  var fileOffset: UInt = 0
  var partial = false
  var syncDirect = false
  var readFwIdx: UInt8 = 0
  /// The result of the last batch: 0 or a negative errno.
  var testResult: Int32 = 0
  /// A batch of requests was made and not released yet.
  var holdsRequests = false

  /// `__test_firmware_config_init`, which leaves `read_fw_idx` alone.
  mutating func reset() {
    let index = readFwIdx
    self = TestConfiguration()
    readFwIdx = index
  }
}
