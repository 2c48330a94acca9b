import Basics

/// What KVM knows of a TD's secure EPT, which only the module can change: its mirror page tables.
public struct MirrorEPT: Equatable, Sendable {
  /// A 4 KiB page of the guest.
  public struct Page: Equatable, Sendable {
    fileprivate var bits: UInt64

    /// What was archived of a page.
    fileprivate init(bits: UInt64) { self.bits = bits }

    /// The page at the host physical address `hpa`.
    init(hpa: UInt64) { bits = hpa & ~0xFFF }

    /// Where it is.
    public var hpa: UInt64 { bits & ~0xFFF }

    /// TDH.MEM.RANGE.BLOCK was done.
    public internal(set) var isBlocked: Bool {
      get { bits & 1 != 0 }
      set { bits = newValue ? bits | 1 : bits & ~1 }
    }
  }

  /// Level of the entries in the root table: 3 with four levels of tables, 4 with five. It lies in the TDCS.
  private let rootLevel: UInt64
  /// The guest's pages by their guest physical address.
  public private(set) var pages: [UInt64: Page] = [:]
  /// Table pages by the address that they begin to map at, with the level of the entry that points to them.
  private var tables: [UInt64: UInt64] = [:]
  /// The table that was asked for last, of 4 KiB entries: neighbours need no look-up.
  private var lastTable: UInt64?

  /// An empty one with `levels` levels of tables.
  init(levels: Int) { rootLevel = UInt64(max(2, levels) - 1) }

  /// Table pages that were added.
  public var tableCount: Int { tables.count }

  /// The first address beyond what the tables can map.
  public var endOfAddresses: UInt64 { 4096 << (9 * (rootLevel + 1)) }

  /// The operand that names the entry of `level` for `gpa`: GPA[51:12] and level.
  static func operand(_ gpa: UInt64, level: UInt64) -> UInt64 {
    let size: UInt64 = 4096 << (9 * min(level, 4))
    return gpa & ~(size - 1) | level
  }

  /// The highest level at which the way to `gpa` has no table yet; nil when the way is complete.
  mutating func missingLevel(for gpa: UInt64) -> UInt64? {
    let last = Self.operand(gpa, level: 1)
    if lastTable == last { return nil }
    for level in stride(from: rootLevel, to: 0, by: -1) where tables[Self.operand(gpa, level: level)] == nil {
      return level
    }
    lastTable = last
    return nil
  }

  mutating func addTable(_ hpa: UInt64, operand: UInt64) { tables[operand] = hpa }

  mutating func map(_ gpa: UInt64, to hpa: UInt64) { pages[gpa] = Page(hpa: hpa) }

  mutating func setBlocked(_ isBlocked: Bool, gpa: UInt64) { pages[gpa]?.isBlocked = isBlocked }

  mutating func unmap(_ gpa: UInt64) { pages[gpa] = nil }

  /// All pages that the TD has of the host for its memory, the guest's and the tables, ascending.
  var hostPages: [UInt64] { (pages.values.map(\.hpa) + tables.values).sorted() }
}

extension MirrorEPT: Codable {
  private enum Key: CodingKey {
    case rootLevel, pages, tables
  }

  /// Pages and tables in ascending order, packed: distance from the one before, and where it lies.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(rootLevel, forKey: .rootLevel)
    try container.encode(Self.packed(pages.mapValues(\.bits)), forKey: .pages)
    try container.encode(Self.packed(tables), forKey: .tables)
  }

  private static func packed(_ table: [UInt64: UInt64]) -> [UInt8] {
    var packer = Packer()
    var last: UInt64 = 0
    for (key, value) in table.sorted(by: { $0.key < $1.key }) {
      packer.append(key &- last)
      packer.append(value)
      last = key
    }
    return packer.bytes
  }

  private static func unpacked(_ bytes: [UInt8]) throws(ArchiveError) -> [UInt64: UInt64] {
    var unpacker = Unpacker(bytes)
    var table: [UInt64: UInt64] = [:]
    var key: UInt64 = 0
    while !unpacker.isAtEnd {
      key = key &+ (try unpacker.number())
      table[key] = try unpacker.number()
    }
    return table
  }

  /// Reads what ``encode(to:)`` wrote.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let rootLevel = try container.decode(UInt64.self, forKey: .rootLevel)
    try ArchiveCheck.range(rootLevel, 3...4, "the level of a TD's root table")
    self.init(levels: Int(rootLevel) + 1)
    pages = try Self.unpacked(try container.decode([UInt8].self, forKey: .pages)).mapValues { Page(bits: $0) }
    tables = try Self.unpacked(try container.decode([UInt8].self, forKey: .tables))
    for gpa in pages.keys {
      try ArchiveCheck.require(gpa.isMultiple(of: 4096) && gpa < endOfAddresses, "a page of a TD at \(gpa.hex)")
    }
  }
}
