import SEAM

/// The checks of TDH.SYS.CONFIG on its TDMR_INFO structures, in the module's order (tdx-module.md 3.5).
///
/// DETAILS_L2 of the answers: byte 0 the TDMR, byte 1 the PAMT level (0 = 4K, 1 = 2M, 2 = 1G) or the reserved area, byte 2
/// the other TDMR.
struct TDMRChecks {
  /// TDMRs that passed.
  private(set) var accepted: [TDMRInfo] = []
  /// Convertible memory, adjacent ranges joined.
  private let convertible: [Range<UInt64>]
  private let dynamicPAMT: Bool

  /// Bytes of a page, by level.
  private static let pageSize: [UInt64] = [1 << 12, 1 << 21, 1 << 30]
  private static let levelName = ["4K", "2M", "1G"]

  init(table: SysInfoTable, dynamicPAMT: Bool) {
    self.dynamicPAMT = dynamicPAMT
    var ranges: [Range<UInt64>] = []
    for index in 0..<SysInfoTable.maxCMRs {
      let (base, size) = table.cmr(index)
      let (end, overflow) = base.addingReportingOverflow(size)
      guard size != 0, !overflow else { continue }
      if let last = ranges.last, last.upperBound == base {
        ranges[ranges.count - 1] = last.lowerBound..<end
      } else {
        ranges.append(base..<end)
      }
    }
    convertible = ranges
  }

  /// Checks the next TDMR against itself, convertible memory and those before it.
  mutating func add(_ info: TDMRInfo) throws(ModuleError) {
    let index = accepted.count
    try checkArea(info, index)
    try checkReserved(info, index)
    try checkPAMTAreas(info, index)
    try checkPAMTOverlaps(info, index)
    try checkPAMTAgainstTDMRs(info, index)
    for level in [2, 1, 0] where !isConvertible(range(info.pamt[level])) {
      throw refused(
        .pamtOutsideCMRs, index, level, text: "PAMT_\(Self.levelName[level]) of TDMR \(index) is outside the CMRs")
    }
    guard info.available.allSatisfy(isConvertible) else {
      throw refused(.tdmrOutsideCMRs, index, text: "unreserved memory of TDMR \(index) is outside the CMRs")
    }
    accepted.append(info)
  }

  private func checkArea(_ info: TDMRInfo, _ index: Int) throws(ModuleError) {
    let (end, overflow) = info.base.addingReportingOverflow(info.size)
    guard !overflow else { throw refused(.invalidTDMR, index, text: "base and size of TDMR \(index) overflow") }
    if let previous = accepted.last, info.base < previous.base &+ previous.size {
      throw refused(.nonOrderedTDMR, index, text: "TDMR \(index) is not above TDMR \(index - 1)")
    }
    guard info.base % TDMR.gigabyte == 0, info.size % TDMR.gigabyte == 0, info.size != 0 else {
      throw refused(.invalidTDMR, index, text: "base or size of TDMR \(index) is not a multiple of 1 GiB, or size is 0")
    }
    guard isBelowMaxPA(info.base), isBelowMaxPA(end &- 1) else {
      throw refused(.invalidTDMR, index, text: "TDMR \(index) exceeds MAXPA or has KeyID bits")
    }
  }

  private func checkReserved(_ info: TDMRInfo, _ index: Int) throws(ModuleError) {
    for (number, area) in info.reserved.enumerated() {
      let name = "reserved area \(number) of TDMR \(index)"
      guard area.size != 0 else {
        if number + 1 < info.reserved.count, info.reserved[number + 1].size != 0 {
          throw refused(.nonOrderedReservedInTDMR, index, number, text: "\(name) is null, the next is not")
        }
        continue
      }
      let (end, overflow) = area.offset.addingReportingOverflow(area.size)
      guard !overflow else { throw refused(.invalidReservedInTDMR, index, number, text: "\(name) overflows") }
      if number > 0 {
        let previous = info.reserved[number - 1]
        guard area.offset >= previous.offset &+ previous.size else {
          throw refused(.nonOrderedReservedInTDMR, index, number, text: "\(name) is not above the one before it")
        }
      }
      guard area.offset % 4096 == 0, area.size % 4096 == 0 else {
        throw refused(.invalidReservedInTDMR, index, number, text: "\(name) is not page-aligned")
      }
      guard end <= info.size else {
        throw refused(.invalidReservedInTDMR, index, number, text: "\(name) is not inside the TDMR")
      }
    }
  }

