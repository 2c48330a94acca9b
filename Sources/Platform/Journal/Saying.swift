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

/// The sayings of the chunk that grows, to be found again without a search: each can be in a few places of a table.
struct KnownSayings: Sendable {
  private struct Table<Key: Equatable & Sendable>: Sendable {
    private struct Place: Sendable {
      /// Tells most keys apart.
      var mix: UInt64 = 0
      var number: UInt64 = 0
      /// Of which chunk it is; none has 0.
      var chunk: UInt32 = 0
    }

    private static var count: Int { 64 }
    /// Places in which a key can be.
    private static var ways: Int { 4 }

    private var places: [Place] = []
    /// Of each place that was ever taken.
    private var keys: [Key?] = []

    func number(of key: Key, _ mix: UInt64, in chunk: UInt32) -> UInt64? {
      guard !places.isEmpty else { return nil }
      let first = Self.first(mix)
      for index in first..<(first + Self.ways) where places[index].mix == mix && places[index].chunk == chunk {
        // Every SEAMCALL comes by here: keys are large, and are not copied.
        if keys.withUnsafeBufferPointer({ $0[index] == key }) { return places[index].number }
      }
      return nil
    }

    mutating func learn(_ key: Key, _ number: UInt64, _ mix: UInt64, in chunk: UInt32) {
      if places.isEmpty {
        places = Array(repeating: Place(), count: Self.count)
        keys = Array(repeating: nil, count: Self.count)
      }
      let first = Self.first(mix)
      let free = (first..<(first + Self.ways)).first { places[$0].chunk != chunk }
      // Where all are taken, one after the other gives way.
      let index = free ?? first + Int(truncatingIfNeeded: number) & (Self.ways - 1)
      places[index] = Place(mix: mix, number: number, chunk: chunk)
      keys[index] = key
    }

    private static func first(_ mix: UInt64) -> Int {
      Int((mix &* 0x9E37_79B9_7F4A_7C15) >> 58) & ~(ways - 1)
    }
  }

  private var calls = Table<Saying.Call>()
  private var notes = Table<Trace.Note>()
  private var chunk: UInt32 = 1

  /// Another chunk begins, in which nothing is known.
  mutating func forgetAll() {
    chunk &+= 1
    // After four billion chunks.
    if chunk == 0 { self = KnownSayings() }
  }

  func number(of call: Saying.Call) -> UInt64? { calls.number(of: call, call.mix, in: chunk) }

  func number(of note: Trace.Note) -> UInt64? { notes.number(of: note, note.mix, in: chunk) }

  mutating func learn(_ call: Saying.Call, _ number: UInt64) { calls.learn(call, number, call.mix, in: chunk) }

  mutating func learn(_ note: Trace.Note, _ number: UInt64) { notes.learn(note, number, note.mix, in: chunk) }
}

extension Saying.Call {
  /// Tells most calls apart.
  fileprivate var mix: UInt64 {
    let mix = input.rax ^ (input.rcx &* 3) ^ (input.rdx &* 5) ^ (input.r8 &* 7)
    guard case .returned(let output) = result else { return mix }
    return mix ^ (output.rax >> 32)
  }
}
