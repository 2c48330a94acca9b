import Basics
import SEAM

/// Bytes of packed records: numbers in groups of seven bits, the lowest first, so that small ones are short (LEB128).
struct PackedBytes: Sendable {
  /// The bytes, and room for those to come. An array that grew by itself would look after its room at every byte.
  private var storage: [UInt8]
  /// How many bytes there are.
  private(set) var count: Int

  init(bytes: [UInt8] = []) { (storage, count) = (bytes, bytes.count) }

  /// All of them.
  var bytes: [UInt8] { Array(storage[..<count]) }

  mutating func append(_ byte: UInt8) { append(word: UInt64(byte), count: 1) }

  mutating func append(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      append(word: rest & 0x7F | 0x80, count: 1)
      rest >>= 7
    }
    append(word: rest, count: 1)
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

  /// The lowest `count` bytes of `word`, at most all 8, the lowest first, in one piece.
  @inline(__always)
  private mutating func append(word: UInt64, count added: Int) {
    if storage.count &- count < 8 { makeRoom(for: 8) }
    let start = count
    storage.withUnsafeMutableBytes { $0.storeBytes(of: word.littleEndian, toByteOffset: start, as: UInt64.self) }
    count = start &+ added
  }

  private mutating func makeRoom(for more: Int) {
    storage.append(contentsOf: repeatElement(0, count: max(storage.count, more + 24)))
  }

  mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    for byte in text.utf8 { append(byte) }
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
  mutating func removeAll() { count = 0 }

  /// The same bytes, without room for more.
  var compact: PackedBytes { PackedBytes(bytes: bytes) }
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
