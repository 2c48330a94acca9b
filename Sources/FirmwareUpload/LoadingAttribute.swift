import Kernfs
import SystemPackage

/// `loading`, 0644: 1 begins an image, 0 uploads it, -1 gives it up (kernel-abi 2.3). Any text is a number, and every
/// write succeeds but one whose commit fails: ENOMEM, or the security module's errno.
public struct LoadingAttribute: TextAttribute {
  /// 0644.
  public let mode: UInt16 = 0o644
  private let device: FirmwareUploadDevice

  /// The file of `device`.
  public init(_ device: FirmwareUploadDevice) { self.device = device }

  /// 1 between `loading=1` and what ends it, 0 also while an upload runs.
  public func show(_ text: inout AttributeText) throws(Errno) {
    let isLoading = try device.withDevice { machine throws(Errno) in machine.isLoading }
    text.append(isLoading ? "1\n" : "0\n")
  }

  /// `firmware_loading_store`.
  public func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try device.store(loading: KernelText.integer(bytes))
    return .consumed(bytes.count)
  }
}

extension FirmwareUploadDevice {
  fileprivate func store(loading value: Int32) throws(Errno) {
    switch try withDevice({ machine throws(Errno) in machine.storeLoading(value) }) {
    case .ignored:
      environment.observe(.loadingIgnored(value))
    case .began(let dropped):
      environment.observe(.loadingBegan(dropped: dropped))
    case .gaveUp(let staged):
      environment.observe(.loadingGivenUp(staged: staged))
    case .unexpected(let staged, let wasLoading):
      environment.log("\(logPrefix): firmware_loading_store: unexpected value (\(value))")
      environment.observe(.unexpectedValue(value, staged: staged, wasLoading: wasLoading))
    case .nothingStaged:
      environment.observe(.nothingStaged)
    case .mappingFailed:
      environment.log("\(logPrefix): firmware_loading_store: map pages failed")
      environment.observe(.commitRefused(.noMemory))
      throw .noMemory
    case .refused(let errno):
      environment.observe(.commitRefused(errno))
      throw errno
    case .upload(let image):
      environment.observe(.started(size: image.count))
      environment.schedule { [self] in upload(image) }
    }
  }
}
