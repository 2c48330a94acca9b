import Basics
import Cryptography
import Testing

@Suite("AES-256-GCM by libcrypto", .timeLimit(.minutes(20)))
struct AES256GCMTests {
  private let key = [UInt8](repeating: 0, count: 32)
  private let nonce = [UInt8](repeating: 0, count: 12)

  @Test("Test cases 13 and 14 of the GCM specification: nothing, and a block of zeros")
  func vectors() throws {
    let nothing = try #require(AES256GCM.seal([], aad: [], key: key, nonce: nonce))
    #expect(nothing.ciphertext.isEmpty)
    #expect(nothing.tag.hexadecimal == "530f8afbc74536b9a963b4f1c4cb738b")
    let block = try #require(AES256GCM.seal([UInt8](repeating: 0, count: 16), aad: [], key: key, nonce: nonce))
    #expect(block.ciphertext.hexadecimal == "cea7403d4d606b6e074ec5d3baf39d18")
    #expect(block.tag.hexadecimal == "d0d1c8a799996bf0265b98b5d48ab919")
  }

  @Test("What was sealed opens again; a change of ciphertext, tag or authenticated data does not")
  func roundTrip() throws {
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
    let aad: [UInt8] = [1, 2, 3]
    let sealed = try #require(AES256GCM.seal(bytes, aad: aad, key: key, nonce: nonce))
    func open(_ ciphertext: [UInt8], _ tag: [UInt8], _ aad: [UInt8]) -> [UInt8]? {
      AES256GCM.open(ciphertext, tag: tag, aad: aad, key: key, nonce: nonce)
    }
    #expect(open(sealed.ciphertext, sealed.tag, aad) == bytes)
    #expect(open(sealed.ciphertext.dropLast() + [0x55], sealed.tag, aad) == nil)
    #expect(open(sealed.ciphertext, [sealed.tag[0] ^ 1] + sealed.tag.dropFirst(), aad) == nil)
    #expect(open(sealed.ciphertext, sealed.tag, [1, 2, 4]) == nil)
    #expect(open(sealed.ciphertext, Array(sealed.tag.dropLast()), aad) == nil)
    #expect(AES256GCM.seal(bytes, aad: [], key: [1], nonce: nonce) == nil)
    #expect(AES256GCM.seal(bytes, aad: [], key: key, nonce: [1]) == nil)
  }
}
