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

  /// So many records are packed into one buffer, and go together.
  private static let chunkSize = 512

  private struct Chunk: Sendable {
    var bytes = PackedBytes()
    var count = 0

    /// An empty chunk, with room for what most take: growing would leave holes in the heap.
    static var empty: Chunk {
      var chunk = Chunk()
      chunk.bytes.reserve(24 * Trace.chunkSize)
      return chunk
    }
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

  private var chunks: Deque<Chunk> = []
  /// Records of the first chunk that are not shown any more.
  private var skipped = 0
  /// Records of all chunks.
  private var stored = 0
  private var dataRun: DataRun?
  /// Records that were ever appended, those that are not kept any more included.
  public private(set) var total = 0

  /// A trace of nothing.
  public init() {}

  /// Records that are there.
  public var count: Int { stored - skipped + (dataRun == nil ? 0 : 1) }

  /// Bytes that the records take.
  public var packedSize: Int { chunks.reduce(0) { $0 + $1.bytes.bytes.count } }

  // MARK: Appending

  /// Appends the SEAMCALL `record`, which began at `time` after power-on.
  public mutating func append(_ record: SEAMCALLRecord, time: UInt64) {
    append { bytes in
      bytes.append(Kind.seamcall.rawValue)
      bytes.append(time)
      bytes.append(record.duration)
      bytes.append(UInt64(clamping: record.lp))
      bytes.append(record.input, changedFrom: Registers(rax: 0))
      switch record.result {
      case .returned(let registers):
        bytes.append(Outcome.returned.rawValue)
        bytes.append(registers, changedFrom: record.input)
      case .vmFailInvalid: bytes.append(Outcome.vmFailInvalid.rawValue)
      case .generalProtection: bytes.append(Outcome.generalProtection.rawValue)
      case .invalidOpcode: bytes.append(Outcome.invalidOpcode.rawValue)
      }
      bytes.append(record.plans.isEmpty ? "" : record.plans.joined(separator: ","))
    }
  }

  /// Appends an event of `kind` at `time`.
  public mutating func note(_ kind: String, _ members: [(String, Value)] = [], time: UInt64) {
    note(rendered: Self.rendered(kind, members), time: time)
  }

  /// The text of an event of `kind`, for events that come often.
  static func rendered(_ kind: String, _ members: [(String, Value)]) -> String {
    var text = "\"event\":\"\(kind)\""
    for (name, value) in members {
      switch value {
      case .text(let string): text += ",\"\(name)\":\"\(escaped(string))\""
      case .number(let number): text += ",\"\(name)\":\(number)"
      }
    }
    return text
  }

  /// Appends an event whose text was made by ``rendered(_:_:)``, at `time`.
  mutating func note(rendered text: String, time: UInt64) {
    append { bytes in
      bytes.append(Kind.note.rawValue)
      bytes.append(time)
      bytes.append(text)
    }
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

  private mutating func append(_ pack: (inout PackedBytes) -> Void) {
    closeDataRun()
    if chunks.last.map({ $0.count >= Self.chunkSize }) ?? true { chunks.append(.empty) }
    let last = chunks.count - 1
    pack(&chunks[last].bytes)
    chunks[last].count += 1
    stored += 1
    total += 1
    guard count > Self.capacity else { return }
    skipped += 1
    if let first = chunks.first, skipped >= first.count {
      chunks.removeFirst()
      stored -= first.count
      skipped = 0
    }
  }

  // MARK: Reading

  enum Kind: UInt8 {
    case seamcall = 0
    case note = 1
  }

  enum Outcome: UInt8 {
    case returned = 0
    case vmFailInvalid = 1
    case generalProtection = 2
    case invalidOpcode = 3

    var name: String {
      switch self {
      case .returned: ""
      case .vmFailInvalid: "VMfailInvalid"
      case .generalProtection: "#GP"
      case .invalidOpcode: "#UD"
      }
    }
  }

  /// The records as JSON lines.
  public var jsonLines: [UInt8] {
    var whole = self
    whole.closeDataRun()
    var lines: [UInt8] = []
    var toSkip = whole.skipped
    for chunk in whole.chunks {
      var reader = PackedReader(bytes: chunk.bytes.bytes)
      for _ in 0..<chunk.count {
        guard let line = reader.line() else { break }
        if toSkip > 0 {
          toSkip -= 1
          continue
        }
        lines.append(contentsOf: line.utf8)
        lines.append(UInt8(ascii: "\n"))
      }
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
    case chunks, counts, skipped, dataRun, total
  }

  /// The packed records, a text of bytes for every chunk.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(chunks.map(\.bytes.bytes), forKey: .chunks)
    try container.encode(chunks.map(\.count), forKey: .counts)
    try container.encode(skipped, forKey: .skipped)
    try container.encode(dataRun, forKey: .dataRun)
    try container.encode(total, forKey: .total)
  }

  /// Reads what ``encode(to:)`` wrote.
  public init(from decoder: any Decoder) throws {
    self.init()
    let container = try decoder.container(keyedBy: Key.self)
    let buffers = try container.decode([[UInt8]].self, forKey: .chunks)
    let counts = try container.decode([Int].self, forKey: .counts)
    try ArchiveCheck.require(counts.count == buffers.count, "the chunks of the trace")
    for (bytes, count) in zip(buffers, counts) {
      try ArchiveCheck.range(count, 1...Self.chunkSize, "the records of a chunk of the trace")
      chunks.append(Chunk(bytes: PackedBytes(bytes: bytes), count: count))
      stored += count
    }
    skipped = try container.decode(Int.self, forKey: .skipped)
    try ArchiveCheck.range(skipped, 0...max(0, (counts.first ?? 1) - 1), "the records of the trace that are gone")
    dataRun = try container.decode(DataRun?.self, forKey: .dataRun)
    if let dataRun {
      try ArchiveCheck.range(dataRun.bytes, 0...Self.most, "the bytes of a run of writes")
      try ArchiveCheck.range(dataRun.chunk, 0...Self.most, "the bytes of a write")
    }
    try ArchiveCheck.range(count, 0...Self.capacity, "the records of the trace")
    total = try container.decode(Int.self, forKey: .total)
    try ArchiveCheck.range(total, count...Self.most, "the number of records that the trace has had")
  }

  /// More than anybody ever counts.
  private static let most = 1 << 60

  /// Changes whenever something is appended.
  var position: [Int] { [total, dataRun?.bytes ?? 0] }
}
