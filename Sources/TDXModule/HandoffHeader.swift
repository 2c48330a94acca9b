import Basics
import SEAM

/// The first 8 bytes of the data region (pseamldr.md 2.5), read and written where they lie.
struct HandoffHeader: Equatable {
  var valid: Bool
  var version: UInt16
  var size: UInt32

  /// The header that is in SEAM memory now.
  init(_ machine: Machine) {
    let bytes = machine.memory.read(machine.dataRegionBase, count: SEAMLayout.HandoffHeader.size)
    valid = bytes[SEAMLayout.HandoffHeader.valid] != 0
    version = UInt16(littleEndianBytes: bytes.dropFirst(SEAMLayout.HandoffHeader.version))
    size = UInt32(littleEndianBytes: bytes.dropFirst(SEAMLayout.HandoffHeader.dataSize))
  }

  /// A header with these fields.
  init(valid: Bool, version: UInt16, size: UInt32) {
    self.valid = valid
    self.version = version
    self.size = size
  }

  /// Writes the header to SEAM memory.
  func store(in machine: inout Machine) {
    var bytes = [UInt8](repeating: 0, count: SEAMLayout.HandoffHeader.size)
    bytes.store(UInt8(valid ? 1 : 0), at: SEAMLayout.HandoffHeader.valid)
    bytes.store(version, at: SEAMLayout.HandoffHeader.version)
    bytes.store(size, at: SEAMLayout.HandoffHeader.dataSize)
    machine.memory.write(bytes, at: machine.dataRegionBase)
  }
}

/// The SYS_INFO table, which the P-SEAMLDR writes for the module (pseamldr.md 2.6).
struct SysInfoTable {
  /// The 4096 bytes.
  private let reader: ByteReader

  /// The table as it is in SEAM memory now.
  init(_ machine: Machine) {
    reader = ByteReader(machine.memory.read(machine.sysInfoBase, count: 4096))
  }

  private func integer<T: FixedWidthInteger & UnsignedInteger>(_ offset: Int, as type: T.Type = T.self) -> T {
    (try? reader.integer(at: offset, as: type)) ?? 0
  }

  /// NUM_LPS.
  var totalLPs: UInt32 { integer(SEAMLayout.SysInfo.totalLPs) }
  /// NUM_PKGS.
  var totalSockets: UInt32 { integer(SEAMLayout.SysInfo.totalSockets) }
  /// CPUID.1.EAX of a package, of which the table holds 8.
  func socketCPUID(_ index: Int) -> UInt32 {
    (0..<8).contains(index) ? integer(SEAMLayout.SysInfo.socketCPUID + 4 * index) : 0
  }

  /// Entries of the CMR array.
  static let maxCMRs = 32

  /// A convertible memory range; size 0 is an unused entry.
  func cmr(_ index: Int) -> (base: UInt64, size: UInt64) {
    guard (0..<Self.maxCMRs).contains(index) else { return (0, 0) }
    let offset = SEAMLayout.SysInfo.cmrs + 16 * index
    return (integer(offset), integer(offset + 8))
  }

  /// What the loader copied from the sigstruct.
  var negotiation: HandoffNegotiation {
    HandoffNegotiation(
      moduleHV: integer(SEAMLayout.SysInfo.moduleHV), minUpdateHV: integer(SEAMLayout.SysInfo.minUpdateHV),
      noDowngrade: integer(SEAMLayout.SysInfo.noDowngrade, as: UInt8.self) != 0,
      numHandoffPages: integer(SEAMLayout.SysInfo.numHandoffPages))
  }
}
