import Basics

/// TDMR_INFO, what a host describes a TDMR with (tdx-module.md 3.5). 320 bytes.
struct TDMRInfo: Equatable {
  /// Bytes that the module reads.
  static let size = 320

  /// Byte offsets of the fields, all u64.
  enum Offset {
    static let base = 0
    static let size = 8
    static let pamt1G = 16
    static let pamt2M = 32
    static let pamt4K = 48
    /// 16 pairs of offset and size.
    static let reserved = 64
  }

  /// One PAMT: base and size in bytes.
  struct Area: Equatable {
    var base: UInt64
    var size: UInt64
  }

  var base: UInt64
  var size: UInt64
  /// By level: 0 = 4 KiB, 1 = 2 MiB, 2 = 1 GiB.
  var pamt: [Area]
  /// All 16, null entries included.
  var reserved: [TDMR.ReservedArea]

  /// The fields of `bytes`; missing bytes count as zero.
  init(_ bytes: [UInt8]) {
    let reader = ByteReader(bytes)
    func word(_ offset: Int) -> UInt64 { (try? reader.integer(at: offset)) ?? 0 }
    base = word(Offset.base)
    size = word(Offset.size)
    pamt = [Offset.pamt4K, Offset.pamt2M, Offset.pamt1G].map { Area(base: word($0), size: word($0 + 8)) }
    reserved = (0..<TDMR.maxReserved).map { index in
      let offset = Offset.reserved + 16 * index
      return TDMR.ReservedArea(offset: word(offset), size: word(offset + 8))
    }
  }

  /// The entry of TDMR_TABLE, with nothing initialised yet.
  var tdmr: TDMR {
    TDMR(
      base: base, size: size, nextToInitialize: base, pamt1GBase: pamt[2].base, pamt2MBase: pamt[1].base,
      pamt4KBase: pamt[0].base, reserved: Array(reserved.prefix { $0.size != 0 }))
  }

  /// The parts that are not reserved, in order. The reserved areas have passed their checks.
  var available: [Range<UInt64>] {
    var parts: [Range<UInt64>] = []
    var start = base
    for area in reserved.prefix(while: { $0.size != 0 }) {
      let areaStart = base &+ area.offset
      if start < areaStart { parts.append(start..<areaStart) }
      start = areaStart &+ area.size
    }
    let end = base &+ size
    if start < end { parts.append(start..<end) }
    return parts
  }
}
