import CLibcrypto

/// The public half of an RSA key.
public struct RSAPublicKey: Sendable {
  private let key: KeyHandle

  /// The key of `modulus` and `exponent`, big-endian numbers. Any numbers make a key, also one that verifies nothing;
  /// nil only where libcrypto refuses to work.
  public init?(modulus: [UInt8], exponent: [UInt8]) {
    let n = BN_bin2bn(modulus, Int32(clamping: modulus.count), nil)
    let e = BN_bin2bn(exponent, Int32(clamping: exponent.count), nil)
    let builder = OSSL_PARAM_BLD_new()
    let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil)
    defer {
      EVP_PKEY_CTX_free(context)
      OSSL_PARAM_BLD_free(builder)
      BN_free(e)
      BN_free(n)
    }
    guard n != nil, e != nil, builder != nil, context != nil, clibcrypto_push_rsa(builder, n, e) == 1,
      let parameters = OSSL_PARAM_BLD_to_param(builder)
    else { return nil }
    defer { OSSL_PARAM_free(parameters) }
    var raw: OpaquePointer?
    guard EVP_PKEY_fromdata_init(context) == 1,
      EVP_PKEY_fromdata(context, &raw, clibcrypto_public_key, parameters) == 1, let raw
    else {
      ERR_clear_error()
      return nil
    }
    key = KeyHandle(raw)
  }

  /// The one key in the text `pem`, as SubjectPublicKeyInfo (`PUBLIC KEY`) or PKCS#1 (`RSA PUBLIC KEY`). Nil when there
  /// is no block, more than one, or what is in it is no RSA key.
  public init?(pem: String) {
    guard let block = PEMBlock.only(in: pem) else { return nil }
    let raw = block.bytes.withUnsafeBufferPointer { bytes -> OpaquePointer? in
      var position = bytes.baseAddress
      let count = bytes.count
      let found: OpaquePointer? =
        switch block.label {
        case "PUBLIC KEY": d2i_PUBKEY(nil, &position, count)
        case "RSA PUBLIC KEY": d2i_PublicKey(EVP_PKEY_RSA, nil, &position, count)
        case _: nil
        }
      guard let start = bytes.baseAddress, position == start + count else {
        EVP_PKEY_free(found)
        return nil
      }
      return found
    }
    ERR_clear_error()
    guard let raw else { return nil }
    let key = KeyHandle(raw)
    guard key.isRSA else { return nil }
    self.key = key
  }

  init(_ key: KeyHandle) { self.key = key }

  /// Length of the modulus in bits.
  public var bitCount: Int { Int(EVP_PKEY_get_bits(key.raw)) }
  /// The modulus, big-endian, without zeros before it.
  public var modulus: [UInt8] { key.number("n") }
  /// The public exponent, ditto.
  public var exponent: [UInt8] { key.number("e") }

  /// Whether `signature`, big-endian and as long as the modulus, is this key's over the SHA-384 of `message`, by PKCS#1
  /// v1.5.
  public func isValid(_ signature: [UInt8], of message: [UInt8]) -> Bool {
    let context = EVP_MD_CTX_new()
    defer {
      EVP_MD_CTX_free(context)
      ERR_clear_error()
    }
    return EVP_DigestVerifyInit_ex(context, nil, "SHA2-384", nil, nil, key.raw, nil) == 1
      && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
  }
}

/// `EVP_PKEY`, which several threads may use at a time.
final class KeyHandle: @unchecked Sendable {
  let raw: OpaquePointer

  /// Takes `raw` over.
  init(_ raw: OpaquePointer) { self.raw = raw }

  deinit { EVP_PKEY_free(raw) }

  var isRSA: Bool { EVP_PKEY_get_base_id(raw) == EVP_PKEY_RSA }

  /// The number that libcrypto calls `name`; empty when the key has none.
  func number(_ name: String) -> [UInt8] {
    var number: OpaquePointer?
    guard EVP_PKEY_get_bn_param(raw, name, &number) == 1 else { return [] }
    defer { BN_free(number) }
    let count = (Int(BN_num_bits(number)) + 7) / 8
    return [UInt8](unsafeUninitializedCapacity: count) { bytes, written in
      written = max(0, Int(BN_bn2bin(number, bytes.baseAddress)))
    }
  }
}
