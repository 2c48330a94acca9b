import Basics
import ModuleImage
import Testing

@Suite("Signatures of a sigstruct", .timeLimit(.minutes(20)))
struct SignatureTests {
  private func signed() throws -> SEAMSigstruct {
    var sigstruct = SEAMSigstruct()
    sigstruct[SEAMSigstruct.date] = 0x2026_0101
    let isSigned = sigstruct.signWithDevKey()
    #expect(isSigned)
    return sigstruct
  }

  @Test("What the development key signs is valid, and the same every time")
  func signAndVerify() throws {
    let sigstruct = try signed()
    #expect(sigstruct.verifySignature() == .valid)
    #expect(sigstruct[SEAMSigstruct.exponent] == 65537)
    #expect(try signed() == sigstruct)
    #expect(TrustedSigners.standard.signer(with: sigstruct.keyPin)?.name == "tdxfs development key")
  }

  @Test("The development key's pin, which is written down, is that of its modulus")
  func devPin() {
    #expect(DevKey.pin == KeyPin(storedModulus: DevKey.storedModulus))
  }

  @Test(
    "Any flipped bit of a signed byte or of the signature is a mismatch",
    arguments: Array(stride(from: 0, to: 2048, by: 41)))
  func flippedBit(offset: Int) throws {
    var sigstruct = try signed()
    sigstruct.replace(offset..<(offset + 1), with: [sigstruct.bytes[offset] ^ 0x10])
    switch offset {
    case 128..<512: #expect(sigstruct.verifySignature() != .valid)
    case 512..<516: #expect(sigstruct.verifySignature() == .valid)
    default: #expect(sigstruct.verifySignature() == .mismatch)
    }
  }

  @Test("No modulus makes the check crash: zero, one, tiny, even, short, all ones")
  func oddModuli() throws {
    let zero = [UInt8](repeating: 0, count: 384)
    var unusable: [[UInt8]] = [zero]
    for low: UInt8 in [1, 2, 3, 0xFF] {
      var tiny = zero
      tiny[0] = low
      unusable.append(tiny)
    }
    for length in [8, 64, 255, 256, 300, 383] {
      var short = zero
      for index in 0..<length { short[index] = 0xFF }
      unusable.append(short)
    }
    var even = [UInt8](repeating: 0xFF, count: 384)
    even[0] = 0xFE
    unusable.append(even)
    var notFull = [UInt8](repeating: 0xFF, count: 384)
    notFull[383] = 0x7F
    unusable.append(notFull)
    for modulus in unusable {
      var sigstruct = try signed()
      sigstruct.replace(SEAMSigstruct.modulusRange, with: modulus)
      #expect(sigstruct.verifySignature() == .unusableKey)
    }
    var ones = try signed()
    ones.replace(SEAMSigstruct.modulusRange, with: [UInt8](repeating: 0xFF, count: 384))
    #expect(ones.verifySignature() == .mismatch)
  }

  @Test("No bytes at all make the check crash")
  func randomBytes() throws {
    var generator = SeededGenerator(seed: 2026)
    for _ in 0..<200 {
      let bytes = (0..<2048).map { _ in UInt8.random(in: 0...255, using: &generator) }
      #expect(try #require(SEAMSigstruct(bytes)).verifySignature() != .valid)
    }
  }

  @Test("A signature that is not smaller than the modulus is a mismatch")
  func signatureTooLarge() throws {
    var sigstruct = try signed()
    sigstruct.replace(SEAMSigstruct.signatureRange, with: [UInt8](repeating: 0xFF, count: 384))
    #expect(sigstruct.verifySignature() == .mismatch)
    sigstruct.replace(SEAMSigstruct.signatureRange, with: [UInt8](repeating: 0, count: 384))
    #expect(sigstruct.verifySignature() == .mismatch)
  }
}
