import Basics

/// The CPU's table of the modules that were loaded since the last LOAD, reached
/// with SEAMOPS (pseamldr.md 3.6). Each module load appends one entry.
public struct SEAMDB: Sendable, Equatable, Codable {
  /// One module load.
  public struct Entry: Sendable, Equatable, Codable {
    /// The identity that was loaded.
    public var info: SEAMInfo
    /// 256-bit nonce drawn at insertion, as four words.
    public var nonce: [UInt64]
  }

  /// One nonce. Four fields and no array: a table can have 65,536 entries.
  private struct Nonce: Sendable, Equatable, Codable {
    let word0, word1, word2, word3: UInt64

    var words: [UInt64] { [word0, word1, word2, word3] }
  }

  /// Loads of one identity that followed each other.
  private struct Run: Sendable, Equatable, Codable {
    var info: SEAMInfo
    /// Number of the first one.
    var start: Int
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
  /// What was loaded, oldest first; the same module over and over takes no room of its own.
  private var runs: [Run] = []
  /// The nonce of each load.
  private var nonces: [Nonce] = []

  /// An empty table of `size` entries.
  public init(size: Int) {
    self.size = size
  }

  /// The loads, oldest first.
  public var entries: [Entry] { nonces.indices.compactMap { self[$0] } }

  /// Loads that were recorded.
  public var count: Int { nonces.count }

  /// The load number `index`, from 0 for the oldest; nil when there is none.
  public subscript(index: Int) -> Entry? {
    guard nonces.indices.contains(index), let run = runs.last(where: { $0.start <= index }) else { return nil }
    return Entry(info: run.info, nonce: nonces[index].words)
  }

  /// How many more loads can be recorded.
  public var room: Int { max(0, size - count) }

  /// SEAMOPS leaf 2, SEAMDB_CLEAR.
  public mutating func clear() {
    runs.removeAll()
    nonces.removeAll()
  }

  /// SEAMOPS leaf 3, SEAMDB_INSERT: appends the load of `info` with a fresh nonce.
  public mutating func insert(_ info: SEAMInfo, entropy: inout Entropy) throws(InsertError) {
    guard room > 0 else { throw .full }
    func word() throws(InsertError) -> UInt64 {
      guard let word = entropy.rdrand() else { throw .noEntropy }
      return word
    }
    let nonce = Nonce(word0: try word(), word1: try word(), word2: try word(), word3: try word())
    if runs.last?.info != info { runs.append(Run(info: info, start: nonces.count)) }
    nonces.append(nonce)
  }

  /// Whether it is a table of `size` entries.
  func check(size: Int) throws(ArchiveError) {
    try ArchiveCheck.require(self.size == size, "a SEAMDB of \(self.size) entries, not \(size)")
    try ArchiveCheck.range(count, 0...max(0, size), "the number of entries of the SEAMDB")
    for (index, run) in runs.enumerated() {
      let isInOrder = index == 0 ? run.start == 0 : run.start > runs[index - 1].start
      try ArchiveCheck.require(isInOrder && run.start < count, "the order of the SEAMDB's entries")
      try run.info.check()
    }
    try ArchiveCheck.require(runs.isEmpty == nonces.isEmpty, "an entry of the SEAMDB without an identity")
  }

  /// SEAMOPS leaf 4, SEAMDB_GETREF: index and nonce of the newest entry; nil when the table is empty.
  public var newestReference: (index: Int, nonce: [UInt64])? {
    nonces.last.map { (count - 1, $0.words) }
  }
}
