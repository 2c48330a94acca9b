import Cryptography

/// A PEM file with the RSA public key of somebody who signs images.
public enum PublicKeyFile {
  /// The pin of the one key in `pem`, which must be RSA-3072 with the exponent 65537: the only kind that a sigstruct
  /// has room for (pseamldr.md 3.4 A11, A15).
  public static func pin(pem: String) throws(PublicKeyFileError) -> KeyPin {
    guard pem.contains("-----BEGIN ") else { throw .notPEM }
    guard !pem.contains("PRIVATE KEY-----") else { throw .privateKey }
    guard let key = RSAPublicKey(pem: pem) else { throw .notRSA }
    guard key.bitCount == 3072 else { throw .wrongSize(bits: key.bitCount) }
    guard key.exponent == DevKey.publicExponent else { throw .wrongExponent }
    return KeyPin(storedModulus: key.modulus.reversed() as [UInt8])
  }
}

/// Why a PEM file gives no key that can sign images.
public enum PublicKeyFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// There is no PEM block.
  case notPEM
  /// It holds a private key.
  case privateKey
  /// It does not hold exactly one RSA public key.
  case notRSA
  /// The key is not 3072 bits long.
  case wrongSize(bits: Int)
  /// The exponent is not 65537.
  case wrongExponent

  /// The rest of a sentence that begins with the file's name.
  public var description: String {
    switch self {
    case .notPEM: "is not PEM: there is no line \"-----BEGIN PUBLIC KEY-----\""
    case .privateKey: "holds a private key; give its public part (openssl rsa -pubout)"
    case .notRSA: "does not hold exactly one RSA public key"
    case .wrongSize(let bits): "holds an RSA key of \(bits) bits; images are signed with 3072"
    case .wrongExponent: "holds an RSA key whose exponent is not 65537, the only one that the loaders accept"
    }
  }
}
