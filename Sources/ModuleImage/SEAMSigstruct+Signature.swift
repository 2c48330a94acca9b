import Cryptography

/// What became of a look at a sigstruct's signature.
public enum SignatureVerdict: String, Equatable, Sendable {
  /// The key in the sigstruct signed these bytes.
  case valid
  /// The modulus is a usable RSA key, but the signature is not this key's over these bytes.
  case mismatch
  /// The modulus is no usable RSA-3072 key: even, zero, or too small.
  case unusableKey
}

extension SEAMSigstruct {
  /// SHA-384 of the 1276 signed bytes.
  public var signedDigest: [UInt8] {
    var digest = ImageDigest()
    digest.update(slice(0..<Self.modulusRange.lowerBound))
    digest.update(slice(Self.signatureRange.upperBound..<Self.size))
    return digest.finalize()
  }

  /// Checks the RSA signature, PKCS#1 v1.5 with SHA-384 and the exponent 65537, against the modulus in the sigstruct
  /// (pseamldr.md 3.5).
  ///
  /// Whose key that is, is the pin's matter; that EXPONENT says 65537 is rule A15's. A modulus can be any 384 bytes: only
  /// an odd one of 3072 bits can be a key's.
  public func verifySignature() -> SignatureVerdict {
    let modulus = Array(slice(Self.modulusRange).reversed())
    guard let top = modulus.first, top & 0x80 != 0, let bottom = modulus.last, bottom & 1 != 0,
      let key = RSAPublicKey(modulus: modulus, exponent: DevKey.publicExponent)
    else { return .unusableKey }
    let signature = Array(slice(Self.signatureRange).reversed())
    return key.isValid(signature, of: signedBytes) ? .valid : .mismatch
  }
}
