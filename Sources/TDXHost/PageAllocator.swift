import Basics

/// The emulated kernel's page allocator: which pages of host memory are in use.
///
/// Single pages come from the bottom, contiguous chunks (`alloc_contig_pages`) from the top. Freed pages are used
/// again, last freed first, so that ten thousand updates touch the same memory.
public struct PageAllocator: Sendable, Equatable, Codable {
  /// Bytes a page.
  public static let pageSize: UInt64 = 4096
  /// Below this address lie the kernel itself and what firmware left behind.
  public static let firstAddress: UInt64 = 16 << 20

  private var regions: [Range<UInt64>]
  private var freed: [UInt64] = []
  /// Pages that were handed out and not given back.
  public private(set) var pagesInUse = 0
  /// There is no memory for now, whatever is free.
  public var isExhausted = false

  /// An allocator over `memory`, of which everything below ``firstAddress`` is left alone.
  public init(memory: [Range<UInt64>]) {
    regions = memory.compactMap { region in
      let start = max(region.lowerBound, Self.firstAddress)
      return start < region.upperBound ? start..<region.upperBound : nil
    }
  }

  /// Whether it hands out nothing but pages of `memory`.
  func check(_ memory: [Range<UInt64>]) throws(ArchiveError) {
    let whole = Self(memory: memory).regions
    try ArchiveCheck.count(regions, is: whole.count, "the regions of free memory")
    for (region, all) in zip(regions, whole) {
      try ArchiveCheck.require(region == region.clamped(to: all), "free memory beyond all memory")
    }
    for page in freed {
      try ArchiveCheck.require(
        page.isMultiple(of: Self.pageSize) && whole.contains { $0.contains(page) }, "a free page at \(page.hex)")
    }
    let pages = whole.reduce(0) { $0 + Int(($1.upperBound - $1.lowerBound) / Self.pageSize) }
    try ArchiveCheck.range(freed.count, 0...pages, "the number of free pages")
    // It may be less than none when pages were given back that something else had taken.
    try ArchiveCheck.range(pagesInUse, -pages...pages, "the number of pages in use")
  }

  /// Whether `page` is one of `memory`.
  func check(_ page: UInt64, _ memory: [Range<UInt64>]) throws(ArchiveError) {
    try ArchiveCheck.require(
      page.isMultiple(of: Self.pageSize) && memory.contains { $0.contains(page) }, "a page of memory at \(page.hex)")
  }

  /// Pages that can still be handed out.
  public var freePages: Int {
    regions.reduce(freed.count) { $0 + Int(($1.upperBound - $1.lowerBound) / Self.pageSize) }
  }

  /// A page, by its address; nil when there is none (`-ENOMEM`). Its old bytes are still in it.
  public mutating func allocate() -> UInt64? {
    guard !isExhausted else { return nil }
    if let page = freed.popLast() {
      pagesInUse += 1
      return page
    }
    guard let index = regions.firstIndex(where: { $0.count >= Self.pageSize }) else { return nil }
    let region = regions[index]
    regions[index] = (region.lowerBound + Self.pageSize)..<region.upperBound
    pagesInUse += 1
    return region.lowerBound
  }

  /// `count` pages, not necessarily neighbours; nil and nothing taken when there are not as many.
  public mutating func allocate(_ count: Int) -> [UInt64]? {
    var pages: [UInt64] = []
    pages.reserveCapacity(max(0, count))
    while pages.count < count {
      guard let page = allocate() else {
        free(pages)
        return nil
      }
      pages.append(page)
    }
    return pages
  }

  /// `size` bytes, rounded up to pages, in one piece; nil when no region has them. Never given back: the kernel keeps
  /// TDMRs and PAMTs for as long as it runs.
  public mutating func allocateContiguous(size: UInt64) -> UInt64? {
    guard !isExhausted else { return nil }
    let (padded, overflow) = size.addingReportingOverflow(Self.pageSize - 1)
    guard !overflow else { return nil }
    let rounded = padded & ~(Self.pageSize - 1)
    guard let index = regions.lastIndex(where: { $0.upperBound - $0.lowerBound >= rounded }) else { return nil }
    let region = regions[index]
    regions[index] = region.lowerBound..<(region.upperBound - rounded)
    pagesInUse += Int(rounded / Self.pageSize)
    return region.upperBound - rounded
  }

  /// Gives `pages` back.
  public mutating func free(_ pages: some BidirectionalCollection<UInt64>) {
    freed.append(contentsOf: pages.reversed())
    pagesInUse -= pages.count
  }
}
