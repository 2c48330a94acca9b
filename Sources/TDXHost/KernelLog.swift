import Basics

/// The emulated kernel's ring buffer, as `dmesg` and `/dev/kmsg` show it. A value: a copy is a snapshot.
public struct KernelLog: Sendable {
  /// `KERN_*` levels.
  public enum Level: UInt8, Sendable, Codable {
    /// `KERN_ERR`
    case error = 3
    /// `KERN_WARNING`
    case warning = 4
    /// `KERN_NOTICE`
    case notice = 5
    /// `KERN_INFO`
    case info = 6
  }

  /// One line.
  public struct Record: Equatable, Sendable {
    /// Number of the record since power-on, from 0.
    public let sequence: UInt64
    /// Microseconds since power-on.
    public let microseconds: UInt64
    /// Level.
    public let level: Level
    /// The text, prefix included, without newline.
    public let text: String

    /// `[%5lu.%06lu] text`, as `dmesg` prints it.
    public var line: String {
      let seconds = String(microseconds / 1_000_000)
      let fraction = String(microseconds % 1_000_000)
      return "[" + String(repeating: " ", count: max(0, 5 - seconds.count)) + seconds + "."
        + String(repeating: "0", count: max(0, 6 - fraction.count)) + fraction + "] " + text
    }

    /// A record of `/dev/kmsg`: `prio,seq,usec,-;text`, where prio is the level (facility 0, kern).
    public var kmsg: String { "\(level.rawValue),\(sequence),\(microseconds),-;\(text)" }
  }

  /// The most records that are kept; then the oldest eighth goes, where the kernel's buffer overwrites them one by one.
  public static let capacity = 8192

  /// Lines that go together when there are too many.
  private struct Block: Sendable {
    static let capacity = KernelLog.capacity / 8

    var texts = RepeatedTexts()
    /// Level, time and number of the text of one record after the other, packed.
    var packed = Packer()
    var count = 0

    /// Nothing follows: gives up the room that is for more.
    mutating func close() {
      texts.close()
      packed = Packer(packed.bytes.withUnsafeBytes { Array($0) })
    }
  }

  /// Thousands of small strings would be larger, and would leave holes all over the heap.
  private var blocks: [Block] = []
  private var count = 0
  private var nextSequence: UInt64 = 0
  /// Gives microseconds since power-on.
  public var now: @Sendable () -> UInt64

  /// An empty log; `now` gives microseconds since power-on.
  public init(now: @escaping @Sendable () -> UInt64) {
    self.now = now
  }

  /// Appends `text` as one record.
  public mutating func append(_ level: Level, _ text: String) {
    append(level, text, microseconds: now())
    nextSequence &+= 1
  }

  private mutating func append(_ level: Level, _ text: String, microseconds: UInt64) {
    if count >= Self.capacity, !blocks.isEmpty { count -= blocks.removeFirst().count }
    if blocks.last.map({ $0.count >= Block.capacity }) ?? true { blocks.append(Block()) }
    let last = blocks.count - 1
    let number = blocks[last].texts.number(of: text)
    blocks[last].packed.append(UInt64(level.rawValue))
    blocks[last].packed.append(microseconds)
    blocks[last].packed.append(number)
    blocks[last].count += 1
    count += 1
    if blocks[last].count >= Block.capacity { blocks[last].close() }
  }

  /// The records that are still there, oldest first.
  public var records: [Record] {
    var records: [Record] = []
    records.reserveCapacity(count)
    // Lines go from the front only, so they are numbered without gaps.
    var sequence = nextSequence &- UInt64(count)
    for block in blocks {
      let texts = block.texts.all
      var unpacker = Unpacker(block.packed.bytes)
      // Nothing throws: the bytes were packed here.
      while !unpacker.isAtEnd, let level = try? Level(unpacker: &unpacker), let time = try? unpacker.number(),
        let number = try? unpacker.number(as: Int.self), number < texts.count
      {
        records.append(Record(sequence: sequence, microseconds: time, level: level, text: texts[number]))
        sequence &+= 1
      }
    }
    return records
  }

  /// All lines, each with its newline.
  public var text: String { records.map { $0.line + "\n" }.joined() }
}

extension KernelLog: Codable {
  private enum Key: CodingKey {
    case nextSequence, records
  }

  /// The records, packed: level, time, text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(nextSequence, forKey: .nextSequence)
    var packed = Packer()
    for record in records { packed.append(record) }
    try container.encode(packed.bytes, forKey: .records)
  }

  /// Reads what ``encode(to:)`` wrote. Its clock stands still until ``now`` is set.
  public init(from decoder: any Decoder) throws {
    self.init(now: { 0 })
    let container = try decoder.container(keyedBy: Key.self)
    nextSequence = try container.decode(UInt64.self, forKey: .nextSequence)
    var unpacker = Unpacker(try container.decode([UInt8].self, forKey: .records))
    var lines = 0
    while !unpacker.isAtEnd {
      let level = try Level(unpacker: &unpacker)
      let microseconds = try unpacker.number()
      append(level, try unpacker.text(), microseconds: microseconds)
      lines += 1
    }
    try ArchiveCheck.range(lines, 0...Self.capacity, "the number of lines of the kernel log")
    try ArchiveCheck.require(nextSequence >= UInt64(lines), "the number of the kernel log's last line")
  }
}

extension KernelLog.Level {
  fileprivate init(unpacker: inout Unpacker) throws(ArchiveError) {
    guard let level = Self(rawValue: try unpacker.number(as: UInt8.self)) else {
      throw ArchiveError("a line of the kernel log has no level that there is")
    }
    self = level
  }
}

extension Packer {
  fileprivate mutating func append(_ record: KernelLog.Record) {
    append(UInt64(record.level.rawValue))
    append(record.microseconds)
    append(record.text)
  }
}
