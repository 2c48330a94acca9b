import Basics
import SEAM

/// What a record of the trace says, but for when, where and how long.
enum Saying: Sendable {
  /// An event.
  case note(Trace.Note)
  /// A SEAMCALL.
  case call(Call)

  /// A SEAMCALL, on whichever LP.
  struct Call: Sendable, Equatable {
    var input: Registers
    var result: SEAMCALLResult
    var plans: [String]
  }

  /// Its members in a line of JSON.
  enum Members {
    case note(String)
    case call(String)
  }

  fileprivate enum Kind: UInt8 {
    case seamcall = 0
    case note = 1
  }

  fileprivate enum Outcome: UInt8 {
    case returned = 0
    case vmFailInvalid = 1
    case generalProtection = 2
    case invalidOpcode = 3
  }

  /// Reads what ``PackedBytes`` has of it.
  init(_ reader: inout Unpacker) throws(ArchiveError) {
    switch Kind(rawValue: try reader.number(as: UInt8.self)) {
    case .note: self = .note(Trace.Note(text: try reader.text()))
    case .seamcall:
      let input = try reader.registers(changedFrom: Registers(rax: 0))
      let result: SEAMCALLResult
      switch Outcome(rawValue: try reader.number(as: UInt8.self)) {
      case .returned: result = .returned(try reader.registers(changedFrom: input))
      case .vmFailInvalid: result = .vmFailInvalid
      case .generalProtection: result = .generalProtection
      case .invalidOpcode: result = .invalidOpcode
      case nil: throw ArchiveError("a SEAMCALL of the trace ended in a way that there is not")
      }
      let plans = try reader.text()
      self = .call(Call(input: input, result: result, plans: plans.isEmpty ? [] : [plans]))
    case nil: throw ArchiveError("a record of the trace is of no kind that there is")
    }
  }

  var json: Members {
    switch self {
    case .note(let note): return .note(note.text)
    case .call(let call):
      var line = "\"leaf\":\"\(Leaf(rax: call.input.rax).name)\",\"in\":\(call.input.json)"
      switch call.result {
      case .returned(let output):
        line += ",\"out\":\(output.json),\"status\":\"\(output.rax == 0 ? "SUCCESS" : output.status.symbol)\""
      case .vmFailInvalid: line += ",\"status\":\"VMfailInvalid\""
      case .generalProtection: line += ",\"status\":\"#GP\""
      case .invalidOpcode: line += ",\"status\":\"#UD\""
      }
      if !call.plans.isEmpty { line += ",\"fault\":\"\(Trace.escaped(call.plans.joined(separator: ",")))\"" }
      return .call(line)
    }
  }
}

extension PackedBytes {
  /// Writes a SEAMCALL.
  mutating func append(_ call: Saying.Call) {
    append(Saying.Kind.seamcall.rawValue)
    append(call.input, changedFrom: Registers(rax: 0))
    switch call.result {
    case .returned(let registers):
      append(Saying.Outcome.returned.rawValue)
      append(registers, changedFrom: call.input)
    case .vmFailInvalid: append(Saying.Outcome.vmFailInvalid.rawValue)
    case .generalProtection: append(Saying.Outcome.generalProtection.rawValue)
    case .invalidOpcode: append(Saying.Outcome.invalidOpcode.rawValue)
    }
    append(call.plans.isEmpty ? "" : call.plans.joined(separator: ","))
  }

  /// Writes an event.
  mutating func append(_ note: Trace.Note) {
    append(Saying.Kind.note.rawValue)
    append(note.text)
  }
}

/// The reads that are traced, because they make a SEAMCALL: events so frequent that they are told apart without their text.
enum TracedRead: Int, CaseIterable {
  case seamldrVersion
  case numRemainingUpdates
}

/// The sayings of the chunk that grows, to be found again without a search: each can be in a few places of a table.
///
/// Every SEAMCALL comes by here, so registers are compared where they lie. Calls at which a plan acted, or that entered no
/// firmware, are rare and not known.
struct KnownSayings: Sendable {
  private struct Place: Sendable {
    /// Tells most sayings apart.
    var mix: UInt64 = 0
    var number: UInt64 = 0
    /// Of which chunk it is; none has 0.
    var chunk: UInt32 = 0
  }

  private struct Exchange: Sendable {
    var input = Registers(rax: 0)
    var output = Registers(rax: 0)
  }

  private static let count = 64
  /// Places in which a saying can be.
  private static let ways = 4

