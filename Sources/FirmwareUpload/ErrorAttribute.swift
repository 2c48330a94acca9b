import Kernfs
import SystemPackage

/// `error`, 0444: "phase:error" of the last upload, or nothing at all. It stays until the next upload starts. Errors:
/// EBUSY while an upload runs.
public struct ErrorAttribute: TextAttribute {
  /// 0444.
  public let mode: UInt16 = 0o444
  private let device: FirmwareUploadDevice

  /// The file of `device`.
  public init(_ device: FirmwareUploadDevice) { self.device = device }

  /// A line, or no text.
  public func show(_ text: inout AttributeText) throws(Errno) {
    let failure = try device.withDevice { machine throws(Errno) in
      switch machine.progress {
      case .idle: return machine.failure
      case .receiving, .preparing, .transferring, .programming: throw .resourceBusy
      }
    }
    guard let failure else { return }
    text.append(failure.phase.name)
    text.append(":")
    text.append(failure.error.name)
    text.append("\n")
  }
}
