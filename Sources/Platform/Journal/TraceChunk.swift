import Basics
import SEAM

/// A part of a trace. What the records say is kept apart from when they say it: a machine makes the same calls over and over,
/// with the same registers, so each saying is there once, and a record is a few bytes.
///
/// A record is the number of its saying and the distance of its time from the record before, and of a SEAMCALL also the LP
/// and the duration.
struct TraceChunk: Sendable {
  /// Records of a whole chunk.
  static let capacity = 1024

  private var sayings = PackedBytes()
  private var sayingCount: UInt64 = 0
  private var records = PackedBytes()
  private var lastTime: UInt64 = 0
  private(set) var count = 0

  /// An empty chunk.
  init() {}

  /// Bytes that it takes.
  var size: Int { sayings.count + records.count }

  var isFull: Bool { count >= Self.capacity }

  /// A copy without room for more, so that a heap of them has no holes.
  var compact: TraceChunk {
    var copy = self
    copy.sayings = sayings.compact
    copy.records = records.compact
    return copy
  }

  /// Empties the chunk, which keeps its room.
  mutating func removeAll() {
    sayings.removeAll()
    records.removeAll()
    sayingCount = 0
    lastTime = 0
    count = 0
  }

  // MARK: Appending

  /// Appends the SEAMCALL `record`, which began at `time`.
  mutating func append(_ record: SEAMCALLRecord, time: UInt64, _ known: inout KnownSayings) {
    let saying: UInt64
    if case .returned(let output) = record.result, record.plans.isEmpty {
      if let number = known.number(of: record.input, output) {
        saying = number
      } else {
        known.learn(record.input, output, sayingCount)
        saying = say(record)
      }
    } else {
      saying = say(record)
    }
    records.append(saying, distance(to: time), UInt64(clamping: record.lp), record.duration)
    count += 1
  }

  private mutating func say(_ record: SEAMCALLRecord) -> UInt64 {
    sayings.append(Saying.Call(input: record.input, result: record.result, plans: record.plans))
    return nextSaying()
  }

  /// Appends an event at `time`; gives the number of its saying.
  @discardableResult
  mutating func append(_ note: Trace.Note, time: UInt64, _ known: inout KnownSayings) -> UInt64 {
    let saying: UInt64
    if let number = known.number(of: note) {
      saying = number
    } else {
      known.learn(note, sayingCount)
      sayings.append(note)
      saying = nextSaying()
    }
    append(note: saying, time: time)
    return saying
  }

  /// Appends the event that the saying of this number tells, at `time`.
  mutating func append(note saying: UInt64, time: UInt64) {
    records.append(saying, distance(to: time))
    count += 1
  }

  /// How far `time` is from that of the record before: nearly always forwards, but a run of writes has the time of its first
  /// one. The next record is counted from `time`.
  private mutating func distance(to time: UInt64) -> UInt64 {
    let distance = Int64(bitPattern: time &- lastTime)
    lastTime = time
    return UInt64(bitPattern: distance << 1 ^ distance >> 63)
  }

  private mutating func nextSaying() -> UInt64 {
    defer { sayingCount += 1 }
    return sayingCount
  }

  // MARK: Reading

  /// Gives each record but the first `skipped` as a line of JSON with its newline to `body`.
  func forEachLine(skipping skipped: Int, _ body: (String) -> Void) {
    // Nothing is missing: the bytes were packed here, or checked when they came from outside.
    guard let lines = try? decoded().map(\.json) else { return }
    var reader = Unpacker(records.bytes)
    var time: UInt64 = 0
    for index in 0..<count {
      guard let record = try? TraceRecord(&reader, after: time), record.saying < lines.count else { return }
      time = record.time
      switch lines[record.saying] {
      case .note(let members): if index >= skipped { body("{\"t\":\(time),\(members)}\n") }
      case .call(let members):
        guard let lp = try? reader.number(), let duration = try? reader.number() else { return }
        guard index >= skipped else { continue }
        body("{\"t\":\(time),\"dur\":\(duration),\"event\":\"seamcall\",\"lp\":\(lp),\(members)}\n")
      }
    }
  }

  private func decoded() throws(ArchiveError) -> [Saying] {
    var reader = Unpacker(sayings.bytes)
    var all: [Saying] = []
    while !reader.isAtEnd { all.append(try Saying(&reader)) }
    return all
  }

  // MARK: Archives

  /// All of it, for an archive.
  var archived: Archived { Archived(sayings: sayings.bytes, records: records.bytes, count: count) }

  /// What an archive has of a chunk.
  struct Archived: Codable {
    var sayings: [UInt8]
    var records: [UInt8]
    var count: Int
  }

  /// The chunk that was archived, of which nothing is believed. With what is then known it goes on as the one that was
  /// archived would.
  init(_ archived: Archived, _ known: inout KnownSayings) throws(ArchiveError) {
    known.forgetAll()
    try ArchiveCheck.range(archived.count, 1...Self.capacity, "the records of a chunk of the trace")
    sayings = PackedBytes(bytes: archived.sayings)
    records = PackedBytes(bytes: archived.records)
    count = archived.count
    let all = try decoded()
    for (number, saying) in all.enumerated() {
      switch saying {
      case .note(let note): known.learn(note, UInt64(number))
      case .call(let call):
        guard case .returned(let output) = call.result, call.plans.isEmpty else { continue }
        known.learn(call.input, output, UInt64(number))
      }
    }
    sayingCount = UInt64(all.count)
    var reader = Unpacker(records.bytes)
    for _ in 0..<count {
      let record = try TraceRecord(&reader, after: lastTime)
      try ArchiveCheck.require(record.saying < all.count, "a record of the trace says nothing that is known")
      lastTime = record.time
      guard case .call = all[record.saying] else { continue }
      _ = try reader.number()
      _ = try reader.number()
    }
    try ArchiveCheck.require(reader.isAtEnd, "more records than a chunk of the trace has")
  }
}

/// The start of a record.
private struct TraceRecord {
  let saying: Int
  let time: UInt64

  init(_ reader: inout Unpacker, after last: UInt64) throws(ArchiveError) {
    saying = try reader.number(as: Int.self)
    let packed = try reader.number()
    time = last &+ (packed >> 1 ^ (0 &- (packed & 1)))
  }
}
