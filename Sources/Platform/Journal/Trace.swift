import Basics
import DequeModule
import SEAM

/// The journal of a machine: every SEAMCALL, everything that happens to an upload, and what clients write, newest last. At
/// most ``Trace/capacity`` records, packed: a full trace takes a few MiB.
public struct Trace: Sendable {
  /// Records that are kept.
  public static let capacity = 65_536

  /// A value of a JSON member.
  public enum Value: Sendable {
    /// A string.
    case text(String)
    /// A number.
    case number(Int)
  }

  /// The text of an event.
  struct Note: Sendable, Equatable {
    /// Members of a JSON object, without its braces and the time.
    let text: String
    /// Tells most texts apart.
    let mix: UInt64

    init(text: String) {
      self.text = text
      // FNV-1a.
      mix = text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    static func == (one: Note, other: Note) -> Bool { one.mix == other.mix && one.text == other.text }
  }

  /// A run of writes to a binary attribute, each where the one before ended: one record for all of them.
  private struct DataRun: Sendable, Codable {
    var time: UInt64
    var file: String
    var offset: Int64
    var bytes: Int
    /// Bytes of each write but the last, which may be shorter.
    var chunk: Int
    var isOpen = true
  }

  /// The chunks that are full.
  private var full: Deque<TraceChunk> = []
  /// The one that grows.
  private var last = TraceChunk()
  private var known = KnownSayings()
  /// Records of the first chunk that are not shown any more.
  private var skipped = 0
  /// Records of all chunks.
  private var stored = 0
  private var dataRun: DataRun?
  /// Records that were ever appended, those that are not kept any more included.
  public private(set) var total = 0

  /// A trace of nothing.
  public init() {}

  private var chunks: [TraceChunk] { Array(full) + (last.count > 0 ? [last] : []) }

  /// Records that are there.
  public var count: Int { stored - skipped + (dataRun == nil ? 0 : 1) }

  /// Bytes that the records take.
  public var packedSize: Int { full.reduce(last.size) { $0 + $1.size } }

  // MARK: Appending

  /// Appends the SEAMCALL `record`, which began at `time` after power-on.
  public mutating func append(_ record: SEAMCALLRecord, time: UInt64) {
    closeDataRun()
    last.append(record, time: time, &known)
    appended()
  }

  /// Appends an event of `kind` at `time`.
  public mutating func note(_ kind: String, _ members: [(String, Value)] = [], time: UInt64) {
    note(Self.rendered(kind, members), time: time)
  }

  /// The text of an event of `kind`, for events that come often.
  static func rendered(_ kind: String, _ members: [(String, Value)]) -> Note {
    var text = "\"event\":\"\(kind)\""
    for (name, value) in members {
      switch value {
      case .text(let string): text += ",\"\(name)\":\"\(escaped(string))\""
      case .number(let number): text += ",\"\(name)\":\(number)"
      }
    }
    return Note(text: text)
  }

  /// Appends an event whose text was made by ``rendered(_:_:)``, at `time`.
  mutating func note(_ note: Note, time: UInt64) {
    closeDataRun()
    last.append(note, time: time, &known)
    appended()
  }

  /// Appends the event `read`, whose text is `note`, at `time`.
  mutating func note(_ read: TracedRead, _ note: @autoclosure () -> Note?, time: UInt64) {
    closeDataRun()
    if let number = known.number(of: read) {
      last.append(note: number, time: time)
    } else {
      guard let note = note() else { return }
      let number = last.append(note, time: time, &known)
      known.learn(read, number)
    }
    appended()
  }

  /// Appends a write of `count` bytes at `offset` of the binary attribute `file`. Writes that follow each other, all of the
  /// same size but the last, are one record.
  public mutating func data(_ file: String, offset: Int64, count: Int, time: UInt64) {
    if var run = dataRun, run.isOpen, run.file == file, run.offset &+ Int64(run.bytes) == offset, count <= run.chunk {
      run.bytes += count
      run.isOpen = count == run.chunk
      dataRun = run
      return
    }
    closeDataRun()
    total += 1
    dataRun = DataRun(time: time, file: file, offset: offset, bytes: count, chunk: count)
  }

  private mutating func closeDataRun() {
    guard dataRun != nil else { return }
    writeDataRun()
  }

  private mutating func writeDataRun() {
    guard let run = dataRun else { return }
    dataRun = nil
    total -= 1
    note("data", Self.members(of: run), time: run.time)
  }

  private static func members(of run: DataRun) -> [(String, Value)] {
    [
      ("file", .text(run.file)), ("offset", .number(Int(run.offset))), ("bytes", .number(run.bytes)),
      ("chunk", .number(run.chunk)),
    ]
  }

  private mutating func appended() {
    stored += 1
    total += 1
    if last.isFull {
      full.append(last.compact)
      last.removeAll()
      known.forgetAll()
    }
    guard count > Self.capacity else { return }
    skipped += 1
    if let first = full.first, skipped >= first.count {
      full.removeFirst()
      stored -= first.count
      skipped = 0
    }
  }

  // MARK: Reading

  /// The records as JSON lines.
  public var jsonLines: [UInt8] {
    var whole = self
    whole.closeDataRun()
    var lines: [UInt8] = []
    var toSkip = whole.skipped
    for chunk in whole.chunks {
      chunk.forEachLine(skipping: toSkip) { lines.append(contentsOf: $0.utf8) }
      toSkip = 0
    }
    return lines
  }

  /// `text` with the characters that JSON strings can't hold replaced by their escapes.
  public static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case let control where control.value < 0x20:
        result += "\\u" + UInt16(control.value).paddedHexadecimal
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

extension Trace: Codable {
  private enum Key: CodingKey {
    case chunks, skipped, dataRun, total
  }

  /// The packed records, chunk by chunk.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(chunks.map(\.archived), forKey: .chunks)
    try container.encode(skipped, forKey: .skipped)
    try container.encode(dataRun, forKey: .dataRun)
    try container.encode(total, forKey: .total)
  }

  /// Reads what ``encode(to:)`` wrote.
  public init(from decoder: any Decoder) throws {
    self.init()
    let container = try decoder.container(keyedBy: Key.self)
    let archived = try container.decode([TraceChunk.Archived].self, forKey: .chunks)
    for (index, one) in archived.enumerated() {
      let chunk = try TraceChunk(one, &known)
      stored += chunk.count
      if chunk.isFull {
        full.append(chunk)
        known.forgetAll()
      } else {
        try ArchiveCheck.require(index == archived.count - 1, "a chunk of the trace is not full")
        last = chunk
      }
    }
    skipped = try container.decode(Int.self, forKey: .skipped)
    try ArchiveCheck.range(
      skipped, 0...max(0, (archived.first?.count ?? 1) - 1), "the records of the trace that are gone")
    dataRun = try container.decode(DataRun?.self, forKey: .dataRun)
    if let dataRun {
      try ArchiveCheck.range(dataRun.bytes, 0...Self.most, "the bytes of a run of writes")
      try ArchiveCheck.range(dataRun.chunk, 0...Self.most, "the bytes of a write")
    }
    // A run of writes that goes on comes on top.
    try ArchiveCheck.range(count, 0...(Self.capacity + 1), "the records of the trace")
    total = try container.decode(Int.self, forKey: .total)
    try ArchiveCheck.range(total, count...Self.most, "the number of records that the trace has had")
  }

  /// More than anybody ever counts.
  private static let most = 1 << 60

  /// Changes whenever something is appended.
  var position: [Int] { [total, dataRun?.bytes ?? 0] }
}
