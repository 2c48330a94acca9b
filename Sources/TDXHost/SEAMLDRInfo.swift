import ModuleImage
import SEAM

/// What Linux takes out of SEAMLDR_INFO (`struct seamldr_info`; kernel-abi.md 3.2).
public struct SEAMLDRInfo: Equatable, Sendable, Codable {
  /// Bytes of the buffer, which is aligned to its size.
  public static let size = 256

  /// MAJOR at 20, MINOR at 18, UPDATE at 22.
  public var version: ModuleVersion
  /// NUM_REMAINING_UPDATES at 28.
  public var numRemainingUpdates: UInt32

  /// Reads the buffer at `hpa`, which INFO has filled.
  static func read(at hpa: UInt64, door: some SEAMCALLDoor) -> SEAMLDRInfo {
    // BUILD_NUM, MINOR, MAJOR and UPDATE are one word, and NUM_REMAINING_UPDATES the upper half of the next.
    let (version, counts) = door.readPhysicalWords(hpa &+ 16)
    return SEAMLDRInfo(
      version: ModuleVersion(
        UInt16(truncatingIfNeeded: version >> 32), UInt16(truncatingIfNeeded: version >> 16),
        UInt16(truncatingIfNeeded: version >> 48)),
      numRemainingUpdates: UInt32(truncatingIfNeeded: counts >> 32))
  }
}
