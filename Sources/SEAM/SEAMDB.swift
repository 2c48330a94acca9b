/// The CPU's table of the modules that were loaded since the last LOAD, reached
/// with SEAMOPS (pseamldr.md 3.6). Each module load appends one entry.
public struct SEAMDB: Sendable, Equatable, Codable {
  /// One module load.
  public struct Entry: Sendable, Equatable, Codable {
    /// The identity that was loaded.
    public var info: SEAMInfo
    // Four fields and no array: a table can have 65,536 entries.
    private let nonce0, nonce1, nonce2, nonce3: UInt64

    /// 256-bit nonce drawn at insertion, as four words.
    public var nonce: [UInt64] { [nonce0, nonce1, nonce2, nonce3] }

    /// The load of `info`, told apart by `nonce`, of which missing words are 0.
    public init(info: SEAMInfo, nonce: [UInt64]) {
      func word(_ index: Int) -> UInt64 { nonce.indices.contains(index) ? nonce[index] : 0 }
      self.info = info
      (nonce0, nonce1, nonce2, nonce3) = (word(0), word(1), word(2), word(3))
    }
  }

  /// Why SEAMOPS SEAMDB_INSERT failed.
  public enum InsertError: Error, Equatable, Sendable {
    /// Status 2: RDRAND gave nothing.
    case noEntropy
    /// Status 3: the table is full.
    case full
  }

  /// How many entries there can be.
  public let size: Int
  /// The loads, oldest first.
  public private(set) var entries: [Entry] = []

  /// An empty table of `size` entries.
  public init(size: Int) {
    self.size = size
  }

  /// How many more loads can be recorded.
  public var room: Int { max(0, size - entries.count) }

  /// SEAMOPS leaf 2, SEAMDB_CLEAR.
  public mutating func clear() { entries.removeAll() }

  /// SEAMOPS leaf 3, SEAMDB_INSERT: appends the load of `info` with a fresh nonce.
  public mutating func insert(_ info: SEAMInfo, entropy: inout Entropy) throws(InsertError) {
    guard room > 0 else { throw .full }
    var nonce: [UInt64] = []
    while nonce.count < 4 {
      guard let word = entropy.rdrand() else { throw .noEntropy }
      nonce.append(word)
    }
    // The same identity once more shares the bytes of the one before.
    let known = entries.last.map(\.info)
    entries.append(Entry(info: known == info ? known ?? info : info, nonce: nonce))
  }

  /// SEAMOPS leaf 4, SEAMDB_GETREF: index and nonce of the newest entry; nil when the table is empty.
  public var newestReference: (index: Int, nonce: [UInt64])? {
    entries.last.map { (entries.count - 1, $0.nonce) }
  }
}
