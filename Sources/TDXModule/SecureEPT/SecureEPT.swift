/// The secure EPT of one TD: which guest physical page lies where (tdx-module.md 6.6).
struct SecureEPT: Sendable {
  /// Entries that are not FREE, by ``key(_:level:)``.
  private(set) var entries: [UInt64: SEPTEntry] = [:]

  /// The place of the entry that maps `gpa` in a table of `level` + 1: level 0 maps 4 KiB, 1 maps 2 MiB and so on.
  static func key(_ gpa: UInt64, level: UInt8) -> UInt64 {
    let shift = 12 + 9 * UInt64(level)
    return (gpa >> shift) << shift | UInt64(level)
  }

  /// The entry that maps `gpa` at `level`; nil is FREE.
  subscript(gpa: UInt64, level: UInt8) -> SEPTEntry? {
    get { entries[Self.key(gpa, level: level)] }
    set { entries[Self.key(gpa, level: level)] = newValue }
  }

  /// The entry that maps `gpa` to a page, of whatever size, and its level; nil where no table leads to one.
  func leaf(for gpa: UInt64) -> (entry: SEPTEntry, level: UInt8)? {
    for level: UInt8 in 0...2 {
      guard let entry = self[gpa, level], entry.state != .nonLeafMapped, entry.state != .nonLeafBlocked else {
        continue
      }
      return (entry, level)
    }
    return nil
  }
}
