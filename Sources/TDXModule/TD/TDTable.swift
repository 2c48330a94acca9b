/// The TDs by the address of their TDR.
///
/// A dictionary to look at; the TDs lie in an array, where one can be changed without being moved, and where one that was
/// looked up is found again at once. A build of 1 GiB makes four million leaves on one TD.
struct TDTable: Sendable, ExpressibleByDictionaryLiteral {
  private var slots: [TD?] = []
  /// Where in `slots` each is.
  private var slotOfTDR: [UInt64: Int] = [:]
  /// Slots that hold none.
  private var free: [Int] = []

  /// A table of no TDs.
  init() {}

  init(dictionaryLiteral elements: (UInt64, TD)...) {
    for (tdr, td) in elements { self[tdr] = td }
  }

  /// Where the TD is, for ``subscript(slot:)``; it stays there until it is taken away. Nil when there is none.
  func slot(of tdr: UInt64) -> Int? { slotOfTDR[tdr] }

  /// The TD in a slot that ``slot(of:)`` gave.
  subscript(slot slot: Int) -> TD? {
    @inline(__always) get { slots[slot] }
    @inline(__always) _modify { yield &slots[slot] }
  }

  /// The TD whose TDR is at `tdr`.
  subscript(tdr: UInt64) -> TD? {
    @inline(__always)
    get {
      guard let slot = slotOfTDR[tdr] else { return nil }
      return slots[slot]
    }
    @inline(__always)
    _modify {
      if let slot = slotOfTDR[tdr] {
        defer { if slots[slot] == nil { release(slot, of: tdr) } }
        yield &slots[slot]
      } else {
        var new: TD?
        defer { if let new { insert(new, at: tdr) } }
        yield &new
      }
    }
  }

  private mutating func insert(_ td: TD, at tdr: UInt64) {
    if let slot = free.popLast() {
      slots[slot] = td
      slotOfTDR[tdr] = slot
    } else {
      slotOfTDR[tdr] = slots.count
      slots.append(td)
    }
  }

  private mutating func release(_ slot: Int, of tdr: UInt64) {
    slotOfTDR[tdr] = nil
    free.append(slot)
  }

  /// Addresses of the TDRs, in no order.
  var keys: Dictionary<UInt64, Int>.Keys { slotOfTDR.keys }
  /// The TDs, in no order.
  var values: [TD] { slots.compactMap(\.self) }
  var count: Int { slotOfTDR.count }
  var isEmpty: Bool { slotOfTDR.isEmpty }

  /// Takes away every TD whose address `isGone` names.
  mutating func removeAll(where isGone: (UInt64) -> Bool) {
    for tdr in slotOfTDR.keys where isGone(tdr) { self[tdr] = nil }
  }
}

extension TDTable: Sequence {
  /// The TDs with their addresses, in no order.
  func makeIterator() -> AnyIterator<(key: UInt64, value: TD)> {
    var tdrs = slotOfTDR.makeIterator()
    return AnyIterator {
      while let (tdr, slot) = tdrs.next() {
        if let td = slots[slot] { return (tdr, td) }
      }
      return nil
    }
  }
}

extension TDTable: Codable {
  /// The TDs by the address of their TDR; where each lies in the table does not matter.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(Dictionary(uniqueKeysWithValues: map { ($0.key, $0.value) }))
  }

  /// Reads what ``encode(to:)`` wrote.
  init(from decoder: any Decoder) throws {
    self.init()
    let tds = try decoder.singleValueContainer().decode([UInt64: TD].self)
    for tdr in tds.keys.sorted() { self[tdr] = tds[tdr] }
  }
}
