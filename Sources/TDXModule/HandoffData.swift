import Basics
import SEAM

/// What passes from one image of the module to the next through SEAM memory (tdx-module.md 4.1, 4.2).
struct HandoffData: Equatable, Sendable {
  /// Whether write-blocking export was used, which rules out non-blocking export (from HV2). The numbers are tdxfs's own.
  enum WriteBlockingExport: UInt8, Sendable, Codable {
    case notUsed = 0
    case used = 1
    /// Restored from a version that does not say.
    case possiblyUsed = 2
  }

  var kot = [KOTEntry](repeating: KOTEntry(), count: KOTEntry.count)
  var wbt = [WBTEntry](repeating: WBTEntry(), count: WBTEntry.count)
  /// TDMR_TABLE, as many as NUM_TDMR.
  var tdmrs: [TDMR] = []
  /// The global private KeyID; 0 before TDH.SYS.CONFIG.
  var hkid: UInt16 = 0
  /// PKG_CONFIG_BITMAP: packages that have the global key.
  var packageBitmap: UInt32 = 0
  var dynamicPAMT = false
  var tdBuildCount: UInt16 = 0
  var migInterruptedCount: UInt16 = 0
  var nonBlockingExport = false
  var writeBlockingExport = WriteBlockingExport.notUsed

  /// Offsets from the start of the data region, header included.
  enum Offset {
    static let kot = 0x0008
    static let wbt = 0x4008
    static let tdmrTable = 0x8088
    static let numTDMRs = 0xD088
    static let hkid = 0xD08C
    static let packageBitmap = 0xD08E
    static let dynamicPAMT = 0xD092
    static let tdBuildCount = 0xD093
    static let migInterruptedCount = 0xD095
    static let nonBlockingExport = 0xD097
    static let writeBlockingExport = 0xD098
  }

  /// The part that every version has, and the size field of HV0 of the 1.5 line.
  static let minimumSize = 53_386
  /// Pages that the data need with their header, in any version.
  static let pages = 14

  /// The size field that a module of `line` writes with handoff version `version`.
  ///
  /// 1.5: 53 386 for HV0, then 14 whole pages. 2.0: 53 391, up to the counters of HV1; from HV2 there are two fields behind
  /// them, so the padded form of the common structure is taken.
  static func size(version: UInt16, line: ModuleTraits.Line) -> Int {
    switch line {
    case .line15: version == 0 ? minimumSize : pages * 4096 - SEAMLayout.HandoffHeader.size
    case .line20: version < 2 ? 53_391 : pages * 4096 - SEAMLayout.HandoffHeader.size
    }
  }

  /// The bytes after the header, `size` of them.
  func bytes(version: UInt16, size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: SEAMLayout.HandoffHeader.size + max(0, size))
    for (index, entry) in kot.enumerated() where entry != KOTEntry() {
      let offset = Offset.kot + index * KOTEntry.size
      bytes.store(entry.wbinvdBitmap, at: offset)
      bytes.store(entry.stateByte, at: offset + 4)
    }
    for (index, entry) in wbt.enumerated() {
      let offset = Offset.wbt + index * WBTEntry.size
      bytes.store(entry.interruptPoint, at: offset)
      for keyID in entry.flushed { bytes.store(UInt8(1), at: offset + 8 + Int(keyID)) }
    }
    for (index, tdmr) in tdmrs.enumerated() {
      tdmr.store(in: &bytes, at: Offset.tdmrTable + index * TDMR.entrySize)
    }
    bytes.store(UInt32(truncatingIfNeeded: tdmrs.count), at: Offset.numTDMRs)
    bytes.store(hkid, at: Offset.hkid)
    bytes.store(packageBitmap, at: Offset.packageBitmap)
    bytes.store(UInt8(dynamicPAMT ? 1 : 0), at: Offset.dynamicPAMT)
    if version >= 1 {
      bytes.store(tdBuildCount, at: Offset.tdBuildCount)
      bytes.store(migInterruptedCount, at: Offset.migInterruptedCount)
    }
    if version >= 2 {
      bytes.store(UInt8(nonBlockingExport ? 1 : 0), at: Offset.nonBlockingExport)
      bytes.store(writeBlockingExport.rawValue, at: Offset.writeBlockingExport)
    }
    return Array(bytes.dropFirst(SEAMLayout.HandoffHeader.size))
  }

  /// No data: a cold start.
  init() {}

  /// The data in `body`, the bytes after the header, written with handoff version `version`. Nil when there are fewer
  /// bytes than every version has, or more TDMRs than there can be: internal corruption.
  init?(version: UInt16, body: [UInt8]) {
    guard body.count >= Self.minimumSize else { return nil }
    let reader = ByteReader([UInt8](repeating: 0, count: SEAMLayout.HandoffHeader.size) + body)
    func integer<T: FixedWidthInteger & UnsignedInteger>(_ offset: Int, as type: T.Type = T.self) -> T {
      // A field behind the end was not handed off: the loader cleared it.
      (try? reader.integer(at: offset, as: type)) ?? 0
    }
    for index in kot.indices {
      let offset = Offset.kot + index * KOTEntry.size
      kot[index] = KOTEntry(wbinvdBitmap: integer(offset), stateByte: integer(offset + 4))
    }
    for index in wbt.indices {
      let offset = Offset.wbt + index * WBTEntry.size
      wbt[index].interruptPoint = integer(offset)
      let flags = (try? reader.slice(at: offset + 8, count: KOTEntry.count)) ?? []
      for (keyID, flag) in flags.enumerated() where flag != 0 {
        wbt[index].flushed.insert(UInt16(truncatingIfNeeded: keyID))
      }
    }
    let count: UInt32 = integer(Offset.numTDMRs)
    guard count <= UInt32(TDMR.maximum) else { return nil }
    for index in 0..<Int(count) {
      tdmrs.append(TDMR(reader, at: Offset.tdmrTable + index * TDMR.entrySize))
    }
    hkid = integer(Offset.hkid)
    packageBitmap = integer(Offset.packageBitmap)
    dynamicPAMT = integer(Offset.dynamicPAMT, as: UInt8.self) != 0
    writeBlockingExport = .possiblyUsed
    if version >= 1 {
      tdBuildCount = integer(Offset.tdBuildCount)
      migInterruptedCount = integer(Offset.migInterruptedCount)
    }
    if version >= 2 {
      nonBlockingExport = integer(Offset.nonBlockingExport, as: UInt8.self) != 0
      writeBlockingExport = WriteBlockingExport(rawValue: integer(Offset.writeBlockingExport)) ?? .possiblyUsed
    }
  }
}

