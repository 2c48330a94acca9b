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

/// The sayings of a chunk that came last, to be found again without a search: each has one place where it can be, and takes
/// it from the one before.
struct KnownSayings: Sendable {
  private static let places = 64
  private var calls: [(call: Saying.Call, number: UInt64)?] = []
  private var notes: [(note: Trace.Note, number: UInt64)?] = []

  func number(of call: Saying.Call) -> UInt64? {
    guard !calls.isEmpty, let known = calls[Self.place(of: call)], known.call == call else { return nil }
    return known.number
  }

  func number(of note: Trace.Note) -> UInt64? {
    guard !notes.isEmpty, let known = notes[Self.place(of: note)], known.note == note else { return nil }
    return known.number
  }

  mutating func learn(_ call: Saying.Call, _ number: UInt64) {
    if calls.isEmpty { calls = Array(repeating: nil, count: Self.places) }
    calls[Self.place(of: call)] = (call, number)
  }

  mutating func learn(_ note: Trace.Note, _ number: UInt64) {
    if notes.isEmpty { notes = Array(repeating: nil, count: Self.places) }
    notes[Self.place(of: note)] = (note, number)
  }

  private static func place(of call: Saying.Call) -> Int {
    let input = call.input
    var mix = input.rax ^ input.rcx &* 3 ^ input.rdx &* 5 ^ input.r8 &* 7
    if case .returned(let output) = call.result { mix ^= output.rax >> 32 }
    return place(mix)
  }

  private static func place(of note: Trace.Note) -> Int { place(note.mix) }

  private static func place(_ mix: UInt64) -> Int { Int((mix &* 0x9E37_79B9_7F4A_7C15) >> 58) }
}
