import Basics
import Cryptography
import SEAM

/// TDINFO, the half of a TDREPORT that the module makes (tdx-module.md 7.1).
enum TDInfo {
  /// Size in memory.
  static let size = 512

  /// Byte offsets from its start, which is byte 512 of the report.
  enum Offset {
    static let attributes = 0
    static let xfam = 8
    static let mrtd = 16
    static let mrConfigID = 64
    static let mrOwner = 112
    static let mrOwnerConfig = 160
    static let rtmr0 = 208
    static let servtdHash = 400
  }

  /// The 512 bytes of `td`.
  static func bytes(of td: TD) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: size)
    let parameters = td.parameters
    bytes.store(parameters.attributes.rawValue, at: Offset.attributes)
    bytes.store(parameters.xfam, at: Offset.xfam)
    bytes.store(td.measurement.mrtd, at: Offset.mrtd)
    bytes.store(parameters.mrConfigID, at: Offset.mrConfigID)
    bytes.store(parameters.mrOwner, at: Offset.mrOwner)
    bytes.store(parameters.mrOwnerConfig, at: Offset.mrOwnerConfig)
    for (index, rtmr) in td.measurement.rtmrs.enumerated() {
      bytes.store(rtmr, at: Offset.rtmr0 + TDMeasurement.digestSize * index)
    }
    bytes.store(td.measurement.servtdHash, at: Offset.servtdHash)
    return bytes
  }
}

/// TDG.MR.*: what a TD is, told by the CPU (tdx-module.md 6.7, 7).
extension TDXModule {
  /// Size of a TDREPORT, and what its address is aligned to.
  static let reportSize = 1024
  private static let reportDataSize = 64

  /// TDG.MR.REPORT, leaf 4: writes a TDREPORT to RCX, with the 64 bytes at RDX as REPORTDATA.
  ///
  /// The order is that of module source 1.5.01, but that a shared RCX is refused, where that source looks for it in the shared EPT.
  mutating func mrReport(
    _ registers: Registers, _ tdr: UInt64, machine: inout Machine
  ) throws(GuestStop) -> CompletionStatus {
    let td = try guestTD(tdr)
    guard registers.rcx % UInt64(Self.reportSize) == 0, registers.rcx < td.parameters.sharedBit else {
      throw .invalid(.rcx)
    }
    guard registers.rdx % UInt64(Self.reportDataSize) == 0, isGuestAddress(registers.rdx, in: td) else {
      throw .invalid(.rdx)
    }
    let reportData = try readGuest(registers.rdx, count: Self.reportDataSize, in: td, machine: machine)
    guard registers.r8 == 0 else { throw .invalid(.r8) }
    guard !locks.rtmrs.contains(tdr) else { throw .status(.operandBusy.with(.rtmr)) }
    let info = TDInfo.bytes(of: td)
    let hash = td.teeInfoHash ?? SHA384.digest(of: info)
    tds[tdr]?.teeInfoHash = hash
    // Type of a TD, subtype 0, and whether a service TD is bound.
    let type: [UInt8] = [0x81, 0, td.hasServiceTD ? 1 : 0, 0]
    guard
      let head = machine.seamdbReport(
        type: type, teeInfoHash: hash, reportData: reportData, index: td.seamdb.index, nonce: td.seamdb.nonce)
    else {
      // The TDR names a load of the module that never was.
      throw .exit(.abnormal(.nonRecoverableTDCorruptedMD, .tdFatal))
    }
    try writeGuest(head + info, at: registers.rcx, [.read, .write], in: td, machine: &machine)
    return .success
  }

  /// TDG.MR.RTMR.EXTEND, leaf 2: extends RTMR[RDX] with the 48 bytes at RCX.
  mutating func rtmrExtend(
    _ registers: Registers, _ tdr: UInt64, machine: Machine
  ) throws(GuestStop) -> CompletionStatus {
    let td = try guestTD(tdr)
    guard registers.rcx % 64 == 0, registers.rcx < td.parameters.sharedBit else { throw .invalid(.rcx) }
    let bytes = try readGuest(registers.rcx, count: TDMeasurement.digestSize, in: td, machine: machine)
    guard let index = Int(exactly: registers.rdx), td.measurement.rtmrs.indices.contains(index) else {
      throw .invalid(.rdx)
    }
    guard !locks.rtmrs.contains(tdr) else { throw .status(.operandBusy.with(.rtmr)) }
    tds[tdr]?.measurement.extendRTMR(index, with: bytes)
    tds[tdr]?.teeInfoHash = nil
    return .success
  }

  /// TDG.MR.VERIFYREPORT, leaf 22: whether this CPU made the REPORTMACSTRUCT at RCX since power-on.
  func verifyReport(_ registers: Registers, _ tdr: UInt64, machine: Machine) throws(GuestStop) -> CompletionStatus {
    let td = try guestTD(tdr)
    guard registers.rcx % UInt64(ReportLayout.macStructSize) == 0, registers.rcx < td.parameters.sharedBit else {
      throw .invalid(.rcx)
    }
    let bytes = try readGuest(registers.rcx, count: ReportLayout.macStructSize, in: td, machine: machine)
    switch machine.seamVerifyReport(bytes) {
    case .valid: return .success
    case .invalidCPUSVN: throw .status(.invalidCPUSVN)
    case .invalidMACStruct: throw .status(.invalidReportmacstruct)
    }
  }
}

extension TD {
  /// Whether a service TD is bound, or pre-bound.
  var hasServiceTD: Bool { serviceTDs.hasBinding }
}
