import Kernfs
import SystemPackage

/// `remaining_size`, 0444: what the driver has not taken yet, in bytes. After a failure it stays as it was until the
/// next upload starts.
public struct RemainingSizeAttribute: TextAttribute {
  /// 0444.
  public let mode: UInt16 = 0o444
  private let device: FirmwareUploadDevice

  /// The file of `device`.
  public init(_ device: FirmwareUploadDevice) { self.device = device }

  /// Decimal.
  public func show(_ text: inout AttributeText) throws(Errno) {
    let size = try device.withDevice { machine throws(Errno) in machine.remainingSize }
    text.append(decimal: UInt64(clamping: size))
    text.append("\n")
  }
}
