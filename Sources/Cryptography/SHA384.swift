import CLibcrypto

/// SHA-384 by libcrypto. A plain value: a copy goes on for itself, and a hash under way can be put into an archive.
public struct SHA384: Sendable {
  /// Length of a digest in bytes.
  public static let byteCount = 48

  private var context = SHA512_CTX()

  /// The hash of nothing yet.
  public init() {
    SHA384_Init(&context)
  }

  /// Adds the bytes of `buffer`.
  public mutating func update(_ buffer: UnsafeRawBufferPointer) {
    guard let start = buffer.baseAddress else { return }
    SHA384_Update(&context, start, buffer.count)
  }

  /// The digest of everything that was added. More can be added afterwards.
  public func finalize() -> [UInt8] {
    var context = context
    return [UInt8](unsafeUninitializedCapacity: Self.byteCount) { digest, count in
      SHA384_Final(digest.baseAddress, &context)
      count = Self.byteCount
    }
  }

  /// The digest of the bytes of `buffer`.
  public static func digest(of buffer: UnsafeRawBufferPointer) -> [UInt8] {
    var hash = SHA384()
    hash.update(buffer)
    return hash.finalize()
  }

  /// The digest of `bytes`.
  public static func digest(of bytes: some Sequence<UInt8>) -> [UInt8] {
    Array(bytes).withUnsafeBytes { digest(of: $0) }
  }
}

extension SHA384: Codable {
  private enum Key: CodingKey {
    case state, low, high, rest
  }

  /// Bytes of a block.
  private static let blockSize = 128

  /// The eight words, the number of bits so far, and the bytes of the block that is not full yet.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    var context = context
    try container.encode(withUnsafeBytes(of: &context.h) { Array($0.bindMemory(to: UInt64.self)) }, forKey: .state)
    try container.encode(UInt64(context.Nl), forKey: .low)
    try container.encode(UInt64(context.Nh), forKey: .high)
    let count = min(Int(context.num), Self.blockSize)
    try container.encode(withUnsafeBytes(of: &context.u) { Array($0.prefix(count)) }, forKey: .rest)
  }

  /// A hash that was under way. An error where the parts are no state that a hash can have.
  public init(from decoder: any Decoder) throws {
    self.init()
    let container = try decoder.container(keyedBy: Key.self)
    let state = try container.decode([UInt64].self, forKey: .state)
    let rest = try container.decode([UInt8].self, forKey: .rest)
    let low = try container.decode(UInt64.self, forKey: .low)
    guard state.count == 8, rest.count < Self.blockSize, low / 8 % UInt64(Self.blockSize) == UInt64(rest.count) else {
      throw DecodingError.dataCorruptedError(forKey: .state, in: container, debugDescription: "no state of SHA-384")
    }
    withUnsafeMutableBytes(of: &context.h) { words in state.withUnsafeBytes { words.copyMemory(from: $0) } }
    withUnsafeMutableBytes(of: &context.u) { block in rest.withUnsafeBytes { block.copyMemory(from: $0) } }
    context.Nl = low
    context.Nh = try container.decode(UInt64.self, forKey: .high)
    context.num = UInt32(rest.count)
  }
}
