/// The emulated kernel's ring buffer, as `dmesg` and `/dev/kmsg` show it. A value: a copy is a snapshot.
public struct KernelLog: Sendable {
  /// `KERN_*` levels.
  public enum Level: UInt8, Sendable {
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
