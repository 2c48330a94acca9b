import Basics

/// Sparse physical memory: pages that were never written read as zeros.
///
/// Pages are copy-on-write values, so copying one page to another address, and
/// copying the whole memory for a snapshot, costs no copying of bytes.
public struct PhysicalMemory: Sendable {
  /// Bytes a page.
  public static let pageSize = 4096

  /// One page, and the KeyID under which it was written last.
  public struct Page: Sendable, Equatable {
    /// The 4096 bytes.
    public var bytes: [UInt8]
    /// KeyID of the last write; 0 is the host's.
    public var keyID: UInt16

    /// A page of `bytes`, which are cut or filled up with zeros to 4096.
    public init(bytes: [UInt8] = [], keyID: UInt16 = 0) {
      var bytes = bytes
      if bytes.count > pageSize { bytes.removeLast(bytes.count - pageSize) }
      if bytes.count < pageSize { bytes.append(contentsOf: repeatElement(0, count: pageSize - bytes.count)) }
      self.bytes = bytes
      self.keyID = keyID
    }

    private init(whole bytes: [UInt8], keyID: UInt16) {
      self.bytes = bytes
      self.keyID = keyID
    }

    /// A page of zeros under `keyID`. All such pages share their bytes until one is written.
    public static func zeros(keyID: UInt16) -> Self { Self(whole: zeroBytes, keyID: keyID) }

    /// Takes the place of a page where there is none.
    fileprivate static let absent = Self(whole: [], keyID: 0)

    /// The same bytes, shared, under another KeyID.
    func under(_ keyID: UInt16) -> Self { Self(whole: bytes, keyID: keyID) }

    private static let zeroBytes = [UInt8](repeating: 0, count: pageSize)

    /// Whether the page was written under the KeyID of a TD or under the global one of the TDX module.
    public var isPrivate: Bool { keyID >= MachineConfiguration.firstPrivateKeyID }
  }

  /// The pages that were written, by page number, of the memory outside the SEAM range, but for ``changed``.
  private var pages: [UInt64: Page] = [:]
  /// The page outside the SEAM range that was changed in place last, and its number: the one that SEAMLDR.INFO fills at each
  /// read of two attributes, for which looking into a table twice is much of the call.
  private var changed = Page.absent
  private var changedNumber = Self.noNumber
  /// No page has it.
  private static let noNumber = UInt64.max
  /// Ditto inside the SEAM range, apart so that clearing the range is quick.
  private var seamPages: [UInt64: Page] = [:]
  private let seamRange: Range<UInt64>

  /// Memory that was never written; `seamRange` holds the addresses of the SEAM range.
  public init(seamRange: Range<UInt64>) {
    self.seamRange = seamRange
  }

  /// Whether its SEAM range is `expected`.
  func check(seamRange expected: Range<UInt64>) throws(ArchiveError) {
    try ArchiveCheck.require(seamRange == expected, "another SEAM range")
  }

  /// Number of pages that hold something.
  public var residentPages: Int { pages.count + seamPages.count + (changedNumber == Self.noNumber ? 0 : 1) }

  /// The page that contains the address `hpa` (without key-id bits); nil when it was never written.
  public func page(at hpa: UInt64) -> Page? {
    let number = hpa / 4096
    if seamRange.contains(hpa) { return seamPages[number] }
    return number == changedNumber ? changed : pages[number]
  }

  /// Replaces the whole page that contains `hpa`; nil gives it back to zeros.
  public mutating func setPage(_ page: Page?, at hpa: UInt64) {
    let number = hpa / 4096
    if seamRange.contains(hpa) {
      seamPages[number] = page
    } else if number != changedNumber {
      pages[number] = page
    } else if let page {
      changed = page
    } else {
      changed = .absent
      changedNumber = Self.noNumber
    }
  }

  /// Copies the page that contains `source` over the page that contains `target`.
  public mutating func copyPage(from source: UInt64, to target: UInt64) {
    setPage(page(at: source), at: target)
  }

  /// The `count` bytes at `hpa` (without key-id bits), whichever pages they lie in.
  public func read(_ hpa: UInt64, count: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(max(0, count))
    var address = hpa
    while result.count < count {
      let offset = Int(address % 4096)
      let length = min(Self.pageSize - offset, count - result.count)
      if let page = page(at: address) {
        result.append(contentsOf: page.bytes[offset..<(offset + length)])
      } else {
        result.append(contentsOf: repeatElement(0, count: length))
      }
      address &+= UInt64(length)
    }
    return result
  }

  /// The two little-endian words at `hpa` (without key-id bits), of which the lowest 4 bits do not count. It changes nothing:
  /// asked so, the memory is not copied for the call.
  public mutating func words(at hpa: UInt64) -> (low: UInt64, high: UInt64) {
    // Nearly always the page is `changed`, which is looked at where it lies.
    let number = hpa / 4096
    guard number != changedNumber else { return Self.words(of: changed.bytes, at: hpa) }
    guard let page = seamRange.contains(hpa) ? seamPages[number] : pages[number] else { return (0, 0) }
    return Self.words(of: page.bytes, at: hpa)
  }

