import Basics
import Cryptography
import Testing

@Suite("SHA-384 by libcrypto", .timeLimit(.minutes(20)))
struct SHA384Tests {
  private func digest(_ text: String) -> String {
    Array(text.utf8).withUnsafeBytes { SHA384.digest(of: $0).hexadecimal }
  }

  @Test("The vectors of FIPS 180: nothing, abc, two blocks")
  func vectors() {
    #expect(
      digest("")
        == "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b")
    #expect(
      digest("abc")
        == "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7")
    #expect(
      digest(
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
      ) == "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039")
  }

  @Test("Bytes in parts of any length give the digest of all of them, and a digest does not end the hash")
  func parts() {
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let whole = bytes.withUnsafeBytes { SHA384.digest(of: $0) }
    for length in [1, 7, 127, 128, 129, 4096] {
      var hash = SHA384()
      var rest = bytes[...]
      while !rest.isEmpty {
        rest.prefix(length).withUnsafeBytes { hash.update($0) }
        rest = rest.dropFirst(length)
        if rest.count < 200 { _ = hash.finalize() }
      }
      #expect(hash.finalize() == whole)
    }
  }

  @Test("A copy goes on for itself")
  func copies() {
    var first = SHA384()
    [UInt8]("ab".utf8).withUnsafeBytes { first.update($0) }
    var second = first
    [UInt8]("c".utf8).withUnsafeBytes { first.update($0) }
    [UInt8]("x".utf8).withUnsafeBytes { second.update($0) }
    #expect(first.finalize().hexadecimal == digest("abc"))
    #expect(second.finalize().hexadecimal == digest("abx"))
  }
}

@Suite("A hash in an archive", .timeLimit(.minutes(20)))
struct HashArchiveTests {
  @Test("goes on where it was, at any place")
  func roundTrip() throws {
    let bytes = (0..<700).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    let whole = SHA384.digest(of: bytes)
    for length in [0, 1, 127, 128, 129, 255, 256, 511] {
      var hash = SHA384()
      bytes[..<length].withUnsafeBytes { hash.update($0) }
      var restored = try Archive.decode(SHA384.self, from: try Archive.encode(hash))
      bytes[length...].withUnsafeBytes { restored.update($0) }
      #expect(restored.finalize() == whole)
    }
  }
}

@Suite("HMAC-SHA-256 by libcrypto", .timeLimit(.minutes(20)))
struct HMACTests {
  @Test("The vectors of RFC 4231: a short key, and one longer than a block")
  func vectors() {
    #expect(
      HMACSHA256.code(of: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)).hexadecimal
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(
      HMACSHA256.code(
        of: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
        key: [UInt8](repeating: 0xAA, count: 131)
      ).hexadecimal == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
  }
}
