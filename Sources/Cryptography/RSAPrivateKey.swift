import CLibcrypto

/// An RSA key pair.
public struct RSAPrivateKey: Sendable {
  private let key: KeyHandle

  /// The one key in the text `pem`, by PKCS#1 (`RSA PRIVATE KEY`); nil for anything else.
  public init?(pem: String) {
    guard let block = PEMBlock.only(in: pem), block.label == "RSA PRIVATE KEY" else { return nil }
    let raw = block.bytes.withUnsafeBufferPointer { bytes -> OpaquePointer? in
      var position = bytes.baseAddress
      return d2i_PrivateKey(EVP_PKEY_RSA, nil, &position, bytes.count)
    }
    ERR_clear_error()
    guard let raw else { return nil }
    key = KeyHandle(raw)
  }

  /// The public half.
  public var publicKey: RSAPublicKey { RSAPublicKey(key) }

  /// The signature of the SHA-384 of `message` by PKCS#1 v1.5, big-endian and as long as the modulus; the same for the
  /// same message every time. Nil only where libcrypto refuses to work.
  public func sign(_ message: [UInt8]) -> [UInt8]? {
    let context = EVP_MD_CTX_new()
    defer {
      EVP_MD_CTX_free(context)
      ERR_clear_error()
    }
    guard EVP_DigestSignInit_ex(context, nil, "SHA2-384", nil, nil, key.raw, nil) == 1 else { return nil }
    var signature = [UInt8](repeating: 0, count: max(0, Int(EVP_PKEY_get_size(key.raw))))
    var count = signature.count
    guard EVP_DigestSign(context, &signature, &count, message, message.count) == 1, count == signature.count else {
      return nil
    }
    return signature
  }
}
