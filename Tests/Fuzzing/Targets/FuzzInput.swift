/// A fuzzer's input as a row of decisions, taken from its front. At its end every decision is 0.
struct FuzzInput {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  mutating func bool() -> Bool { byte() & 1 != 0 }

  /// Little-endian.
  mutating func number<Number: FixedWidthInteger>(_ type: Number.Type) -> Number {
    var number: Number = 0
    for index in 0..<(Number.bitWidth / 8) { number |= Number(truncatingIfNeeded: byte()) << (8 * index) }
    return number
  }

  /// A number from 0 to `count` - 1.
  mutating func below(_ count: Int) -> Int {
    guard count > 1 else { return 0 }
    return (count <= 256 ? Int(byte()) : Int(number(UInt16.self))) % count
  }

  mutating func element<Element>(of elements: [Element]) -> Element? {
    elements.isEmpty ? nil : elements[below(elements.count)]
  }

  /// So many bytes, fewer at the end.
  mutating func bytes(_ count: Int) -> [UInt8] {
    let taken = Array(rest.prefix(count))
    rest = rest.dropFirst(count)
    return taken
  }

  mutating func remaining() -> [UInt8] {
    defer { rest = [] }
    return Array(rest)
  }

  /// A register: one of `likely` or near it, a number at an edge, or any.
  mutating func register(_ likely: [UInt64]) -> UInt64 {
    switch byte() % 16 {
    case 0: 0
    case 1: UInt64(byte())
    case 2: number(UInt64.self)
    case 3: 1 << (UInt64(byte()) & 63)
    case 4: .max - UInt64(byte())
    case 5: (element(of: likely) ?? 0) &+ UInt64(number(UInt16.self))
    case 6: (element(of: likely) ?? 0) ^ 1 << (UInt64(byte()) & 63)
    default: element(of: likely) ?? 0
    }
  }

  /// Text of `words`, between which and in which stands what the input says.
  mutating func text(_ words: [String], longest: Int = 24) -> [UInt8] {
    var text: [UInt8] = []
    for _ in 0..<below(longest) {
      switch byte() % 8 {
      case 0: text += bytes(below(16))
      case 1: text.append(byte())
      case 2: text += String(number(UInt16.self)).utf8
      case 3: text += " ".utf8
      default: text += (element(of: words) ?? "").utf8
      }
    }
    return text
  }
}
