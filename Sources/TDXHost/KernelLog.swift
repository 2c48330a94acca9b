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

  /// Records that are kept; older ones are overwritten, as in the kernel's buffer.
  public static let capacity = 8192

  /// The records that are still there, oldest first.
  public private(set) var records: [Record] = []
  private var nextSequence: UInt64 = 0
  /// Gives microseconds since power-on.
  public var now: @Sendable () -> UInt64

  /// An empty log; `now` gives microseconds since power-on.
  public init(now: @escaping @Sendable () -> UInt64) {
    self.now = now
  }

  /// Appends `text` as one record.
  public mutating func append(_ level: Level, _ text: String) {
    if records.count >= Self.capacity { records.removeFirst(Self.capacity / 8) }
    records.append(Record(sequence: nextSequence, microseconds: now(), level: level, text: text))
    nextSequence &+= 1
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
    var packer = Packer()
    for record in records {
      packer.append(UInt64(record.level.rawValue))
      packer.append(record.microseconds)
      packer.append(record.text)
    }
    try container.encode(packer.bytes, forKey: .records)
  }

  /// Reads what ``encode(to:)`` wrote. Its clock stands still until ``now`` is set.
  public init(from decoder: any Decoder) throws {
    self.init(now: { 0 })
    let container = try decoder.container(keyedBy: Key.self)
    nextSequence = try container.decode(UInt64.self, forKey: .nextSequence)
    var unpacker = Unpacker(try container.decode([UInt8].self, forKey: .records))
    while !unpacker.isAtEnd {
      guard let level = Level(rawValue: try unpacker.number(as: UInt8.self)) else {
        throw ArchiveError("a line of the kernel log has no level that there is")
      }
      let microseconds = try unpacker.number()
      records.append(Record(sequence: 0, microseconds: microseconds, level: level, text: try unpacker.text()))
    }
    try ArchiveCheck.range(records.count, 0...Self.capacity, "the number of lines of the kernel log")
    try ArchiveCheck.require(nextSequence >= UInt64(records.count), "the number of the kernel log's last line")
    // Lines go from the front only, so they are numbered without gaps.
    let first = nextSequence - UInt64(records.count)
    for index in records.indices { records[index] = records[index].numbered(first &+ UInt64(index)) }
  }
}

extension KernelLog.Record {
  fileprivate func numbered(_ sequence: UInt64) -> Self {
    Self(sequence: sequence, microseconds: microseconds, level: level, text: text)
  }
}
