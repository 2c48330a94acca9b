import Basics

/// What a loader knows of a signing key: SHA-384 of the 384 modulus bytes in the order of the sigstruct, which is
/// little-endian (pseamldr.md 3.5).
public struct KeyPin: Hashable, Sendable, CustomStringConvertible {
  /// The 48 bytes.
  public let bytes: [UInt8]

  /// The pin of the key with this modulus, `modulus` as the sigstruct stores it.
  public init(storedModulus modulus: some Collection<UInt8>) {
    bytes = ImageDigest.sha384(modulus)
  }

  /// The pin of 96 hexadecimal digits; nil for anything else.
  public init?(hexadecimal text: some StringProtocol) {
    guard let bytes = [UInt8](hexadecimal: text), bytes.count == ImageDigest.byteCount else { return nil }
    self.bytes = bytes
  }

  /// The pin of Intel's production key, with which all public releases are signed.
  public static let intel = KeyPin(bytes: [
    0xc8, 0x57, 0x2f, 0x54, 0x88, 0x69, 0xa0, 0xbe, 0xca, 0x19, 0x37, 0x6b, 0x81, 0xc2, 0xdf, 0xfc,
    0x2a, 0x23, 0xb5, 0xa5, 0xf7, 0x1d, 0xa0, 0xb8, 0x75, 0x79, 0xb4, 0x3f, 0x40, 0x8d, 0xaa, 0x1a,
    0x33, 0xba, 0xd9, 0xc1, 0x49, 0xeb, 0x56, 0xc6, 0x34, 0xf8, 0x83, 0x73, 0x79, 0x68, 0xa3, 0x4c,
  ])

  /// The pin of the key that ships with tdxfs: known, so that a machine starts without a look at that key.
  static let dev = KeyPin(bytes: [
    0x5a, 0x08, 0x4b, 0x9b, 0xa1, 0x07, 0x47, 0xd6, 0x0e, 0x25, 0x3d, 0x88, 0xb9, 0x48, 0xb1, 0xf4,
    0xf8, 0x17, 0xc2, 0x55, 0xe5, 0xa4, 0x10, 0x8e, 0x47, 0x65, 0x9b, 0x08, 0xa9, 0xce, 0x7e, 0x15,
    0xad, 0xd2, 0x64, 0x3f, 0x77, 0xe4, 0x63, 0xbf, 0x0e, 0xf5, 0x84, 0x44, 0xc4, 0x7e, 0xc5, 0x08,
  ])

  private init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// 96 hexadecimal digits.
  public var description: String { bytes.hexadecimal }
}

extension SEAMSigstruct {
  /// The pin of the key that the sigstruct names; it says nothing yet about the signature.
  public var keyPin: KeyPin { KeyPin(storedModulus: slice(Self.modulusRange)) }
}
