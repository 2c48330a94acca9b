import Basics

/// The state of an upload device, for archives. Where an upload runs, its image is in it.
public struct SavedUpload: Sendable, Codable {
  let loadState: UploadStateMachine.LoadState
  let progress: UploadProgress
  let failure: UploadFailure?
  let remainingSize: Int
  let staged: StagedImage
  let offset: Int
  let uploading: [UInt8]
  let faults: FirmwareUploadFaults

  /// Whether an upload is under way.
  public var isUnderWay: Bool { progress != .idle }

  /// Whether a device whose image may have `limit` bytes can be in this state: what came out of an archive may be anything.
  public func check(limit: Int = FirmwareUploadDevice.defaultStagingLimit) throws(ArchiveError) {
    try ArchiveCheck.range(staged.bytes.count, 0...limit, "the number of staged bytes")
    try ArchiveCheck.range(uploading.count, 0...limit, "the size of the image that is being uploaded")
    try ArchiveCheck.range(remainingSize, 0...limit, "remaining_size")
    try ArchiveCheck.range(offset, 0...limit, "the number of bytes that the driver has taken")
    try ArchiveCheck.require(
      (loadState == .done) == isUnderWay && isUnderWay != uploading.isEmpty, "an upload that is half under way")
    try ArchiveCheck.require(
      !isUnderWay || offset + remainingSize == uploading.count, "how much of the image is left")
  }
}

extension FirmwareUploadDevice {
  /// Goes on with the upload that was under way in the saved state, where it stood. `isStarted` and `hasEnded` say whether
  /// the observer has heard so.
  public func resume(isStarted: Bool, hasEnded: Bool) {
    let (isUnderWay, image) = withMachine { ($0.progress != .idle, $0.uploading) }
    guard isUnderWay else { return }
    if !isStarted { environment.observe(.started(size: image.count)) }
    environment.schedule { [self] in
      if hasEnded { finish() } else { upload(image) }
    }
  }
}
