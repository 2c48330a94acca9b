import CLibcrypto

/// SHA-384 by libcrypto. A value: a copy goes on for itself.
///
/// Where libcrypto refuses to work (a FIPS module that did not start, no memory) the digest is empty, which equals no
/// digest that anybody expects.
public struct SHA384: Sendable {
  /// Length of a digest in bytes.
  public static let byteCount = 48

  private var context = Context()

  /// The hash of nothing yet.
  public init() {}

  /// Adds the bytes of `buffer`.
  public mutating func update(_ buffer: UnsafeRawBufferPointer) {
    if !isKnownUniquelyReferenced(&context) { context = Context(copying: context) }
    context.update(buffer)
  }

  /// The digest of everything that was added. More can be added afterwards.
  public func finalize() -> [UInt8] { Context(copying: context).finish() }

  /// The digest of the bytes of `buffer`.
  public static func digest(of buffer: UnsafeRawBufferPointer) -> [UInt8] {
    let context = Context()
    context.update(buffer)
    return context.finish()
  }

  /// `EVP_MD_CTX`. Only changed by who holds the one reference.
  private final class Context: @unchecked Sendable {
    private let raw = EVP_MD_CTX_new()
    private var isUsable: Bool

    init() {
      isUsable = raw != nil && EVP_DigestInit_ex2(raw, Algorithm.sha384.raw, nil) == 1
    }

    init(copying other: Context) {
      isUsable = other.isUsable && raw != nil && EVP_MD_CTX_copy_ex(raw, other.raw) == 1
    }

    deinit { EVP_MD_CTX_free(raw) }

    func update(_ buffer: UnsafeRawBufferPointer) {
      guard isUsable, let start = buffer.baseAddress else { return }
      isUsable = EVP_DigestUpdate(raw, start, buffer.count) == 1
    }

    /// Ends the hash; the context is used up.
    func finish() -> [UInt8] {
      defer { isUsable = false }
      guard isUsable else { return [] }
      return [UInt8](unsafeUninitializedCapacity: SHA384.byteCount) { digest, count in
        count = EVP_DigestFinal_ex(raw, digest.baseAddress, nil) == 1 ? SHA384.byteCount : 0
      }
    }
  }
}

/// `EVP_MD`, fetched once: looking it up costs more than hashing a short text.
struct Algorithm: @unchecked Sendable {
  let raw: OpaquePointer?

  static let sha384 = Algorithm(raw: EVP_MD_fetch(nil, "SHA2-384", nil))
}
