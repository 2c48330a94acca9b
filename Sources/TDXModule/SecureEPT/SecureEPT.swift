import Basics

/// The secure EPT of one TD: which guest physical page lies where (tdx-module.md 6.6).
///
/// Kept as the entries that are not FREE, since most of a table is, and a host has thousands of TDs.
struct SecureEPT: Sendable {
  /// Entries that are not FREE, by ``key(_:level:)``.
  private(set) var entries: [UInt64: SEPTEntry] = [:]
  /// Tables of the trees of L2 VMs, by ``key(_:level:vm:)``: the address of the table that the entry leads to. Nothing else
  /// is ever in these trees, since no guest of tdxfs makes aliases of its pages.
  private(set) var l2Tables: [UInt64: UInt64] = [:]
  /// Entries that are NL_BLOCKED: with none of them, an entry that is there is one that a walk reaches.
  private var blockedTables = 0

  /// The place of the entry that maps `gpa` in a table of `level` + 1: level 0 maps 4 KiB, 1 maps 2 MiB and so on.
  static func key(_ gpa: UInt64, level: UInt8) -> UInt64 {
    let shift = 12 + 9 * UInt64(level)
    return (gpa >> shift) << shift | UInt64(level)
  }

  /// Ditto in the tree of L2 VM `vm`.
  static func key(_ gpa: UInt64, level: UInt8, vm: Int) -> UInt64 {
    key(gpa, level: level) | UInt64(truncatingIfNeeded: vm) << 3
  }

  /// The entry that maps `gpa` at `level`; nil is FREE.
  subscript(gpa: UInt64, level: UInt8) -> SEPTEntry? {
    get { entries[Self.key(gpa, level: level)] }
    set {
      let new = newValue?.state == .free ? nil : newValue
      let key = Self.key(gpa, level: level)
      let old = new.map { entries.updateValue($0, forKey: key) } ?? entries.removeValue(forKey: key)
      if old?.state == .nonLeafBlocked { blockedTables -= 1 }
      if new?.state == .nonLeafBlocked { blockedTables += 1 }
      let change = Self.isChild(new) - Self.isChild(old)
      if change != 0 { entries[Self.key(gpa, level: level + 1)]?.count(change) }
    }
  }

  /// 1 for an entry that keeps its table from being removed.
  private static func isChild(_ entry: SEPTEntry?) -> Int {
    guard let entry else { return 0 }
    return entry.state == .removed ? 0 : 1
  }

  /// Where a walk ended.
  struct Position: Equatable, Sendable {
    var entry: SEPTEntry
    var level: UInt8
  }

  /// The walk from the root table, of level `root`, to the entry that maps `gpa` at `level`. It stops early at an entry that
  /// leads no further.
  // Inlined, so that a caller that has the TD in a dictionary does not copy all of the TD for it.
  @inline(__always)
  func walk(_ gpa: UInt64, to level: UInt8, root: UInt8) -> Position {
    if blockedTables == 0 {
      if let entry = self[gpa, level] { return Position(entry: entry, level: level) }
      if level < root, self[gpa, level + 1]?.state == .nonLeafMapped { return Position(entry: .free, level: level) }
    }
    var current = root
    while current > level {
      let entry = self[gpa, current] ?? .free
      guard entry.state == .nonLeafMapped else { return Position(entry: entry, level: current) }
      current -= 1
    }
    return Position(entry: self[gpa, level] ?? .free, level: level)
  }

  /// Takes the table away that the entry at `gpa`, `level` leads to; of its entries REMOVED may be left.
  mutating func removeTable(_ gpa: UInt64, level: UInt8) {
    guard level > 0 else { return }
    for index: UInt64 in 0..<512 {
      let child = Self.key(gpa, level: level) &- UInt64(level) &+ index << (12 + 9 * UInt64(level - 1))
      entries.removeValue(forKey: Self.key(child, level: level - 1))
    }
    self[gpa, level] = nil
  }

  /// The table in the tree of L2 VM `vm` that the entry for `gpa` at `level` leads to.
  subscript(gpa: UInt64, level: UInt8, vm vm: Int) -> UInt64? {
    get { l2Tables[Self.key(gpa, level: level, vm: vm)] }
    set { l2Tables[Self.key(gpa, level: level, vm: vm)] = newValue }
  }
}

extension SecureEPT: Codable {
  private enum Key: CodingKey {
    case entries, l2Tables
  }

  /// The entries by their keys, packed: distance from the one before, state, aliases, address. What is counted follows from
  /// them.
  func encode(to encoder: any Encoder) throws {
    var packer = Packer()
    var last: UInt64 = 0
    for (key, entry) in entries.sorted(by: { $0.key < $1.key }) {
      packer.append(key &- last)
      packer.append(UInt64(entry.state.rawValue))
      packer.append(UInt64(entry.aliases))
      packer.append(entry.hpa)
      last = key
    }
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(packer.bytes, forKey: .entries)
    try container.encode(l2Tables, forKey: .l2Tables)
  }

  /// Reads what ``encode(to:)`` wrote.
  init(from decoder: any Decoder) throws {
    self.init()
    let container = try decoder.container(keyedBy: Key.self)
    var unpacker = Unpacker(try container.decode([UInt8].self, forKey: .entries))
    var read: [(gpa: UInt64, level: UInt8, entry: SEPTEntry)] = []
    var key: UInt64 = 0
    while !unpacker.isAtEnd {
      key = key &+ (try unpacker.number())
      let level = UInt8(truncatingIfNeeded: key & 7)
      guard level <= Self.highestLevel, Self.key(key, level: level) == key,
        let state = SEPTState(rawValue: try unpacker.number(as: UInt8.self)), state != .free
      else { throw ArchiveError("an entry of a secure EPT is none: key 0x\(String(key, radix: 16))") }
      let aliases = try unpacker.number(as: UInt8.self)
      let entry = SEPTEntry(state: state, hpa: try unpacker.number(), aliases: aliases)
      read.append((key & ~7, level, entry))
    }
    // Tables before what is in them, so that they count it.
    for (gpa, level, entry) in read.sorted(by: { $0.level > $1.level }) { self[gpa, level] = entry }
    l2Tables = try container.decode([UInt64: UInt64].self, forKey: .l2Tables)
  }

  /// Level of the entries in the root of five levels of tables.
  private static let highestLevel: UInt8 = 4
}