extension TDMR {
  /// Stores the table entry, 320 bytes, at `offset`.
  fileprivate func store(in bytes: inout [UInt8], at offset: Int) {
    for (index, word) in [base, size, nextToInitialize, pamt1GBase, pamt2MBase, pamt4KBase].enumerated() {
      bytes.store(word, at: offset + 8 * index)
    }
    bytes.store(UInt32(truncatingIfNeeded: size / Self.gigabyte), at: offset + 48)
    bytes.store(UInt32(truncatingIfNeeded: reserved.count), at: offset + 52)
    for (index, area) in reserved.enumerated() {
      bytes.store(area.offset, at: offset + 56 + 16 * index)
      bytes.store(area.size, at: offset + 64 + 16 * index)
    }
  }

  /// The table entry at `offset`.
  fileprivate init(_ reader: ByteReader, at offset: Int) {
    func word(_ index: Int) -> UInt64 { (try? reader.integer(at: offset + index)) ?? 0 }
    base = word(0)
    size = word(8)
    nextToInitialize = word(16)
    pamt1GBase = word(24)
    pamt2MBase = word(32)
    pamt4KBase = word(40)
    let count = min(word(48) >> 32, UInt64(Self.maxReserved))
    for index in 0..<Int(count) {
      reserved.append(ReservedArea(offset: word(56 + 16 * index), size: word(64 + 16 * index)))
    }
  }
}

extension HandoffData: Codable {
  private enum Key: CodingKey {
    case kot, wbt, tdmrs, hkid, packageBitmap, dynamicPAMT, tdBuildCount, migInterruptedCount, nonBlockingExport
    case writeBlockingExport
  }

  /// All of it; of the KOT those entries that somebody has used.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    var used: [Int: KOTEntry] = [:]
    for (index, entry) in kot.enumerated() where entry != KOTEntry() { used[index] = entry }
    try container.encode(used, forKey: .kot)
    try container.encode(wbt, forKey: .wbt)
    try container.encode(tdmrs, forKey: .tdmrs)
    try container.encode(hkid, forKey: .hkid)
    try container.encode(packageBitmap, forKey: .packageBitmap)
    try container.encode(dynamicPAMT, forKey: .dynamicPAMT)
    try container.encode(tdBuildCount, forKey: .tdBuildCount)
    try container.encode(migInterruptedCount, forKey: .migInterruptedCount)
    try container.encode(nonBlockingExport, forKey: .nonBlockingExport)
    try container.encode(writeBlockingExport, forKey: .writeBlockingExport)
  }

  /// Reads what ``encode(to:)`` wrote.
  init(from decoder: any Decoder) throws {
    self.init()
    let container = try decoder.container(keyedBy: Key.self)
    for (index, entry) in try container.decode([Int: KOTEntry].self, forKey: .kot) {
      try ArchiveCheck.range(index, 0...(KOTEntry.count - 1), "a KeyID of the KOT")
      kot[index] = entry
    }
    wbt = try container.decode([WBTEntry].self, forKey: .wbt)
    tdmrs = try container.decode([TDMR].self, forKey: .tdmrs)
    hkid = try container.decode(UInt16.self, forKey: .hkid)
    packageBitmap = try container.decode(UInt32.self, forKey: .packageBitmap)
    dynamicPAMT = try container.decode(Bool.self, forKey: .dynamicPAMT)
    tdBuildCount = try container.decode(UInt16.self, forKey: .tdBuildCount)
    migInterruptedCount = try container.decode(UInt16.self, forKey: .migInterruptedCount)
    nonBlockingExport = try container.decode(Bool.self, forKey: .nonBlockingExport)
    writeBlockingExport = try container.decode(WriteBlockingExport.self, forKey: .writeBlockingExport)
  }
}
