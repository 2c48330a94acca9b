import Basics
import ModuleImage
import SEAM

/// How one module lies in the SEAM range, and whether it fits (pseamldr.md 5). All sizes are bytes.
struct MemoryPlan: Equatable, Sendable {
  private static let page: UInt64 = 4096

  /// Pages of the data region that hold handoff data.
  let handoffPages: Int
  /// Image, as mapped.
  let codeSize: UInt64
  /// Handoff data, TLS of all LPs, global data.
  let dataSize: UInt64
  /// Data stacks of all LPs, each with its page of shadow stack.
  let stackSize: UInt64
  /// Keyholes of all LPs: linear addresses only, no memory is behind them.
  let keyholeSize: UInt64
  /// The page-table entries of the keyholes, mapped for editing.
  let keyholeEditSize: UInt64
  /// Addressable LPs.
  let lps: UInt64

  /// The plan for an image of `imageSize` bytes which `sigstruct` describes, with `handoffPages` for handoff data.
  init(sigstruct: SEAMSigstruct, imageSize: Int, handoffPages: Int, configuration: MachineConfiguration) {
    let lps = UInt64(clamping: configuration.addressableLPs)
    func pages(_ value: some FixedWidthInteger) -> UInt64 { UInt64(clamping: value) + 1 }

    self.lps = lps
    self.handoffPages = handoffPages
    codeSize = UInt64(clamping: imageSize)
    stackSize = lps * (pages(sigstruct[SEAMSigstruct.numStackPages]) + 1) * Self.page
    dataSize =
      (UInt64(clamping: handoffPages) + lps * pages(sigstruct[SEAMSigstruct.numTLSPages])
        + pages(sigstruct[SEAMSigstruct.numGlobalDataPages])) * Self.page
    let keyholePages = lps * pages(sigstruct[SEAMSigstruct.numKeyholePages])
    keyholeSize = keyholePages * Self.page
    keyholeEditSize = (keyholePages * 8 + Self.page - 1) / Self.page * Self.page
  }

  /// NUM_HANDOFF_PAGES of `sigstruct` as a number of pages.
  static func handoffPages(of sigstruct: SEAMSigstruct) -> Int {
    Int(sigstruct[SEAMSigstruct.numHandoffPages]) + 1
  }

  /// The regions that the module's page tables map.
  private var mappedSizes: [UInt64] { [Self.page, stackSize, dataSize, keyholeSize, keyholeEditSize, codeSize] }

  /// Page-table pages that the loader reckons with before it begins (A31).
  var reckonedTables: UInt64 {
    func ceiling(_ bytes: UInt64) -> UInt64 { (bytes + Self.page - 1) / Self.page }
    return mappedSizes.reduce(1) { sum, size in
      sum + ceiling(size / Self.page * 8) + ceiling((size >> 21) * 8) + ceiling((size >> 30) * 8)
    }
  }

  /// Page-table pages that mapping really takes (B1). The reckoning leaves out tables that are not full: every region needs a page
  /// directory of its own, and two page-directory pointer tables serve the two halves of the address space.
  var neededTables: UInt64 {
    func tables(_ entries: UInt64) -> UInt64 { max(1, (entries + 511) / 512) }
    return mappedSizes.reduce(1 + 2) { sum, size in
      let pageTables = tables(size / Self.page)
      return sum + pageTables + tables(pageTables)
    }
  }

  private var withoutTables: UInt64 {
    Self.page + Self.page * lps + stackSize + dataSize + SEAMLayout.codeRegionSize
  }

  /// What A31 compares with ``available``.
  var requiredSize: UInt64 { withoutTables + reckonedTables * Self.page }

  /// Room between the base of the SEAM range and the P-SEAMLDR's own.
  static let available = MachineConfiguration.seamRangeSize - MachineConfiguration.loaderRangeSize

  /// A31: whether the loader begins at all.
  var fits: Bool { requiredSize <= Self.available }

  /// B1: whether the page tables, which grow downward from the stacks, stay clear of the data region.
  var tablesFit: Bool { withoutTables + neededTables * Self.page <= Self.available }

  /// The SYS_INFO page as the loader fills it before the module is known to be good: the last four fields stay 0.
  func sysInfo(configuration: MachineConfiguration, sigstruct: SEAMSigstruct, bases: LinearBases) -> [UInt8] {
    typealias Field = SEAMLayout.SysInfo
    var bytes = MCHECKTable.bytes(of: configuration)
    bytes.append(contentsOf: repeatElement(0, count: PhysicalMemory.pageSize - bytes.count))
    let regions = [
      (Field.code, bases.code, codeSize), (Field.data, bases.data, dataSize), (Field.stack, bases.stack, stackSize),
      (Field.keyhole, bases.keyhole, keyholeSize), (Field.keyholeEdit, bases.keyholeEdit, keyholeEditSize),
    ]
    for (offset, base, size) in regions {
      bytes.store(base, at: offset)
      bytes.store(size, at: offset + 8)
    }
    bytes.store(UInt64(sigstruct[SEAMSigstruct.numStackPages]), at: Field.stackPages)
    bytes.store(UInt64(sigstruct[SEAMSigstruct.numTLSPages]), at: Field.tlsPages)
    return bytes
  }
}

/// Where the module's regions begin in its linear address space: fixed bases, randomised together (pseamldr.md 5).
struct LinearBases: Equatable, Sendable {
  private let random: UInt64

  /// The bases for one draw of RDRAND.
  init(random: UInt64) {
    self.random = (random & 0x7FFC) << 32
  }

  var keyholeEdit: UInt64 { 0x0000_0001_0000_0000 | random }
  var code: UInt64 { 0xFFFF_8000_0000_0000 | random }
  var stack: UInt64 { 0xFFFF_8001_0000_0000 | random }
  var keyhole: UInt64 { 0xFFFF_8002_0000_0000 | random }
  var data: UInt64 { 0xFFFF_8003_0000_0000 | random }
  var sysInfo: UInt64 { 0xFFFF_8003_FFFF_0000 | random }
}
