import Basics

/// What a physical page is used for (tdx-module.md 6.1, PT_*).
enum PageType: UInt8, Sendable {
  /// Not assigned: free for the host.
  case nda = 0
  /// Reserved area of a TDMR.
  case rsvd = 1
  case reg = 3
  case tdr = 4
  case tdcx = 5
  case tdvpr = 6
  case ept = 8
}

/// The physical address metadata tables, kept as the entries that differ from PT_NDA. On silicon they are 0.4 % of memory,
/// outside the SEAM range; tdxfs never materialises them.
///
/// There is a table for each page size. A page that is assigned as a whole has its entry in the table of its size, and none
/// in those below: the walk goes from the largest size down, and ends at the first entry that is not PT_NDA.
struct PAMT: Sendable {
  /// One entry.
  struct Entry: Equatable, Sendable {
    var type: PageType
    /// 0 = 4 KiB, 1 = 2 MiB, 2 = 1 GiB.
    var level: UInt8 = 0
    /// Address of the owning TDR; 0 for a TDR.
    var owner: UInt64 = 0
    /// TD_EPOCH when the page was blocked.
    var blockedEpoch: UInt64 = 0

    init(type: PageType, owner: UInt64 = 0, level: UInt8 = 0, blockedEpoch: UInt64 = 0) {
      self.type = type
      self.level = level
      self.owner = owner
      self.blockedEpoch = blockedEpoch
    }
  }

  /// The largest pages there are: 1 GiB.
  static let maxLevel: UInt8 = 2

  /// By number of the page of 4 KiB, of 2 MiB and of 1 GiB.
  private var small: [UInt64: Entry] = [:]
  private var large: [UInt64: Entry] = [:]
  private var huge: [UInt64: Entry] = [:]
  /// How many pages of 4 KiB in the page of 2 MiB with this number are assigned, so that nobody has to look at all 512.
  private var smallInLarge: [UInt64: UInt16] = [:]

  /// log2 of the bytes of a page of `level`.
  static func shift(_ level: UInt8) -> UInt64 { 12 + 9 * UInt64(level) }

  /// The entry of the page that contains `address`, of whatever size; nil is PT_NDA.
  ///
  /// Setting replaces it, at the level that the new entry says.
  subscript(address: UInt64) -> Entry? {
    get {
      if !huge.isEmpty, let entry = huge[address >> 30] { return entry }
      if !large.isEmpty, let entry = large[address >> 21] { return entry }
      return small[address >> 12]
    }
    set {
      if let newValue {
        assign(newValue, at: address)
      } else {
        release(address)
      }
    }
  }

  /// Makes the page at `address` what `entry` says.
  mutating func assign(_ entry: Entry, at address: UInt64) {
    switch entry.level {
    case 0:
      if small.updateValue(entry, forKey: address >> 12) == nil { smallInLarge[address >> 21, default: 0] &+= 1 }
    case 1: large[address >> 21] = entry
    default: huge[address >> 30] = entry
    }
  }

  /// Makes the page that contains `address`, of whatever size, PT_NDA.
  mutating func release(_ address: UInt64) {
    if !huge.isEmpty, huge.removeValue(forKey: address >> 30) != nil { return }
    if !large.isEmpty, large.removeValue(forKey: address >> 21) != nil { return }
    guard small.removeValue(forKey: address >> 12) != nil else { return }
    let count = smallInLarge[address >> 21] ?? 0
    smallInLarge[address >> 21] = count > 1 ? count - 1 : nil
  }

  /// Notes that the page that contains `address` was blocked in `epoch`.
  mutating func block(_ address: UInt64, epoch: UInt64) {
    guard var entry = self[address] else { return }
    entry.blockedEpoch = epoch
    assign(entry, at: address)
  }

  /// Whether nothing in the 2 MiB that contain `address` is assigned. Reserved areas are another matter.
  func is2MBRangeFree(_ address: UInt64) -> Bool {
    huge[address >> 30] == nil && large[address >> 21] == nil && smallInLarge[address >> 21] == nil
  }

  /// TDH.MEM.PAGE.DEMOTE: the page of `level` at `address` becomes 512 pages of the level below.
  mutating func demote(_ address: UInt64, level: UInt8) {
    guard level > 0, let entry = self[address] else { return }
    release(address)
    for index: UInt64 in 0..<512 {
      assign(
        Entry(type: entry.type, owner: entry.owner, level: level - 1),
        at: address &+ index << Self.shift(level - 1))
    }
  }

  /// TDH.MEM.PAGE.PROMOTE: the 512 pages from `address` on become one page of `level`.
  mutating func promote(_ address: UInt64, level: UInt8) {
    guard level > 0, let first = self[address] else { return }
    for index: UInt64 in 0..<512 { release(address &+ index << Self.shift(level - 1)) }
    assign(Entry(type: first.type, owner: first.owner, level: level), at: address)
  }

  /// TDH.SYS.TDMR.INIT of `range`: every page is PT_NDA.
  mutating func initialize(_ range: Range<UInt64>) {
    if !huge.isEmpty { huge = huge.filter { !range.contains($0.key << 30) } }
    if !large.isEmpty { large = large.filter { !range.contains($0.key << 21) } }
    guard !small.isEmpty else { return }
    small = small.filter { !range.contains($0.key << 12) }
    smallInLarge = [:]
    for number in small.keys { smallInLarge[number >> 9, default: 0] &+= 1 }
  }

  /// Every entry with the address of its page, in no order.
  var assigned: [(address: UInt64, entry: Entry)] {
    small.map { ($0.key << 12, $0.value) } + large.map { ($0.key << 21, $0.value) }
      + huge.map { ($0.key << 30, $0.value) }
  }
}

extension PAMT: Codable {
  /// The entries by level and address, packed: for each level their number, then distance from the one before, type, owner
  /// and blocked epoch.
  func encode(to encoder: any Encoder) throws {
    var packer = Packer()
    for table in [small, large, huge] {
      packer.append(UInt64(table.count))
      var last: UInt64 = 0
      for (number, entry) in table.sorted(by: { $0.key < $1.key }) {
        packer.append(number &- last)
        packer.append(UInt64(entry.type.rawValue))
        packer.append(entry.owner)
        packer.append(entry.blockedEpoch)
        last = number
      }
    }
    var container = encoder.singleValueContainer()
    try container.encode(packer.bytes)
  }

  /// Reads what ``encode(to:)`` wrote; the counts follow from the entries.
  init(from decoder: any Decoder) throws {
    self.init()
    var unpacker = Unpacker(try decoder.singleValueContainer().decode([UInt8].self))
    for level in 0...Self.maxLevel {
      var number: UInt64 = 0
      for _ in 0..<(try unpacker.number()) {
        number = number &+ (try unpacker.number())
        let address = number << Self.shift(level)
        try ArchiveCheck.require(address >> Self.shift(level) == number, "a page of the PAMT beyond all memory")
        guard let type = PageType(rawValue: try unpacker.number(as: UInt8.self)) else {
          throw ArchiveError("a page of the PAMT has no type that there is")
        }
        let owner = try unpacker.number()
        assign(
          Entry(type: type, owner: owner, level: level, blockedEpoch: try unpacker.number()), at: address)
      }
    }
  }
}
