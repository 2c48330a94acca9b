import ModuleImage
import SEAM

/// The last caller of INSTALL as pseamldr.md 1.5 and 3.4 describe it, told a second time for tests: the rows A1 to A33 and B2
/// in their order, on raw bytes. The first row that fails wins.
///
/// Written from the reference alone: it shares no layout, rule or address check with PSEAMLDR or ModuleImage. It knows no RSA
/// and no SHA: a signature fits the one sigstruct that was signed, a hash the one image that was hashed.
struct InstallModel {
  /// What a call is refused with.
  struct Verdict: Equatable, CustomStringConvertible {
    /// The row of 3.4.
    var row: String
    /// Error code of 3.1.
    var rax: UInt64
    /// 1 = there is no module any more.
    var rdx: UInt64
    var description: String { "\(row) RAX 0x\(String(rax, radix: 16)) RDX \(rdx)" }
  }

  static let badParam: UInt64 = 0x8000_0000_0000_0000
  static let badCall: UInt64 = 0x8000_0000_0000_0003
  static let badHandoff: UInt64 = 0x8000_0000_0000_0004
  static let cleanupRequired: UInt64 = 0x8000_0000_0000_0005
  static let unsupported: UInt64 = 0x8000_0000_0000_0006
  static let noMemory: UInt64 = 0x8000_0000_0001_0002
  static let unsupportedCPU: UInt64 = 0x8000_0000_0001_0004
  static let badSignature: UInt64 = 0x8000_0000_0002_0000
  static let badHash: UInt64 = 0x8000_0000_0002_0001
  static let noEntropy: UInt64 = 0x8000_0000_0003_0001

  /// The loader of the 2.0 line (L20); else 1.5.02 (L152).
  var is20: Bool
  /// SEAM_READY before the session.
  var isReady = true
  /// SVN of the module before the session.
  var major: UInt64
  var minor: UInt64
  /// CPUID.1.EAX of every socket.
  var cpu: UInt64
  /// Entries that are left in the SEAMDB.
  var remainingUpdates = 15
  /// RDRAND delivers.
  var hasEntropy = true
  /// The first 8 bytes of the data region.
  var handoff: [UInt8]
  /// Bytes that the old install reserved for handoff data.
  var reserved: UInt64
  /// Host memory, by page; zeros elsewhere.
  var memory: [UInt64: [UInt8]]
  /// The sigstruct whose signature is valid.
  var signed: [UInt8]
  /// The pages whose SHA-384 `hash` is.
  var image: [UInt8]
  var hash: [UInt8]

  /// 4 GiB of memory, the SEAM range of 128 MiB above, whose last 8 MiB are the loader's.
  static let seamBase: UInt64 = 4 << 30
  static let seamEnd: UInt64 = seamBase + (128 << 20)
  static let roomForModule: UInt64 = 120 << 20

  /// 1.5: the four rules of a valid HPA, for a machine with MAXPA 52, KeyIDs in bits 51:41 and private ones from 64.
  static func isValid(_ hpa: UInt64, alignment: UInt64) -> Bool {
    let address = hpa & ((1 << 41) - 1)
    let keyID = hpa >> 41 & 0x7FF
    return hpa % alignment == 0 && hpa >> 52 == 0 && !(seamBase..<seamEnd).contains(address) && keyID < 64
  }

