import Kernfs
import SystemPackage

/// `cancel`, 0200: a true word asks the driver to stop the upload. Errors: EINVAL for false words and garbage; ENODEV
/// when none runs, though the driver is asked even then.
public struct CancelAttribute: TextAttribute {
  /// 0200.
  public let mode: UInt16 = 0o200
  private let device: FirmwareUploadDevice

  /// The file of `device`.
  public init(_ device: FirmwareUploadDevice) { self.device = device }

  /// `cancel_store`.
  public func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    guard KernelText.boolean(bytes, knowsEnable: device.knowsEnable) == true else { throw .invalidArgument }
    let isIdle = try device.withDevice { machine throws(Errno) in machine.progress == .idle }
    device.driver.cancel()
    device.environment.observe(.cancelled(whileIdle: isIdle))
    guard !isIdle else { throw .operationNotSupportedByDevice }
    return .consumed(bytes.count)
  }
}
