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
      var key: Key
      var number: UInt64
      /// Of which chunk it is.
      var chunk: UInt32
    }

    private static var places: Int { 64 }
    /// Places in which a key can be.
    private static var ways: Int { 4 }

    private var entries: [Place?] = []

    @inline(__always)
    func number(of key: Key, at mix: UInt64, in chunk: UInt32) -> UInt64? {
      guard !entries.isEmpty else { return nil }
      let first = Self.first(mix)
      for index in first..<(first + Self.ways) {
        if let entry = entries[index], entry.chunk == chunk, entry.key == key { return entry.number }
      }
      return nil
    }

    mutating func learn(_ key: Key, _ number: UInt64, at mix: UInt64, in chunk: UInt32) {
      if entries.isEmpty { entries = Array(repeating: nil, count: Self.places) }
      let first = Self.first(mix)
      let free = (first..<(first + Self.ways)).first { entries[$0]?.chunk != chunk }
      // Where all are taken, one after the other gives way.
      let index = free ?? first + Int(truncatingIfNeeded: number) & (Self.ways - 1)
      entries[index] = Place(key: key, number: number, chunk: chunk)
    }

    private static func first(_ mix: UInt64) -> Int {
      Int((mix &* 0x9E37_79B9_7F4A_7C15) >> 58) & ~(ways - 1)
    }
  }

  private var calls = Table<Saying.Call>()
  private var notes = Table<Trace.Note>()
  private var chunk: UInt32 = 1

  /// Another chunk begins, in which nothing is known.
  mutating func forgetAll() { chunk &+= 1 }

  func number(of call: Saying.Call) -> UInt64? { calls.number(of: call, at: call.mix, in: chunk) }

  func number(of note: Trace.Note) -> UInt64? { notes.number(of: note, at: note.mix, in: chunk) }

  mutating func learn(_ call: Saying.Call, _ number: UInt64) { calls.learn(call, number, at: call.mix, in: chunk) }

  mutating func learn(_ note: Trace.Note, _ number: UInt64) { notes.learn(note, number, at: note.mix, in: chunk) }
}

extension Saying.Call {
  /// Tells most calls apart.
  fileprivate var mix: UInt64 {
    let mix = input.rax ^ (input.rcx &* 3) ^ (input.rdx &* 5) ^ (input.r8 &* 7)
    guard case .returned(let output) = result else { return mix }
    return mix ^ (output.rax >> 32)
  }
}