  private func page(_ hpa: UInt64) -> [UInt8] {
    memory[hpa & ((1 << 41) - 1)] ?? [UInt8](repeating: 0, count: 4096)
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<size { value |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
    return value
  }

  private static func isZero(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    for index in range where bytes[index] != 0 { return false }
    return true
  }

  /// nil: the module is installed.
  func verdict(rcx: UInt64) -> Verdict? {
    func refused(_ row: String, _ rax: UInt64) -> Verdict { Verdict(row: row, rax: rax, rdx: 0) }
    guard Self.isValid(rcx, alignment: 4096) else { return refused("A1", Self.badParam) }
    let params = page(rcx)
    if Self.number(params, 0, 4) != 0 { return refused("A2", Self.badParam) }
    if !Self.isZero(params, 16..<120) { return refused("A3", Self.badParam) }
    let scenario = Self.number(params, 4, 4)
    if scenario > 1 { return refused("A4", Self.badParam) }
    let isUpdate = scenario == 1
    let count = Self.number(params, 120, 8)
    if count < 1 || count > 496 { return refused("A5", Self.badParam) }
    let pages = (0..<Int(count)).map { Self.number(params, 128 + 8 * $0, 8) }
    for page in pages where !Self.isValid(page, alignment: 4096) { return refused("A6", Self.badParam) }
    let sigstruct = Self.number(params, 8, 8)
    if !Self.isValid(sigstruct, alignment: 4096) { return refused("A7", Self.badParam) }
    if isUpdate && !isReady { return refused("A8", Self.badParam) }
    return verdict(Array(page(sigstruct).prefix(2048)), pages: pages, isUpdate: isUpdate)
  }

  /// A9 to B2.
  private func verdict(_ s: [UInt8], pages: [UInt64], isUpdate: Bool) -> Verdict? {
    func refused(_ row: String, _ rax: UInt64 = Self.badSignature) -> Verdict { Verdict(row: row, rax: rax, rdx: 0) }
    func field(_ offset: Int, _ size: Int) -> UInt64 { Self.number(s, offset, size) }
    let size = UInt64(pages.count) * 4096
    for range in [40..<128, 978..<984, 989..<990] + (is20 ? [] : [1000..<1024]) where !Self.isZero(s, range) {
      return refused("A9")
    }
    if field(0, 4) != 6 || field(4, 4) != 0xE1 || field(8, 4) != 0x10000 { return refused("A10") }
    if field(28, 4) != 0x60 || field(36, 4) != 1 || field(32, 4) != 0x60 { return refused("A11") }
    if field(16, 4) != 0x8086 || field(12, 4) & 0x7FFF_FFFF != 0 || field(950, 8) != 0 { return refused("A12") }
    if field(24, 4) != 0x200 { return refused("A13") }
    let cpus = field(1024, 4)
    if cpus > 255 { return refused("A14") }
    if field(512, 4) != 0x10001 { return refused("A15") }
    if field(986, 2) > field(984, 2) { return refused("A16") }
    let tables = field(992, 4)
    let wrapper = field(996, 4)
    if tables % 4096 != 0 { return refused("A17") }
    if (tables == 0) != (wrapper == 0) { return refused("A18") }
    if s[128..<512] != signed[128..<512] { return refused("A19") }
    let isDebug = field(12, 4) >> 31 == 1
    if isDebug { return refused("A20") }
    if !is20 && field(949, 1) == 0 { return refused("A21", Self.unsupported) }
    if isUpdate && field(949, 1) != major { return refused("A22", Self.unsupported) }
    if isUpdate && field(948, 1) < minor { return refused("A23") }
    // Whatever was loaded before leaves keys and caches dirty.
    if !isUpdate && (field(949, 1) != major || field(948, 1) < minor) { return refused("A24", Self.cleanupRequired) }
    if tables != 0 && tables + 4096 > size { return refused("A25") }
    if wrapper != 0 && wrapper + 512 > size { return refused("A26") }
    let listed = (0..<Int(cpus)).map { field(1028 + 4 * $0, 4) & ~0xF }
    if cpus > 0 && !listed.contains(cpu & ~0xF) { return refused("A27", Self.unsupportedCPU) }
    if cpus == 0 { return refused("A28") }
    if s != signed { return refused("A29") }
    if !hasEntropy { return refused("A30", Self.noEntropy) }
    if required(s, size: size, isUpdate: isUpdate) > Self.roomForModule { return refused("A31", Self.noMemory) }
    if isUpdate && field(949, 1) != 0 {
      if remainingUpdates == 0 { return refused("A32", Self.badCall) }
      let version = Self.number(handoff, 2, 2)
      let isReadable = field(986, 2) <= version && version <= field(984, 2)
      if handoff[0] == 0 || Self.number(handoff, 4, 4) + 8 > reserved || !isReadable {
        return refused("A33", Self.badHandoff)
      }
    }
    if pages.flatMap({ page($0) }) != image || Array(s[900..<948]) != hash {
      return Verdict(row: "B2", rax: Self.badHash, rdx: 1)
    }
    return nil
  }

  /// Section 5, for one LP.
  private func required(_ s: [UInt8], size: UInt64, isUpdate: Bool) -> UInt64 {
    func pages(_ offset: Int, _ size: Int) -> UInt64 { Self.number(s, offset, size) + 1 }
    func up(_ value: UInt64) -> UInt64 { (value + 4095) / 4096 }
    var handoffPages = pages(990, 2)
    if is20 && isUpdate { handoffPages = max(handoffPages, reserved / 4096) }
    let stacks = (pages(962, 1) + 1) * 4096
    let data = (handoffPages + pages(963, 1) + pages(966, 2)) * 4096
    let keyholes = pages(964, 2) * 4096
    let edit = up(keyholes / 4096 * 8) * 4096
    var tables: UInt64 = 1
    for bytes in [4096, stacks, data, keyholes, edit, size] {
      tables += up(bytes / 4096 * 8) + up((bytes >> 21) * 8) + up((bytes >> 30) * 8)
    }
    return 4096 + 4096 + stacks + data + tables * 4096 + (2 << 20)
  }
}
