import Testing

@testable import TDXHost

@Suite("The kernel log", .timeLimit(.minutes(20)))
struct KernelLogTests {
  @Test(
    "a line has seconds in five columns and microseconds in six",
    arguments: [
      (UInt64(0), "[    0.000000] x"), (1_000_002, "[    1.000002] x"), (12_345_678_901, "[12345.678901] x"),
      (123_456_000_000, "[123456.000000] x"),
    ])
  func line(time: UInt64, expected: String) {
    var log = KernelLog(now: { time })
    log.append(.info, "x")
    #expect(log.text == expected + "\n")
  }

  @Test("a kmsg record has level, sequence number and microseconds")
  func kmsg() {
    var log = KernelLog(now: { 5_140_900 })
    log.append(.info, "virt/tdx: a")
    log.append(.error, "seamldr: b")
    #expect(log.records.map(\.kmsg) == ["6,0,5140900,-;virt/tdx: a", "3,1,5140900,-;seamldr: b"])
  }

  @Test("the buffer is bounded and numbers go on")
  func bounded() {
    var log = KernelLog(now: { 0 })
    for _ in 0..<20_000 { log.append(.info, "x") }
    #expect(log.records.count <= KernelLog.capacity)
    #expect(log.records.last?.sequence == 19_999)
  }
}
