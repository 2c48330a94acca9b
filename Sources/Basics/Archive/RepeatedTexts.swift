/// Texts of which most have been there before, each kept once and known by a number that counts from 0.
///
/// It finds a text that came lately without a search: each has one place where it can be noted, and takes it from the one
/// before. A text that is not found is kept once more.
public struct RepeatedTexts: Sendable {
  private struct Note: Sendable {
    var number: UInt64
    /// Where the text lies.
    var start: Int
    var length: Int
  }

  private static let places = 32

  private var packed = Packer()
  private var notes: [Note?] = []
  private var count: UInt64 = 0

  /// No texts.
  public init() {}

  /// Bytes that the texts take.
  public var size: Int { packed.bytes.count }

  /// The number of `text`, which is kept if it is not found.
  public mutating func number(of text: String) -> UInt64 {
    var text = text
    return text.withUTF8 { utf8 in
      // FNV-1a.
      let mix = utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
      let place = Int(mix % UInt64(Self.places))
      if notes.isEmpty { notes = Array(repeating: nil, count: Self.places) }
      if let note = notes[place], packed.bytes[note.start..<(note.start + note.length)].elementsEqual(utf8) {
        return note.number
      }
      packed.append(UInt64(utf8.count))
      notes[place] = Note(number: count, start: packed.bytes.count, length: utf8.count)
      packed.append(bytes: utf8)
      count += 1
      return count - 1
    }
  }

  /// Gives up what finds texts again and the room for more of them.
  public mutating func close() {
    notes = []
    packed = Packer(packed.bytes.withUnsafeBytes { Array($0) })
  }

  /// All texts by their numbers.
  public var all: [String] {
    var reader = Unpacker(packed.bytes)
    var texts: [String] = []
    // Nothing throws: the bytes were packed here.
    while !reader.isAtEnd, let text = try? reader.text() { texts.append(text) }
    return texts
  }
}