  private var readPlaces = [Place](repeating: Place(), count: TracedRead.allCases.count)
  private var callPlaces: [Place] = []
  private var exchanges: [Exchange] = []
  private var notePlaces: [Place] = []
  private var notes: [String] = []
  private var chunk: UInt32 = 1

  /// Another chunk begins, in which nothing is known.
  mutating func forgetAll() {
    chunk &+= 1
    // After four billion chunks.
    if chunk == 0 { self = KnownSayings() }
  }

  /// The number of the call that goes in with `input` and returns `output`.
  func number(of input: Registers, _ output: Registers) -> UInt64? {
    guard !callPlaces.isEmpty else { return nil }
    let mix = Self.mix(input, output)
    let first = Self.first(mix)
    for index in first..<(first + Self.ways) {
      guard callPlaces[index].mix == mix, callPlaces[index].chunk == chunk else { continue }
      let isSame = exchanges.withUnsafeBufferPointer { exchanges in
        Self.isSame(exchanges[index].input, input) && Self.isSame(exchanges[index].output, output)
      }
      if isSame { return callPlaces[index].number }
    }
    return nil
  }

  mutating func learn(_ input: Registers, _ output: Registers, _ number: UInt64) {
    if callPlaces.isEmpty {
      callPlaces = Array(repeating: Place(), count: Self.count)
      exchanges = Array(repeating: Exchange(), count: Self.count)
    }
    let mix = Self.mix(input, output)
    let index = Self.free(in: callPlaces, mix, number, chunk)
    callPlaces[index] = Place(mix: mix, number: number, chunk: chunk)
    exchanges[index] = Exchange(input: input, output: output)
  }

  /// The number of the event `read`, once it was learned.
  func number(of read: TracedRead) -> UInt64? {
    let place = readPlaces[read.rawValue]
    return place.chunk == chunk ? place.number : nil
  }

  mutating func learn(_ read: TracedRead, _ number: UInt64) {
    readPlaces[read.rawValue] = Place(number: number, chunk: chunk)
  }

  func number(of note: Trace.Note) -> UInt64? {
    guard !notePlaces.isEmpty else { return nil }
    let first = Self.first(note.mix)
    for index in first..<(first + Self.ways) {
      guard notePlaces[index].mix == note.mix, notePlaces[index].chunk == chunk, notes[index] == note.text else {
        continue
      }
      return notePlaces[index].number
    }
    return nil
  }

  mutating func learn(_ note: Trace.Note, _ number: UInt64) {
    if notePlaces.isEmpty {
      notePlaces = Array(repeating: Place(), count: Self.count)
      notes = Array(repeating: "", count: Self.count)
    }
    let index = Self.free(in: notePlaces, note.mix, number, chunk)
    notePlaces[index] = Place(mix: note.mix, number: number, chunk: chunk)
    notes[index] = note.text
  }

  /// Where a saying goes: to a free place, and where there is none, one after the other gives way.
  private static func free(in places: [Place], _ mix: UInt64, _ number: UInt64, _ chunk: UInt32) -> Int {
    let first = first(mix)
    let free = (first..<(first + ways)).first { places[$0].chunk != chunk }
    return free ?? first + Int(truncatingIfNeeded: number) & (ways - 1)
  }

  private static func first(_ mix: UInt64) -> Int { Int((mix &* 0x9E37_79B9_7F4A_7C15) >> 58) & ~(ways - 1) }

  @inline(__always)
  private static func mix(_ input: Registers, _ output: Registers) -> UInt64 {
    input.rax ^ (input.rcx &* 3) ^ (input.rdx &* 5) ^ (input.r8 &* 7) ^ (output.rax >> 32) ^ (output.r8 &* 11)
  }

  @inline(__always)
  private static func isSame(_ one: Registers, _ other: Registers) -> Bool {
    // Without a branch for each.
    let low = (one.rax ^ other.rax) | (one.rcx ^ other.rcx) | (one.rdx ^ other.rdx) | (one.r8 ^ other.r8)
    let middle = (one.rbx ^ other.rbx) | (one.rsi ^ other.rsi) | (one.rdi ^ other.rdi) | (one.r9 ^ other.r9)
    let high = (one.r10 ^ other.r10) | (one.r11 ^ other.r11) | (one.r12 ^ other.r12) | (one.r13 ^ other.r13)
    return low | middle | high | (one.r14 ^ other.r14) | (one.r15 ^ other.r15) == 0
  }
}