  private func checkPAMTAreas(_ info: TDMRInfo, _ index: Int) throws(ModuleError) {
    for level in [2, 1, 0] {
      let area = info.pamt[level]
      let (end, overflow) = area.base.addingReportingOverflow(area.size)
      let name = "PAMT_\(Self.levelName[level]) of TDMR \(index)"
      let required = requiredSize(of: info, level: level)
      guard !overflow, area.base % 4096 == 0, area.size % 4096 == 0, isBelowMaxPA(area.base),
        isBelowMaxPA(area.size == 0 ? area.base : end &- 1)
      else { throw refused(.invalidPAMT, index, level, text: "\(name) is not page-aligned below MAXPA") }
      guard area.size >= required else {
        throw refused(.invalidPAMT, index, level, text: "\(name) has \(area.size) bytes, \(required) are needed")
      }
    }
  }

  /// 16 bytes for every page; with dynamic PAMT one bit for every 4-KiB page.
  private func requiredSize(of info: TDMRInfo, level: Int) -> UInt64 {
    let pages = info.size / Self.pageSize[level]
    return level == 0 && dynamicPAMT ? pages / 8 : pages * 16
  }

  private func checkPAMTOverlaps(_ info: TDMRInfo, _ index: Int) throws(ModuleError) {
    for (number, other) in accepted.enumerated() {
      for level in 0..<3 where other.pamt.contains(where: { range($0).overlaps(range(info.pamt[level])) }) {
        throw overlap(index, level, number, "a PAMT")
      }
    }
    for (low, high) in [(0, 1), (0, 2), (1, 2)] where range(info.pamt[low]).overlaps(range(info.pamt[high])) {
      throw overlap(index, low, index, "another PAMT")
    }
  }

  /// PAMTs may lie in the reserved areas of any TDMR, but not in the rest.
  private func checkPAMTAgainstTDMRs(_ info: TDMRInfo, _ index: Int) throws(ModuleError) {
    for (number, other) in (accepted + [info]).enumerated() {
      for level in 0..<3 where other.available.contains(where: { $0.overlaps(range(info.pamt[level])) }) {
        throw overlap(index, level, number, "unreserved memory")
      }
      guard number < index else { continue }
      for level in 0..<3 where info.available.contains(where: { $0.overlaps(range(other.pamt[level])) }) {
        throw overlap(number, level, index, "unreserved memory")
      }
    }
  }

  private func overlap(_ index: Int, _ level: Int, _ other: Int, _ what: String) -> ModuleError {
    refused(
      .pamtOverlap, index, level, other,
      text: "PAMT_\(Self.levelName[level]) of TDMR \(index) overlaps \(what) of TDMR \(other)")
  }

  private func refused(
    _ status: CompletionStatus, _ tdmr: Int, _ second: Int = 0, _ third: Int = 0, text: String
  ) -> ModuleError {
    let details = UInt32(tdmr & 0xFF) | UInt32(second & 0xFF) << 8 | UInt32(third & 0xFF) << 16
    return .refused(status.with(details: details), text)
  }

  private func isBelowMaxPA(_ raw: UInt64) -> Bool {
    let address = PhysicalAddress(rawValue: raw)
    return !address.exceedsMaxPA && address.keyID == 0
  }

  private func isConvertible(_ range: Range<UInt64>) -> Bool {
    convertible.contains { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound }
  }

  private func range(_ area: TDMRInfo.Area) -> Range<UInt64> {
    area.base..<max(area.base, area.base &+ area.size)
  }
}
