import SEAM
import Testing

@Suite("SEAMEXTEND and SEAMDB", .timeLimit(.minutes(20)))
struct SEAMEXTENDTests {
  @Test("the 136 bytes")
  func layout() {
    var register = SEAMEXTEND()
    #expect(register.bytes == [UInt8](repeating: 0, count: 136))
    register.info.valid = 0x1FF
    register.info.minorSVN = 13
    register.info.majorSVN = 1
    register.info.mrseam = [UInt8](repeating: 0xA5, count: 48)
    register.info.mrsignerseam = [UInt8](repeating: 0x5A, count: 48)
    register.info.attributes = 0x0102_0304_0506_0708
    register.seamReady = true
    register.pSEAMLDRReady = true
    let bytes = register.bytes
    #expect(bytes.count == 136)
    #expect(Array(bytes[0..<8]) == [0xFF, 0x01, 0, 0, 0, 0, 0, 0])
    #expect(Array(bytes[8..<24]) == [13, 1] + [UInt8](repeating: 0, count: 14))
    #expect(Array(bytes[24..<72]) == [UInt8](repeating: 0xA5, count: 48))
    #expect(Array(bytes[72..<120]) == [UInt8](repeating: 0x5A, count: 48))
    #expect(Array(bytes[120..<128]) == [8, 7, 6, 5, 4, 3, 2, 1])
    #expect(Array(bytes[128...]) == [1, 0, 1, 0, 0, 0, 0, 0])
    #expect(register.info.bytes == Array(bytes[0..<128]))
  }

  @Test("a measurement of another length is not taken")
  func lengths() {
    var info = SEAMInfo()
    info.mrseam = [1, 2, 3]
    info.mrsignerseam = []
    info.teeTCBSVN = []
    info.minorSVN = 7
    #expect(info.bytes == [0, 0, 0, 0, 0, 0, 0, 0, 7] + [UInt8](repeating: 0, count: 119))
  }

  @Test("without its module the register keeps what the microcode wrote")
  func removal() {
    var info = SEAMInfo()
    info.teeTCBSVN = (1...16).map { UInt8($0) }
    info.valid = 0x1FF
    info.mrseam = [UInt8](repeating: 1, count: 48)
    info.attributes = 1
    info.removeModule()
    #expect(
      info.bytes == [UInt8](repeating: 0, count: 10) + (3...16).map { UInt8($0) } + [UInt8](repeating: 0, count: 104))
    info.clearTCBSVN()
    #expect(info == SEAMInfo())
  }

  @Test("the SEAMDB gives room, newest reference, and refuses when it is full")
  func database() throws {
    var entropy = Entropy(seed: 9)
    var database = SEAMDB(size: 2)
    #expect(database.room == 2)
    #expect(database.newestReference == nil)
    var info = SEAMInfo()
    info.minorSVN = 1
    try database.insert(info, entropy: &entropy)
    let first = try #require(database.newestReference)
    #expect(first.index == 0)
    #expect(first.nonce.count == 4)
    try database.insert(info, entropy: &entropy)
    let second = try #require(database.newestReference)
    #expect(second.index == 1)
    #expect(second.nonce != first.nonce)
    #expect(database.room == 0)
    #expect(throws: SEAMDB.InsertError.full) { try database.insert(info, entropy: &entropy) }
    database.clear()
    #expect(database.room == 2)
    #expect(SEAMDB(size: -3).room == 0)
  }

  @Test("an insertion without entropy leaves no entry")
  func databaseWithoutEntropy() {
    var entropy = Entropy(seed: 9)
    entropy.failures = 1
    var database = SEAMDB(size: 2)
    #expect(throws: SEAMDB.InsertError.noEntropy) { try database.insert(SEAMInfo(), entropy: &entropy) }
    #expect(database.entries.isEmpty)
    #expect(throws: Never.self) { try database.insert(SEAMInfo(), entropy: &entropy) }
  }

  @Test("RDRAND repeats itself from a seed, and runs dry for as long as it is told")
  func entropy() {
    var one = Entropy(seed: 5)
    var two = Entropy(seed: 5)
    #expect(one.rdrand() == two.rdrand())
    two.failures = 2
    #expect(two.rdrand() == nil)
    #expect(two.rdrand() == nil)
    #expect(one.rdrand() == two.rdrand())
    two.failures = 1
    two.successesBeforeFailures = 1
    #expect(one.rdrand() == two.rdrand())
    #expect(two.rdrand() == nil)
    #expect(one.rdrand() == two.rdrand())
    two.failures = .max
    #expect(two.rdrand() == nil)
    #expect(two.failures == .max)
  }
}
