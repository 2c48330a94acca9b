import ModuleImage
import Testing

@Suite("Trusted signers, as keys= lists them", .timeLimit(.minutes(20)))
struct TrustedSignersTests {
  private struct Missing: Error, CustomStringConvertible {
    var description: String { "No such file or directory" }
  }

  private func signers(_ list: String, files: [String: String] = [:]) -> Result<TrustedSigners, TrustedSignersError> {
    Result { () throws(TrustedSignersError) in
      try TrustedSigners(list: list) { path in
        guard let text = files[path] else { throw Missing() }
        return text
      }
    }
  }

  @Test("intel:dev names the two built-in keys, and is the default")
  func builtIn() throws {
    let both = try signers("intel:dev").get()
    #expect(both == .standard)
    #expect(both.signers.map(\.name) == ["Intel", "tdxfs development key"])
    #expect(both.signers[0].pin.description.hasPrefix("c8572f548869a0be"))
    #expect(try signers("dev").get().signers.map(\.name) == ["tdxfs development key"])
  }

  @Test("A PEM file adds the pin of its key, whichever of the two forms it has")
  func pemFile() throws {
    for text in [KeyFiles.rsa3072, KeyFiles.rsa3072PKCS1, "a comment\n\n" + KeyFiles.rsa3072 + "\n"] {
      let all = try signers("intel:/etc/tdxfs/site.pem", files: ["/etc/tdxfs/site.pem": text]).get()
      #expect(all.signers.map(\.name) == ["Intel", "/etc/tdxfs/site.pem"])
      #expect(all.signers.last?.pin.description == KeyFiles.rsa3072Pin)
    }
    #expect(try signers("site.pem", files: ["site.pem": KeyFiles.rsa3072]).get().signers.count == 1)
  }

  @Test(
    "A file that holds no usable key is refused with its reason",
    arguments: [
      ("", PublicKeyFileError.notPEM), ("hello", .notPEM), (KeyFiles.rsa1024, .wrongSize(bits: 1024)),
      (KeyFiles.rsa2048, .wrongSize(bits: 2048)),
      (KeyFiles.rsa4096, .wrongSize(bits: 4096)), (KeyFiles.exponent3, .wrongExponent),
      (KeyFiles.ellipticCurve, .notRSA), (KeyFiles.rsa3072 + "\n" + KeyFiles.rsa2048, .notRSA),
      ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", .privateKey),
      ("-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----", .notRSA),
      ("-----BEGIN PUBLIC KEY-----\nMIIBIg==\n-----END PUBLIC KEY-----", .notRSA),
      ("-----BEGIN PUBLIC KEY-----\n", .notRSA), ("-----BEGIN ", .notRSA),
    ])
  func unusable(text: String, reason: PublicKeyFileError) {
    #expect(signers("/k.pem", files: ["/k.pem": text]) == .failure(.unusableKey(path: "/k.pem", reason)))
  }

  @Test("A PEM file that is cut off anywhere is refused and nothing else")
  func cutOff() {
    let text = KeyFiles.rsa3072
    for count in stride(from: 0, to: text.count - 1, by: 7) {
      #expect(throws: PublicKeyFileError.self) { try PublicKeyFile.pin(pem: String(text.prefix(count))) }
    }
  }

  @Test("Words that are no key say so")
  func badLists() {
    #expect(signers("") == .failure(.emptyName(list: "")))
    #expect(signers("intel::dev") == .failure(.emptyName(list: "intel::dev")))
    #expect(signers("inel:dev") == .failure(.unknownName("inel")))
    #expect(
      signers("intel:/no/such.pem")
        == .failure(.unreadable(path: "/no/such.pem", reason: "No such file or directory")))
    #expect(
      TrustedSignersError.unusableKey(path: "/k.pem", .wrongSize(bits: 2048)).description
        == "the key file /k.pem holds an RSA key of 2048 bits; images are signed with 3072")
  }
}
