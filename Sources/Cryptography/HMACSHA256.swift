import CLibcrypto

/// HMAC-SHA-256 by libcrypto (RFC 2104).
public enum HMACSHA256 {
  /// Length of a code in bytes.
  public static let byteCount = 32

  /// The code of `message` under `key`. Empty where libcrypto refuses to work, which equals no code that anybody expects.
  public static func code(of message: some Sequence<UInt8>, key: [UInt8]) -> [UInt8] {
    let message = Array(message)
    return [UInt8](unsafeUninitializedCapacity: byteCount) { code, count in
      var length: UInt32 = 0
      let result = HMAC(
        Algorithm.sha256.raw, key, Int32(clamping: key.count), message, message.count, code.baseAddress, &length)
      count = result != nil && length == UInt32(byteCount) ? byteCount : 0
    }
  }
}

/// `EVP_MD`, fetched once: looking it up costs more than hashing a short text.
struct Algorithm: @unchecked Sendable {
  let raw: OpaquePointer?

  static let sha256 = Algorithm(raw: EVP_MD_fetch(nil, "SHA2-256", nil))
}
