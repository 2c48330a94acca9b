import Kernfs
import SystemPackage

/// `status`, 0444: the phase of the upload that runs, or "idle" (also while an image is being loaded).
public struct StatusAttribute: TextAttribute {
  /// 0444.
  public let mode: UInt16 = 0o444
  private let device: FirmwareUploadDevice

  /// The file of `device`.
  public init(_ device: FirmwareUploadDevice) { self.device = device }

  /// One word.
  public func show(_ text: inout AttributeText) throws(Errno) {
    text.append(try device.withDevice { machine throws(Errno) in machine.progress.name })
    text.append("\n")
  }
}
