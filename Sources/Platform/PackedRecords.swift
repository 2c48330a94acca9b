import Basics
import DequeModule
import SEAM

/// The records of a trace, packed into a few bytes each, the oldest first.
///
/// A full trace has 65,536 records, most of them SEAMCALLs with one or two operands that come back as they went in: packed
/// they need a tenth of the memory, and once the ring has its size, appending one takes no more.
///
/// A record is its length in a byte or two, then numbers of 7 bits a byte, the lowest first: the time since the record
/// before it, what it is, and its parts.
struct PackedRecords: Sendable {
  private var bytes: Deque<UInt8> = []
  /// How many records there are.
  private(set) var count = 0
  /// Time of the record before the oldest, and of the newest.
  private var before: UInt64 = 0
  private var last: UInt64 = 0
  /// The record that is being made; kept, so that its storage is used again.
  private var scratch: [UInt8] = []

  /// Room that is taken at the first record, for most full traces. Memory that is not touched costs nothing; growing would
  /// copy, and leave holes in the heap.
  private static let firstRoom = 1 << 20

  /// Appends `record`.
  mutating func append(_ record: Trace.Record) {
    if bytes.isEmpty { bytes.reserveCapacity(Self.firstRoom) }
    scratch.removeAll(keepingCapacity: true)
    // Times go back at a power-on.
    pack(record.time &- last)
    last = record.time
    switch record.event {
    case .seamcall(let lp, let input, let output, let failure):
      pack(Kind.seamcall(failure).number)
      pack(UInt64(lp))
      pack(input, besides: .none)
      if let output { pack(output, besides: input) }
    case .note(let kind, let members):
      pack(Kind.note.number)
      pack(kind)
      pack(UInt64(members.count))
      for (name, value) in members {
        pack(name)
        switch value {
        case .text(let text):
          pack(0)
          pack(text)
        case .number(let number):
          pack(1)
          pack(UInt64(bitPattern: Int64(number)))
        }
      }
    }
    let length = scratch.count
    Self.pack(UInt64(length)) { bytes.append($0) }
    bytes.append(contentsOf: scratch)
    count += 1
  }

  /// Forgets the oldest record.
  mutating func removeFirst() {
    guard count > 0 else { return }
    let (end, time) = oldest
    bytes.removeFirst(end)
    before &+= time
    count -= 1
  }

  /// Where the oldest record ends, and its time. Apart, so that nobody else holds the bytes when they are taken away.
  private var oldest: (end: Int, time: UInt64) {
    var reader = Reader(bytes: bytes)
    let length = Int(clamping: reader.number())
    let end = min(bytes.count, reader.position + length)
    return (end, reader.number())
  }

  /// All records, the oldest first.
  func forEach(_ body: (Trace.Record) -> Void) {
    var reader = Reader(bytes: bytes)
    var time = before
    for _ in 0..<count {
      _ = reader.number()
      time &+= reader.number()
      body(Trace.Record(time: time, event: reader.event()))
    }
  }

  // MARK: Packing

  private mutating func pack(_ number: UInt64) { Self.pack(number) { scratch.append($0) } }

  private static func pack(_ number: UInt64, _ append: (UInt8) -> Void) {
    var rest = number
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(truncatingIfNeeded: rest))
  }

  private mutating func pack(_ text: String) {
    pack(UInt64(text.utf8.count))
    scratch.append(contentsOf: text.utf8)
  }

  /// One byte says which registers differ from `others`, then come those.
  private mutating func pack(_ registers: Trace.InlineRegisters, besides others: Trace.InlineRegisters) {
    var mask: UInt64 = 0
    if registers.rax != others.rax { mask |= 1 }
    if registers.rcx != others.rcx { mask |= 2 }
    if registers.rdx != others.rdx { mask |= 4 }
    if registers.r8 != others.r8 { mask |= 8 }
    pack(mask)
    // Bit 63 goes to the end: the loader's leaves have it set.
    if mask & 1 != 0 { pack(registers.rax << 1 | registers.rax >> 63) }
    if mask & 2 != 0 { pack(registers.rcx) }
    if mask & 4 != 0 { pack(registers.rdx) }
    if mask & 8 != 0 { pack(registers.r8) }
  }

  /// What a record is.
  private enum Kind {
    case note
    case seamcall(Trace.Failure?)

    var number: UInt64 {
      switch self {
      case .note: 0
      case .seamcall(nil): 1
      case .seamcall(let failure?): 2 + UInt64(failure.rawValue)
      }
    }

    init(number: UInt64) {
      switch number {
      case 0: self = .note
      case 1: self = .seamcall(nil)
      case _: self = .seamcall(Trace.Failure(rawValue: UInt8(truncatingIfNeeded: number &- 2)))
      }
    }
  }

  // MARK: Unpacking

  /// Reads what was packed here; behind the end everything is zero.
  private struct Reader {
    let bytes: Deque<UInt8>
    var position = 0

    private mutating func byte() -> UInt8 {
      guard position < bytes.count else { return 0 }
      defer { position += 1 }
      return bytes[position]
    }

    mutating func number() -> UInt64 {
      var result: UInt64 = 0
      var shift: UInt64 = 0
      while true {
        let next = byte()
        result |= UInt64(next & 0x7F) << shift
        shift += 7
        if next & 0x80 == 0 { return result }
      }
    }

    mutating func text() -> String {
      let length = Int(clamping: number())
      let end = position + min(length, bytes.count - position)
      defer { position = end }
      return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    mutating func registers(besides others: Trace.InlineRegisters) -> Trace.InlineRegisters {
      var registers = others
      let mask = number()
      if mask & 1 != 0 {
        let rotated = number()
        registers.rax = rotated >> 1 | rotated << 63
      }
      if mask & 2 != 0 { registers.rcx = number() }
      if mask & 4 != 0 { registers.rdx = number() }
      if mask & 8 != 0 { registers.r8 = number() }
      return registers
    }

    mutating func event() -> Trace.Record.Event {
      switch Kind(number: number()) {
      case .note:
        let kind = text()
        let members = (0..<number()).map { _ in
          let name = text()
          return (name, number() == 0 ? Trace.Value.text(text()) : .number(Int(Int64(bitPattern: number()))))
        }
        return .note(kind: kind, members: members)
      case .seamcall(let failure):
        let lp = UInt16(truncatingIfNeeded: number())
        let input = registers(besides: .none)
        return .seamcall(
          lp: lp, input: input, output: failure == nil ? registers(besides: input) : nil, failure: failure)
      }
    }
  }
}
