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

  /// Level, time and text of one record after the other, packed: thousands of small strings would be larger, and would
  /// leave holes all over the heap.
  private var packed = Packer()
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
    if count >= Self.capacity { forgetOldest() }
    packed.append(Record(sequence: nextSequence, microseconds: now(), level: level, text: text))
    count += 1
    nextSequence &+= 1
  }

  /// An eighth of the records goes at once.
  private mutating func forgetOldest() {
    var unpacker = Unpacker(packed.bytes)
    for _ in 0..<(Self.capacity / 8) { _ = try? Self.next(&unpacker) }
    var kept = Packer()
    kept.append(bytes: packed.bytes[unpacker.position...])
    packed = kept
    count -= Self.capacity / 8
  }

  /// The records that are still there, oldest first.
  public var records: [Record] {
    // Lines go from the front only, so they are numbered without gaps. Nothing throws: the bytes were packed here.
    (try? Self.unpack(packed.bytes, last: nextSequence)) ?? []
  }

  private static func next(_ unpacker: inout Unpacker) throws -> Record {
    guard let level = Level(rawValue: try unpacker.number(as: UInt8.self)) else {
      throw ArchiveError("a line of the kernel log has no level that there is")
    }
    let microseconds = try unpacker.number()
    return Record(sequence: 0, microseconds: microseconds, level: level, text: try unpacker.text())
  }

  private static func unpack(_ bytes: [UInt8], last nextSequence: UInt64) throws -> [Record] {
    var records: [Record] = []
    var unpacker = Unpacker(bytes)
    while !unpacker.isAtEnd { records.append(try next(&unpacker)) }
    try ArchiveCheck.range(records.count, 0...Self.capacity, "the number of lines of the kernel log")
    try ArchiveCheck.require(nextSequence >= UInt64(records.count), "the number of the kernel log's last line")
    let first = nextSequence - UInt64(records.count)
    for index in records.indices { records[index] = records[index].numbered(first &+ UInt64(index)) }
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
    try container.encode(packed.bytes, forKey: .records)
  }

  /// Reads what ``encode(to:)`` wrote. Its clock stands still until ``now`` is set.
  public init(from decoder: any Decoder) throws {
    self.init(now: { 0 })
    let container = try decoder.container(keyedBy: Key.self)
    nextSequence = try container.decode(UInt64.self, forKey: .nextSequence)
    let bytes = try container.decode([UInt8].self, forKey: .records)
    count = try Self.unpack(bytes, last: nextSequence).count
    packed.append(bytes: bytes)
  }
}

extension Packer {
  fileprivate mutating func append(_ record: KernelLog.Record) {
    append(UInt64(record.level.rawValue))
    append(record.microseconds)
    append(record.text)
  }
}

extension KernelLog.Record {
  fileprivate func numbered(_ sequence: UInt64) -> Self {
    Self(sequence: sequence, microseconds: microseconds, level: level, text: text)
  }
}
