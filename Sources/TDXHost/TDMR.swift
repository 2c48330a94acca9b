import Basics
import SystemPackage

/// A TD memory region as the kernel builds it (`struct tdmr_info`).
public struct TDMR: Equatable, Sendable, Codable {
  /// TDMRs begin and end at multiples of 1 GiB.
  public static let alignment: UInt64 = 1 << 30

  /// TDMR_BASE and TDMR_BASE + TDMR_SIZE.
  public var range: Range<UInt64>
  /// PAMTs of the 4 KiB, 2 MiB and 1 GiB pages: neighbours, in this order.
  public var pamts: [Range<UInt64>] = []
  /// Reserved areas, ascending: holes in memory, and PAMTs.
  public var reserved: [Range<UInt64>] = []

  /// A TDMR over `range` without PAMTs.
  public init(range: Range<UInt64>) {
    self.range = range
  }

  /// Where its PAMTs lie.
  public var pamt: Range<UInt64>? {
    guard let first = pamts.first, let last = pamts.last, first.lowerBound <= last.upperBound else { return nil }
    return first.lowerBound..<last.upperBound
  }

  /// TDMR_INFO (tdx-module.md 3.5): 64 bytes, then 16 for every reserved area; filled up with zeros to `size`.
  public func bytes(size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: size)
    bytes.store(range.lowerBound, at: 0)
    bytes.store(range.upperBound - range.lowerBound, at: 8)
    for (level, offset) in [(2, 16), (1, 32), (0, 48)] where level < pamts.count {
      bytes.store(pamts[level].lowerBound, at: offset)
      bytes.store(pamts[level].upperBound - pamts[level].lowerBound, at: offset + 8)
    }
    for (index, area) in reserved.enumerated() {
      bytes.store(area.lowerBound &- range.lowerBound, at: 64 + 16 * index)
      bytes.store(area.upperBound - area.lowerBound, at: 72 + 16 * index)
    }
    return bytes
  }

  /// `tdmr_size_single`: bytes of one TDMR_INFO, a multiple of 512.
  public static func infoSize(maxReserved: UInt16) -> Int {
    (64 + 16 * Int(maxReserved) + 511) / 512 * 512
  }
}

/// Why the kernel can't cover its memory with TDMRs.
struct TDMRError: Error, Equatable {
  /// What `init_tdx_module` returns.
  var errno: Errno
  /// The warning that the kernel prints, without prefix; nil for none.
  var warning: String?
}

extension TDMR {
  /// `build_tdx_memlist`: all RAM but the first MiB, which is never convertible.
  static func memoryList(_ memory: [Range<UInt64>]) -> [Range<UInt64>] {
    memory.compactMap { region in
      let start = max(region.lowerBound, 1 << 20)
      return start < region.upperBound ? start..<region.upperBound : nil
    }
  }

  /// `construct_tdmrs`: TDMRs over `blocks`, with PAMTs out of `allocator` and reserved areas.
  static func construct(
    over blocks: [Range<UInt64>], info: SysInfo, allocator: inout PageAllocator
  ) throws(TDMRError) -> [TDMR] {
    var tdmrs = try fillOut(blocks, maxTDMRs: info.maxTDMRs)
    for index in tdmrs.indices {
      try tdmrs[index].setUpPAMT(entrySizes: info.pamtEntrySizes, allocator: &allocator)
    }
    let pamts = tdmrs.compactMap(\.pamt)
    for index in tdmrs.indices {
      try tdmrs[index].populateReserved(blocks: blocks, pamts: pamts, limit: Int(info.maxReservedPerTDMR))
    }
    return tdmrs
  }

  /// `fill_out_tdmrs`: one TDMR a memory block, aligned to 1 GiB, without what the one before covers already.
  private static func fillOut(_ blocks: [Range<UInt64>], maxTDMRs: UInt16) throws(TDMRError) -> [TDMR] {
    var tdmrs: [TDMR] = []
    for block in blocks {
      var start = block.lowerBound & ~(alignment - 1)
      let end = (block.upperBound &+ (alignment - 1)) & ~(alignment - 1)
      if let last = tdmrs.last {
        if end <= last.range.upperBound { continue }
        start = max(start, last.range.upperBound)
      }
      guard start < end else { continue }
      guard tdmrs.count < Int(maxTDMRs) else {
        throw TDMRError(errno: .noSpace, warning: "initialization failed: TDMRs exhausted.")
      }
      tdmrs.append(TDMR(range: start..<end))
    }
    return tdmrs
  }

  /// `tdmr_set_up_pamt`: the PAMTs of all page sizes in one piece of memory.
  private mutating func setUpPAMT(entrySizes: [UInt16], allocator: inout PageAllocator) throws(TDMRError) {
    let bytes = range.upperBound - range.lowerBound
    let sizes = zip([12, 21, 30] as [UInt64], entrySizes).map { shift, entry -> UInt64 in
      ((bytes >> shift) &* UInt64(entry) &+ 4095) & ~4095
    }
    guard var base = allocator.allocateContiguous(size: sizes.reduce(0, &+)) else {
      throw TDMRError(errno: .noMemory, warning: nil)
    }
    pamts = []
    for size in sizes {
      pamts.append(base..<(base + size))
      base += size
    }
  }

  /// `tdmr_populate_rsvd_areas`: holes between the memory blocks and whatever PAMT lies in the TDMR.
  private mutating func populateReserved(
    blocks: [Range<UInt64>], pamts: [Range<UInt64>], limit: Int
  ) throws(TDMRError) {
    var areas: [Range<UInt64>] = []
    var end = range.lowerBound
    for block in blocks where block.upperBound > range.lowerBound && block.lowerBound < range.upperBound {
      if block.lowerBound > end { areas.append(end..<block.lowerBound) }
      end = max(end, block.upperBound)
    }
    if end < range.upperBound { areas.append(end..<range.upperBound) }
    areas += pamts.map { $0.clamped(to: range) }.filter { !$0.isEmpty }
    guard areas.count <= limit else {
      let name = "[0x\(String(range.lowerBound, radix: 16)), 0x\(String(range.upperBound, radix: 16)))"
      throw TDMRError(errno: .noSpace, warning: "initialization failed: TDMR \(name): reserved areas exhausted.")
    }
    reserved = areas.sorted { $0.lowerBound < $1.lowerBound }
  }
}
