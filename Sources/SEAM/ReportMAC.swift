import Basics
import Cryptography

/// The key with which the CPU authenticates reports: drawn at power-on, never shown.
///
/// It follows from the machine's seed, so that any run can be repeated, without a draw from ``Entropy``: what comes out of
/// RDRAND does not depend on it.
public struct ReportKey: Equatable, Sendable, Codable {
  private let bytes: [UInt8]

  /// The key of the power-on with `seed`.
  public init(seed: UInt64) {
    let label = Array("tdxfs report key".utf8)
    bytes = HMACSHA256.code(of: seed.littleEndianBytes, key: label)
  }

  /// Whether it has the length of a key.
  func check() throws(ArchiveError) { try ArchiveCheck.count(bytes, is: 32, "the report key") }

  /// HMAC-SHA-256 of `message`.
  func authenticate(_ message: some Sequence<UInt8>) -> [UInt8] {
    HMACSHA256.code(of: message, key: bytes)
  }
}

/// Where things lie in the first 512 bytes of a TDREPORT, which the CPU makes: REPORTMACSTRUCT and TEE_TCB_INFO
/// (tdx-module.md 7.1).
public enum ReportLayout {
  /// Size of REPORTMACSTRUCT.
  public static let macStructSize = 256
  /// Size of both.
  public static let size = 512

  /// u8[4]: type, subtype, version, 0.
  public static let type = 0
  /// u8[16].
  public static let cpuSVN = 16
  /// u8[48]: SHA-384 of TEE_TCB_INFO.
  public static let teeTCBInfoHash = 32
  /// u8[48]: SHA-384 of TDINFO.
  public static let teeInfoHash = 80
  /// u8[64].
  public static let reportData = 128
  /// u8[32]: HMAC-SHA-256 of the bytes before it.
  public static let mac = 224
  /// The bytes under the MAC.
  static let authenticated = 0..<mac
  /// TEE_TCB_INFO, without the 17 bytes behind it.
  static let teeTCBInfo = 256..<495
  /// TEE_TCB_INFO begins like SEAM_INFO: VALID, TEE_TCB_SVN, MRSEAM, MRSIGNERSEAM, ATTRIBUTES.
  public static let teeTCBInfoStart = 256
  /// u8[16]: SVN of the module that is loaded now.
  public static let teeTCBSVN2 = 384

  /// REPORTTYPE.TYPE of a TD's report.
  static let tdType: UInt8 = 0x81
  /// VALID: TEE_TCB_SVN2 is there, two 8-byte words.
  static let svn2Valid: UInt64 = 3 << 16
  /// Bytes of REPORTMACSTRUCT that must be zero.
  static let reserved = [3..<16, 192..<224]
}

extension Machine {
  /// What SEAMOPS SEAMVERIFYREPORT says.
  public enum ReportVerdict: Equatable, Sendable {
    /// Made by this CPU since power-on.
    case valid
    /// Made under another microcode.
    case invalidCPUSVN
    /// No REPORTMACSTRUCT, or not made by this CPU since power-on.
    case invalidMACStruct
  }

  /// SEAMOPS SEAMDB_REPORT: REPORTMACSTRUCT and TEE_TCB_INFO, 512 bytes, for a TD that remembers the entry `index` of the
  /// SEAMDB, told apart by `nonce`. That entry gives the identity, the newest one gives TEE_TCB_SVN2. Nil when the table has
  /// no such entry.
  public func seamdbReport(
    type: [UInt8], teeInfoHash: [UInt8], reportData: [UInt8], index: Int, nonce: [UInt64]
  ) -> [UInt8]? {
    guard let entry = seamdb[index], entry.nonce == nonce, let newest = seamdb[seamdb.count - 1] else { return nil }
    var info = entry.info
    info.valid |= ReportLayout.svn2Valid
    var report = [UInt8](repeating: 0, count: ReportLayout.size)
    report.store(info.bytes, at: ReportLayout.teeTCBInfoStart)
    report.store(newest.info.teeTCBSVN, at: ReportLayout.teeTCBSVN2)
    report.store(type.prefix(4), at: ReportLayout.type)
    report.store(configuration.cpu.cpuSVN, at: ReportLayout.cpuSVN)
    report.store(SHA384.digest(of: report[ReportLayout.teeTCBInfo]), at: ReportLayout.teeTCBInfoHash)
    report.store(teeInfoHash.prefix(48), at: ReportLayout.teeInfoHash)
    report.store(reportData.prefix(64), at: ReportLayout.reportData)
    report.store(reportKey.authenticate(report[ReportLayout.authenticated]), at: ReportLayout.mac)
    return report
  }

  /// SEAMOPS SEAMVERIFYREPORT of the 256 bytes of a REPORTMACSTRUCT.
  public func seamVerifyReport(_ macStruct: [UInt8]) -> ReportVerdict {
    guard macStruct.count == ReportLayout.macStructSize, macStruct[ReportLayout.type] == ReportLayout.tdType,
      ReportLayout.reserved.allSatisfy({ macStruct[$0].allSatisfy { $0 == 0 } })
    else { return .invalidMACStruct }
    let cpuSVN = ReportLayout.cpuSVN..<(ReportLayout.cpuSVN + 16)
    guard Array(macStruct[cpuSVN]) == configuration.cpu.cpuSVN else { return .invalidCPUSVN }
    let mac = reportKey.authenticate(macStruct[ReportLayout.authenticated])
    return Array(macStruct[ReportLayout.mac...]) == mac ? .valid : .invalidMACStruct
  }
}

extension CPUModel {
  /// CPUSVN: how new the microcode is. What the bytes mean is not published; these stand for one microcode that is never
  /// updated.
  public var cpuSVN: [UInt8] { [2, 2, 2, 2, 3, 1, 0, 3] + [UInt8](repeating: 0, count: 8) }
}