  @inline(__always)
  private static func words(of bytes: borrowing [UInt8], at hpa: UInt64) -> (low: UInt64, high: UInt64) {
    let offset = Int(hpa % 4096) & ~15
    return bytes.withUnsafeBytes { bytes in
      guard offset + 16 <= bytes.count else { return (low: UInt64(0), high: UInt64(0)) }
      return (
        low: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
        high: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
      )
    }
  }

  /// Changes the page that contains `hpa` in place, under `keyID`: `change` gets its 4096 bytes.
  public mutating func changePage(
    at hpa: UInt64, keyID: UInt16 = 0, _ change: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    func apply(_ page: inout Page) {
      if page.bytes.count != Self.pageSize { page = Page(bytes: page.bytes) }
      page.keyID = keyID
      page.bytes.withUnsafeMutableBytes(change)
    }
    let number = hpa / 4096
    if seamRange.contains(hpa) {
      apply(&seamPages[number, default: Page()])
    } else {
      if number != changedNumber { bringOut(number) }
      apply(&changed)
    }
  }

  /// Makes the page of this number, outside the SEAM range, ``changed``.
  private mutating func bringOut(_ number: UInt64) {
    if changedNumber != Self.noNumber { pages[changedNumber] = changed }
    changed = pages.removeValue(forKey: number) ?? Page()
    changedNumber = number
  }

  /// Writes `bytes` at `hpa` (without key-id bits) under `keyID`.
  public mutating func write(_ bytes: some Collection<UInt8>, at hpa: UInt64, keyID: UInt16 = 0) {
    var address = hpa
    var rest = bytes[...]
    while !rest.isEmpty {
      let offset = Int(address % 4096)
      let chunk = rest.prefix(Self.pageSize - offset)
      if chunk.count == Self.pageSize {
        setPage(Page(bytes: Array(chunk), keyID: keyID), at: address)
      } else {
        var page = page(at: address) ?? Page()
        // Gives the dictionary's reference up, so that the bytes are changed in place.
        setPage(nil, at: address)
        page.keyID = keyID
        page.bytes.replaceSubrange(offset..<(offset + chunk.count), with: chunk)
        setPage(page, at: address)
      }
      address &+= UInt64(chunk.count)
      rest = rest.dropFirst(chunk.count)
    }
  }

  /// Gives every page of the SEAM range from `base` up to `end` back to zeros, but for those in `kept`.
  public mutating func clearSEAM(from base: UInt64, to end: UInt64, keeping kept: Range<UInt64> = 0..<0) {
    seamPages = seamPages.filter { number, _ in
      let address = number * 4096
      return !(base..<max(base, end)).contains(address) || kept.contains(address)
    }
  }
}

extension PhysicalMemory: Codable {
  private enum Key: CodingKey {
    case seamRange, pages
  }

  /// The pages in ascending order, packed: distance from the one before, KeyID, 0 for zeros or 1, then the bytes.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(seamRange, forKey: .seamRange)
    var packer = Packer()
    var last: UInt64 = 0
    var all = Array(pages) + Array(seamPages)
    if changedNumber != Self.noNumber { all.append((key: changedNumber, value: changed)) }
    for (number, page) in all.sorted(by: { $0.key < $1.key }) {
      packer.append(number &- last)
      packer.append(UInt64(page.keyID))
      let isZero = page.bytes.allSatisfy { $0 == 0 }
      packer.append(isZero ? 0 : 1)
      if !isZero { packer.append(bytes: page.bytes) }
      last = number
    }
    try container.encode(packer.bytes, forKey: .pages)
  }

  /// Reads what ``encode(to:)`` wrote.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    self.init(seamRange: try container.decode(Range<UInt64>.self, forKey: .seamRange))
    var unpacker = Unpacker(try container.decode([UInt8].self, forKey: .pages))
    var number: UInt64 = 0
    var isFirst = true
    while !unpacker.isAtEnd {
      let distance = try unpacker.number()
      try ArchiveCheck.require(isFirst || distance > 0, "a page of memory comes twice")
      isFirst = false
      number = number.addingReportingOverflow(distance).partialValue
      try ArchiveCheck.range(number, 0...Self.lastPage, "the number of a page of memory")
      let keyID = try unpacker.number(as: UInt16.self)
      let isZero = try unpacker.number() == 0
      let page = isZero ? Page.zeros(keyID: keyID) : Page(bytes: try unpacker.bytes(Self.pageSize), keyID: keyID)
      setPage(page, at: number &* 4096)
    }
  }

  /// The highest page that a physical address can name.
  private static let lastPage: UInt64 = (1 << (MachineConfiguration.maxPA - 12)) - 1
}
