import Basics
import SEAM

/// What happened on a machine, newest last: SEAMCALLs and uploads, at most ``Trace/capacity`` records.
public struct Trace: Sendable {
  /// Records that are kept.
  public static let capacity = 65_536

  /// One record. Registers are kept as far as any leaf of the update flow uses them, so that a full trace is small.
  public struct Record: Sendable {
    /// What happened.
    public enum Event: Sendable {
      /// A SEAMCALL on `lp`; the arrays hold RAX, RCX, RDX, R8.
      case seamcall(lp: UInt16, input: InlineRegisters, output: InlineRegisters?, failure: Failure?)
      /// An upload-level or power-level event, with its details as JSON members.
      case note(kind: String, members: [(String, Value)])
    }

    /// Microseconds since power-on.
    public var time: UInt64
    /// What happened.
    public var event: Event
  }

  /// RAX, RCX, RDX and R8 of a SEAMCALL.
  public struct InlineRegisters: Sendable {
    var rax: UInt64
    var rcx: UInt64
    var rdx: UInt64
    var r8: UInt64

    /// All zero.
    static let none = InlineRegisters(Registers(rax: 0))

    init(_ registers: Registers) {
      rax = registers.rax
      rcx = registers.rcx
      rdx = registers.rdx
      r8 = registers.r8
    }
  }

  /// How a SEAMCALL ended that entered no firmware.
  public enum Failure: UInt8, Sendable {
    /// CF = 1.
    case vmFailInvalid
    /// #GP.
    case generalProtection
    /// #UD.
    case invalidOpcode

    /// As a status is told.
    var text: String {
      switch self {
      case .vmFailInvalid: "VMfailInvalid"
      case .generalProtection: "#GP"
      case .invalidOpcode: "#UD"
      }
    }
  }

  /// A value of a JSON member.
  public enum Value: Sendable {
    /// A string.
    case text(String)
    /// A number.
    case number(Int)
  }

  private var records = PackedRecords()

  /// A trace of nothing.
  public init() {}

  /// Appends the SEAMCALL `record` at `time`.
  public mutating func append(_ record: SEAMCALLRecord, time: UInt64) {
    let output: InlineRegisters?
    let failure: Failure?
    switch record.result {
    case .returned(let registers): (output, failure) = (InlineRegisters(registers), nil)
    case .vmFailInvalid: (output, failure) = (nil, .vmFailInvalid)
    case .generalProtection: (output, failure) = (nil, .generalProtection)
    case .invalidOpcode: (output, failure) = (nil, .invalidOpcode)
    }
    append(
      Record(
        time: time,
        event: .seamcall(
          lp: UInt16(truncatingIfNeeded: record.lp), input: InlineRegisters(record.input), output: output,
          failure: failure)))
  }

  /// Appends an event of `kind` at `time`.
  public mutating func note(_ kind: String, _ members: [(String, Value)] = [], time: UInt64) {
    append(Record(time: time, event: .note(kind: kind, members: members)))
  }

  private mutating func append(_ record: Record) {
    if records.count == Self.capacity { records.removeFirst() }
    records.append(record)
  }

  /// The records as JSON lines.
  public var jsonLines: [UInt8] {
    var lines: [UInt8] = []
    records.forEach { record in
      lines.append(contentsOf: Self.json(record).utf8)
      lines.append(UInt8(ascii: "\n"))
    }
    return lines
  }

  private static func json(_ record: Record) -> String {
    switch record.event {
    case .seamcall(let lp, let input, let output, let failure):
      var text = "{\"t\":\(record.time),\"event\":\"seamcall\",\"lp\":\(lp),"
      text += "\"leaf\":\"\(Leaf(rax: input.rax).name)\",\"in\":\(json(input))"
      if let output {
        let status = CompletionStatus(rawValue: output.rax)
        text += ",\"out\":\(json(output)),\"status\":\"\(status.rawValue == 0 ? "SUCCESS" : status.symbol)\""
      } else if let failure {
        text += ",\"status\":\"\(failure.text)\""
      }
      return text + "}"
    case .note(let kind, let members):
      var text = "{\"t\":\(record.time),\"event\":\"\(kind)\""
      for (name, value) in members {
        switch value {
        case .text(let string): text += ",\"\(name)\":\"\(escaped(string))\""
        case .number(let number): text += ",\"\(name)\":\(number)"
        }
      }
      return text + "}"
    }
  }

  private static func json(_ registers: InlineRegisters) -> String {
    func hex(_ value: UInt64) -> String { "\"0x\(String(value, radix: 16))\"" }
    return "{\"rax\":\(hex(registers.rax)),\"rcx\":\(hex(registers.rcx)),\"rdx\":\(hex(registers.rdx)),"
      + "\"r8\":\(hex(registers.r8))}"
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
