import Cryptography

/// SHA-384, the one hash of the update flow: SEAMHASH over the image's pages, the key pin, the signed bytes.
///
/// It takes the pages one after the other, as the P-SEAMLDR copies them (pseamldr.md 3.4 B2).
public struct ImageDigest: Sendable {
  /// Length of a digest in bytes.
  public static let byteCount = SHA384.byteCount

  private var hash = SHA384()

  /// The digest of nothing yet.
  public init() {}

  /// Adds `bytes`.
  public mutating func update(_ bytes: some Collection<UInt8>) {
    if bytes.withContiguousStorageIfAvailable({ hash.update(UnsafeRawBufferPointer($0)) }) == nil {
      Array(bytes).withUnsafeBytes { hash.update($0) }
    }
  }

  /// Adds the bytes of `buffer`.
  public mutating func update(buffer: UnsafeRawBufferPointer) {
    hash.update(buffer)
  }

  /// The 48 bytes of the digest of everything that was added. More can be added afterwards.
  public func finalize() -> [UInt8] {
    hash.finalize()
  }

  /// The SHA-384 of `bytes`.
  public static func sha384(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var digest = ImageDigest()
    digest.update(bytes)
    return digest.finalize()
  }
}
