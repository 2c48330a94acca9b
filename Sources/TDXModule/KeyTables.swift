import Basics
import SEAM

/// One entry of the KOT, which says who owns a KeyID (tdx-module.md 4.1, 6.1).
struct KOTEntry: Equatable, Sendable, Codable {
  /// Who owns the KeyID.
  enum State: UInt8, Sendable {
    case free = 0
    case assigned = 1
    case flushed = 2
    /// The global private KeyID.
    case reserved = 3
  }

  /// Packages whose caches must still be written back before the KeyID is free again.
  var wbinvdBitmap: UInt32 = 0
  /// A raw byte, since a damaged handoff may hold any.
  var stateByte: UInt8 = 0

  /// The owner; nil for a byte that no module writes.
  var state: State? { State(rawValue: stateByte) }

  /// Bytes in the handoff data: u32 bitmap, u8 state, 3 bytes padding.
  static let size = 8
  /// Entries of the table.
  static let count = 2048
}

/// Progress of the cache write-back of one package (tdx-module.md 4.1).
struct WBTEntry: Equatable, Sendable, Codable {
  /// Where the operation was interrupted; 0 = it was not.
  var interruptPoint: UInt64 = 0
  /// KeyIDs that were FLUSHED when the operation began.
  var flushed: Set<UInt16> = []

  /// Bytes in the handoff data: u64 interruption point, u8[2048] flags, lock byte, 7 bytes padding.
  static let size = 2064
  /// Entries of the table: the packages that the module knows.
  static let count = 8
}

/// One configured TDMR (tdx-module.md 4.1).
struct TDMR: Equatable, Sendable, Codable {
  /// Base address, a multiple of 1 GiB.
  var base: UInt64 = 0
  /// Size in bytes, a multiple of 1 GiB.
  var size: UInt64 = 0
  /// First address whose PAMT entries are not initialised.
  var nextToInitialize: UInt64 = 0
  /// Where the PAMT of 1 GiB, 2 MiB and 4 KiB pages lie.
  var pamt1GBase: UInt64 = 0
  var pamt2MBase: UInt64 = 0
  var pamt4KBase: UInt64 = 0
  /// Reserved areas: offset from the base and size.
  var reserved: [ReservedArea] = []

  /// Part of a TDMR that may hold no private page.
  struct ReservedArea: Equatable, Sendable, Codable {
    var offset: UInt64
    var size: UInt64
  }

  /// Bytes in the handoff data.
  static let entrySize = 320
  /// Entries of the table (MAX_TDMRS).
  static let maximum = 64
  /// Reserved areas of one TDMR (MAX_RESERVED_PER_TDMR).
  static let maxReserved = 16
  /// What one TDH.SYS.TDMR.INIT initialises: the metadata of 1024 4-KiB pages.
  static let step: UInt64 = 4 << 20
  /// Granularity of base, size, and of what may be used.
  static let gigabyte: UInt64 = 1 << 30

  /// First address behind the TDMR.
  var end: UInt64 { base &+ size }
  /// First address that may not hold a private page yet: progress rounded down to 1 GiB.
  var usableEnd: UInt64 { nextToInitialize & ~(Self.gigabyte - 1) }

  /// Whether `address`, inside the TDMR, lies in a reserved area.
  func isReserved(_ address: UInt64) -> Bool {
    let offset = address &- base
    return reserved.contains { offset >= $0.offset && offset &- $0.offset < $0.size }
  }

  /// Whether any byte of `range`, inside the TDMR, lies in a reserved area.
  func hasReserved(_ range: Range<UInt64>) -> Bool {
    let start = range.lowerBound &- base
    let end = range.upperBound &- base
    return reserved.contains { start < $0.offset &+ $0.size && end > $0.offset }
  }
}
