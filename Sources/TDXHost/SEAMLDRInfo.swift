import Basics
import ModuleImage

/// What Linux takes out of SEAMLDR_INFO (`struct seamldr_info`; kernel-abi.md 3.2).
public struct SEAMLDRInfo: Equatable, Sendable {
  /// Bytes of the buffer, which is aligned to its size.
  public static let size = 256

  /// MAJOR at 20, MINOR at 18, UPDATE at 22.
  public var version: ModuleVersion
  /// NUM_REMAINING_UPDATES at 28.
  public var numRemainingUpdates: UInt32

  /// Reads a buffer that INFO has filled; missing bytes count as zero.
  public init(_ bytes: [UInt8]) {
    let reader = ByteReader(bytes)
    version = ModuleVersion(
      (try? reader.integer(at: 20)) ?? 0, (try? reader.integer(at: 18)) ?? 0, (try? reader.integer(at: 22)) ?? 0)
    numRemainingUpdates = (try? reader.integer(at: 28)) ?? 0
  }
}
