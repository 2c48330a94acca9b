import CLibcrypto

/// AES-256-GCM by libcrypto (NIST SP 800-38D): 32 bytes of key, 12 of nonce, 16 of tag.
public enum AES256GCM {
  /// Length of a key in bytes.
  public static let keySize = 32
  /// Length of a nonce in bytes.
  public static let nonceSize = 12
  /// Length of a tag in bytes.
  public static let tagSize = 16

  /// Encrypts `bytes`; `aad` is authenticated with them. Nil for a key or a nonce of another length, and where libcrypto
  /// refuses to work.
  public static func seal(
    _ bytes: [UInt8], aad: [UInt8], key: [UInt8], nonce: [UInt8]
  ) -> (ciphertext: [UInt8], tag: [UInt8])? {
    guard let context = Context(isEncrypting: true, key: key, nonce: nonce), context.authenticate(aad),
      let ciphertext = context.update(bytes), context.finish(), let tag = context.tag
    else { return nil }
    return (ciphertext, tag)
  }

  /// Decrypts `bytes`. Nil when `tag` is not theirs and `aad`'s, for parts of another length, and where libcrypto refuses to
  /// work.
  public static func open(
    _ bytes: [UInt8], tag: [UInt8], aad: [UInt8], key: [UInt8], nonce: [UInt8]
  ) -> [UInt8]? {
    guard tag.count == tagSize, let context = Context(isEncrypting: false, key: key, nonce: nonce),
      context.authenticate(aad), let plain = context.update(bytes), context.expect(tag), context.finish()
    else { return nil }
    return plain
  }

  /// `EVP_CIPHER_CTX`.
  private final class Context {
    private let raw: OpaquePointer

    init?(isEncrypting: Bool, key: [UInt8], nonce: [UInt8]) {
      guard key.count == AES256GCM.keySize, nonce.count == AES256GCM.nonceSize, let raw = EVP_CIPHER_CTX_new() else {
        return nil
      }
      self.raw = raw
      guard EVP_CipherInit_ex(raw, EVP_aes_256_gcm(), nil, key, nonce, isEncrypting ? 1 : 0) == 1 else { return nil }
    }

    deinit {
      EVP_CIPHER_CTX_free(raw)
      ERR_clear_error()
    }

    func authenticate(_ aad: [UInt8]) -> Bool {
      guard let count = Int32(exactly: aad.count) else { return false }
      var written: Int32 = 0
      return count == 0 || EVP_CipherUpdate(raw, nil, &written, aad, count) == 1
    }

    func update(_ bytes: [UInt8]) -> [UInt8]? {
      guard let count = Int32(exactly: bytes.count) else { return nil }
      guard count > 0 else { return [] }
      var written: Int32 = 0
      var result = [UInt8](repeating: 0, count: bytes.count)
      guard EVP_CipherUpdate(raw, &result, &written, bytes, count) == 1, written == count else { return nil }
      return result
    }

    func expect(_ tag: [UInt8]) -> Bool {
      var tag = tag
      return EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_AEAD_SET_TAG, Int32(AES256GCM.tagSize), &tag) == 1
    }

    func finish() -> Bool {
      var written: Int32 = 0
      // GCM writes nothing at the end.
      var rest = [UInt8](repeating: 0, count: AES256GCM.tagSize)
      return EVP_CipherFinal_ex(raw, &rest, &written) == 1
    }

    var tag: [UInt8]? {
      var tag = [UInt8](repeating: 0, count: AES256GCM.tagSize)
      return EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_AEAD_GET_TAG, Int32(AES256GCM.tagSize), &tag) == 1 ? tag : nil
    }
  }
}
