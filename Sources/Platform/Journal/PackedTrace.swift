import SEAM

/// Bytes of packed records: numbers in groups of seven bits, the lowest first, so that small ones are short (LEB128).
struct PackedBytes: Sendable {
  private(set) var bytes: [UInt8]

  init(bytes: [UInt8] = []) { self.bytes = bytes }

  mutating func append(_ byte: UInt8) { bytes.append(byte) }

  mutating func append(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  /// Those registers that are not as in `base`: which they are, then their values.
  mutating func append(_ registers: Registers, changedFrom base: Registers) {
    // Every SEAMCALL comes by here: no arrays.
    let (values, old) = (registers.packed, base.packed)
    var mask: UInt64 = 0
    for index in 0..<Registers.packedCount where values[index] != old[index] { mask |= 1 << UInt64(index) }
    append(mask)
    for index in 0..<Registers.packedCount where values[index] != old[index] { append(values[index]) }
  }

  /// Takes room for `count` bytes.
  mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }
}

/// Reads what ``PackedBytes`` holds; nil where it ends too early.
struct PackedReader {
  let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  private mutating func byte() -> UInt8? {
    guard position < bytes.count else { return nil }
    defer { position += 1 }
    return bytes[position]
  }

  private mutating func number() -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while let byte = byte() {
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    return nil
  }

  private mutating func text() -> String? {
    guard let length = number().map({ Int(clamping: $0) }), length <= bytes.count - position else { return nil }
    defer { position += length }
    return String(decoding: bytes[position..<(position + length)], as: UTF8.self)
  }

  private mutating func registers(changedFrom base: Registers) -> Registers? {
    guard let mask = number() else { return nil }
    var values = base.inOrder
    for index in values.indices where mask >> UInt64(index) & 1 != 0 {
      guard let value = number() else { return nil }
      values[index] = value
    }
    return Registers(inOrder: values)
  }

  /// The next record as a line of JSON.
  mutating func line() -> String? {
    guard let kind = byte().flatMap(Trace.Kind.init), let time = number() else { return nil }
    switch kind {
    case .note: return text().map { "{\"t\":\(time),\($0)}" }
    case .seamcall: return seamcall(time)
    }
  }

  private mutating func seamcall(_ time: UInt64) -> String? {
    guard let duration = number(), let lp = number(), let input = registers(changedFrom: Registers(rax: 0)),
      let outcome = byte().flatMap(Trace.Outcome.init)
    else { return nil }
    var line = "{\"t\":\(time),\"dur\":\(duration),\"event\":\"seamcall\",\"lp\":\(lp),"
    line += "\"leaf\":\"\(Leaf(rax: input.rax).name)\",\"in\":\(input.json)"
    switch outcome {
    case .returned:
      guard let output = registers(changedFrom: input) else { return nil }
      line += ",\"out\":\(output.json),\"status\":\"\(output.rax == 0 ? "SUCCESS" : output.status.symbol)\""
    case .vmFailInvalid, .generalProtection, .invalidOpcode: line += ",\"status\":\"\(outcome.name)\""
    }
    guard let plans = text() else { return nil }
    if !plans.isEmpty { line += ",\"fault\":\"\(Trace.escaped(plans))\"" }
    return line + "}"
  }
}

extension Registers {
  private static let names = [
    "rax", "rcx", "rdx", "r8", "rbx", "rsi", "rdi", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
  ]

  /// All values, those first that every leaf of an update uses.
  fileprivate var inOrder: [UInt64] { (0..<Self.packedCount).map { packed[$0] } }

  fileprivate static let packedCount = 14

  /// The values of ``inOrder`` and two zeros.
  fileprivate var packed: SIMD16<UInt64> {
    SIMD16(rax, rcx, rdx, r8, rbx, rsi, rdi, r9, r10, r11, r12, r13, r14, r15, 0, 0)
  }

  /// Registers with the values of ``inOrder``.
  fileprivate init(inOrder values: [UInt64]) {
    func value(_ index: Int) -> UInt64 { values.indices.contains(index) ? values[index] : 0 }
    self.init(
      rax: value(0), rcx: value(1), rdx: value(2), r8: value(3), r9: value(7), r10: value(8), r11: value(9))
    (rbx, rsi, rdi) = (value(4), value(5), value(6))
    (r12, r13, r14, r15) = (value(10), value(11), value(12), value(13))
  }

  /// RAX, RCX, RDX and R8, and of the others those that are not 0.
  fileprivate var json: String {
    let members = zip(Self.names, inOrder).enumerated().compactMap { index, register in
      index < 4 || register.1 != 0 ? "\"\(register.0)\":\"0x\(String(register.1, radix: 16))\"" : nil
    }
    return "{\(members.joined(separator: ","))}"
  }
}
