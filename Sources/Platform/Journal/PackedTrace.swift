import Basics
import SEAM

/// Bytes of packed records: numbers in groups of seven bits, the lowest first, so that small ones are short (LEB128).
struct PackedBytes: Sendable {
  private(set) var bytes: [UInt8]

  init(bytes: [UInt8] = []) { self.bytes = bytes }

  mutating func append(_ byte: UInt8) { bytes.append(byte) }

  mutating func append(_ number: UInt64) {
    guard number >= 0x80 else {
      bytes.append(UInt8(truncatingIfNeeded: number))
      return
    }
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Two numbers, nearly always of a byte each.
  mutating func append(_ one: UInt64, _ two: UInt64) {
    guard one | two < 0x80 else {
      append(one)
      append(two)
      return
    }
    append(word: one | two << 8, count: 2)
  }

  /// Four numbers, nearly always of a byte each.
  mutating func append(_ one: UInt64, _ two: UInt64, _ three: UInt64, _ four: UInt64) {
    guard one | two | three | four < 0x80 else {
      append(one, two)
      append(three, four)
      return
    }
    append(word: one | two << 8 | three << 16 | four << 24, count: 4)
  }

  /// The lowest `count` bytes of `word`, the lowest first, in one piece.
  @inline(__always)
  private mutating func append(word: UInt64, count: Int) {
    withUnsafeBytes(of: word.littleEndian) {
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0.prefix(count)))
    }
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

  /// Forgets all bytes and keeps their room.
  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  /// The same bytes, without room for more.
  var compact: PackedBytes { PackedBytes(bytes: bytes.withUnsafeBytes { Array($0) }) }
}

extension Unpacker {
  /// Registers that were written as changes of `base`.
  mutating func registers(changedFrom base: Registers) throws(ArchiveError) -> Registers {
    let mask = try number()
    var values = base.inOrder
    for index in values.indices where mask >> UInt64(index) & 1 != 0 { values[index] = try number() }
    return Registers(inOrder: values)
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
  var json: String {
    let members = zip(Self.names, inOrder).enumerated().compactMap { index, register in
      index < 4 || register.1 != 0 ? "\"\(register.0)\":\"0x\(String(register.1, radix: 16))\"" : nil
    }
    return "{\(members.joined(separator: ","))}"
  }
}
