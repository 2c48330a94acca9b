import Kernfs
import SystemPackage

/// `data`, 0644, binary: the staged image (kernel-abi 2.4). Errors: EPERM for writing without CAP_SYS_RAWIO, whatever
/// the state; ENODEV both ways while an upload runs; EFBIG beyond the staging limit.
public struct DataAttribute: BinaryAttribute {
  /// 0644.
  public let mode: UInt16 = 0o644
  private let device: FirmwareUploadDevice

  /// The file of `device`.
  public init(_ device: FirmwareUploadDevice) { self.device = device }

  /// `firmware_data_read`.
  public func read(at offset: Int64, count: Int, by caller: Caller) throws(Errno) -> [UInt8] {
    try device.withDevice { machine throws(Errno) in try machine.read(at: offset, count: count) }
  }

  /// `firmware_data_write`.
  public func write(_ bytes: [UInt8], at offset: Int64, by caller: Caller) throws(Errno) -> Int {
    guard device.environment.mayWriteRawIO(caller) else { throw .notPermitted }
    do throws(Errno) {
      try device.withDevice { machine throws(Errno) in try machine.write(bytes, at: offset) }
    } catch {
      if error == .noMemory { device.environment.observe(.pageAllocationFailed(staged: device.stagedSize)) }
      throw error
    }
    return bytes.count
  }

  /// How much is staged; something during an upload, so that a read comes here and is refused.
  public var readableLength: Int64 {
    device.withMachine { machine in
      switch machine.loadState {
      case .done: 1
      case .unknown, .loading, .aborted: Int64(machine.staged.bytes.count)
      }
    }
  }
}
