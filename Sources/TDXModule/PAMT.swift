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
struct PAMT: Sendable {
  /// One entry.
  struct Entry: Equatable, Sendable {
    var type: PageType
    /// Address of the owning TDR; 0 for a TDR.
    var owner: UInt64 = 0
    /// 0 = 4 KiB, 1 = 2 MiB, 2 = 1 GiB.
    var level: UInt8 = 0
    /// TD_EPOCH when the page was blocked.
    var blockedEpoch: UInt64 = 0
  }

  /// By page number of the first 4 KiB.
  private var entries: [UInt64: Entry] = [:]

  /// The entry of the page that contains `address`; nil is PT_NDA.
  subscript(address: UInt64) -> Entry? {
    get { entries[address / 4096] }
    set { entries[address / 4096] = newValue }
  }

  /// TDH.SYS.TDMR.INIT of `range`: every page is PT_NDA.
  mutating func initialize(_ range: Range<UInt64>) {
    guard !entries.isEmpty else { return }
    entries = entries.filter { !range.contains($0.key * 4096) }
  }
}
