import Basics
import SEAM

/// The platform table that MCHECK made at power-on, 2048 bytes (pseamldr.md 2.7): what SEAMLDR.SEAMINFO returns, and the
/// lower half of the module's SYS_INFO table.
enum MCHECKTable {
  static let size = 2048
  private static let maxSockets = 8
  private static let maxCMRs = 32

  /// The table of a machine of `configuration`.
  static func bytes(of configuration: MachineConfiguration) -> [UInt8] {
    typealias Field = SEAMLayout.SysInfo
    var bytes = [UInt8](repeating: 0, count: size)
    bytes.store(UInt32(clamping: configuration.logicalProcessors), at: Field.totalLPs)
    bytes.store(UInt32(clamping: configuration.packages), at: Field.totalSockets)
    for (socket, signature) in configuration.socketSignatures.prefix(maxSockets).enumerated() {
      bytes.store(signature, at: Field.socketCPUID + 4 * socket)
    }
    bytes.store(configuration.loaderRangeBase, at: Field.loaderBase)
    bytes.store(MachineConfiguration.loaderRangeSize, at: Field.loaderSize)
    for (index, range) in configuration.convertibleMemoryRanges.prefix(maxCMRs).enumerated() {
      bytes.store(range.base, at: Field.cmrs + 16 * index)
      bytes.store(range.size, at: Field.cmrs + 16 * index + 8)
    }
    return bytes
  }
}
