import SystemPackage

/// What goes wrong in the kernel below the upload class, when told to.
public struct FirmwareUploadFaults: Hashable, Sendable, Codable {
  /// A write to `data` that needs new pages gets none: ENOMEM, and the device accepts nothing more.
  public var pageAllocationFails = false
  /// `loading=0` can't map the pages: ENOMEM, and the device accepts nothing more.
  public var mappingFails = false
  /// The security module's errno for the image at `loading=0` (EPERM, EACCES); the device accepts nothing more.
  public var securityRefusal: Errno?

  /// Nothing goes wrong.
  public init() {}
}

/// The two state variables of an upload device (kernel-abi 2.1): who owns the staged bytes, and how far an upload is.
///
/// The kernel guards each with its own mutex, and frees the bytes a moment before it says idle: a `loading=0` in
/// between makes the device stuck for good. Here both change in one step, so that window does not exist.
struct UploadStateMachine {
  /// `fw_priv->fw_st.status`.
  enum LoadState: Hashable, CaseIterable, Codable {
    case unknown
    case loading
    /// An upload owns the bytes.
    case done
    /// Nobody leaves this state.
    case aborted
  }

  private(set) var loadState = LoadState.unknown
  private(set) var progress = UploadProgress.idle
  private(set) var failure: UploadFailure?
  private(set) var remainingSize = 0
  private(set) var staged = StagedImage()
  /// How many bytes of the running upload the driver has taken.
  private(set) var offset = 0
  /// The image of the running upload, which the worker has too.
  private(set) var uploading: [UInt8] = []
  var faults = FirmwareUploadFaults()
  /// `loading` and `data` accept this many bytes.
  let stagingLimit: Int
  private let hasMemory: @Sendable (FirmwareUploadAllocation) -> Bool

  init(stagingLimit: Int, hasMemory: @escaping @Sendable (FirmwareUploadAllocation) -> Bool = { _ in true }) {
    self.stagingLimit = stagingLimit
    self.hasMemory = hasMemory
  }

  // MARK: Archives

  /// The state `saved`.
  init(
    _ saved: SavedUpload, stagingLimit: Int, hasMemory: @escaping @Sendable (FirmwareUploadAllocation) -> Bool
  ) {
    self.init(stagingLimit: stagingLimit, hasMemory: hasMemory)
    loadState = saved.loadState
    progress = saved.progress
    failure = saved.failure
    remainingSize = saved.remainingSize
    staged = saved.staged
    offset = saved.offset
    uploading = saved.uploading
    faults = saved.faults
  }

  /// All of it.
  var saved: SavedUpload {
    SavedUpload(
      loadState: loadState, progress: progress, failure: failure, remainingSize: remainingSize, staged: staged,
      offset: offset, uploading: uploading, faults: faults)
  }

  // MARK: loading

  /// What the writer of `loading` has to do.
  enum LoadingAction: Equatable {
    /// An upload runs, or the device is aborted: nothing.
    case ignored
    /// 1: a new image begins; `dropped` staged bytes are gone.
    case began(dropped: Int)
    /// -1: `staged` bytes stay readable.
    case gaveUp(staged: Int)
    /// Log the unexpected value; `staged` bytes stay readable.
    case unexpected(staged: Int, wasLoading: Bool)
    /// 0 with an empty image: nothing is uploaded.
    case nothingStaged
    /// 0: start the worker with the image.
    case upload([UInt8])
    /// 0: log that mapping failed, and answer ENOMEM.
    case mappingFailed
    /// 0: answer this errno.
    case refused(Errno)
  }

  /// `firmware_loading_store`.
  mutating func storeLoading(_ value: Int32) -> LoadingAction {
    switch (loadState, value) {
    case (.done, _), (.aborted, _):
      return .ignored
    case (.unknown, 1), (.loading, 1):
      let dropped = staged.bytes.count
      staged.drop()
      loadState = .loading
      return .began(dropped: dropped)
    case (.loading, 0):
      return commit()
    case (.unknown, -1), (.loading, -1):
      loadState = .unknown
      return .gaveUp(staged: staged.bytes.count)
    case (.unknown, _):
      return .unexpected(staged: staged.bytes.count, wasLoading: false)
    case (.loading, _):
      loadState = .unknown
      return .unexpected(staged: staged.bytes.count, wasLoading: true)
    }
  }

  private mutating func commit() -> LoadingAction {
    if !staged.bytes.isEmpty, faults.mappingFails || !hasMemory(.mapping) {
      loadState = .aborted
      return .mappingFailed
    }
    if let errno = faults.securityRefusal {
      loadState = .aborted
      return .refused(errno)
    }
    guard !staged.bytes.isEmpty else {
      loadState = .unknown
      return .nothingStaged
    }
    let image = staged.take()
    loadState = .done
    progress = .receiving
    failure = nil
    remainingSize = image.count
    offset = 0
    uploading = image
    return .upload(image)
  }

  /// What `loading` shows as 1.
  var isLoading: Bool {
    switch loadState {
    case .loading: true
    case .unknown, .done, .aborted: false
    }
  }

  // MARK: data

  /// `firmware_data_write`.
  /// - Throws: ENODEV while an upload runs, EFBIG beyond the limit, ENOMEM when told to.
  mutating func write(_ bytes: [UInt8], at offset: Int64) throws(Errno) {
    switch loadState {
    case .done: throw .operationNotSupportedByDevice
    case .unknown, .loading, .aborted: break
    }
    if staged.missesPages(upTo: offset &+ Int64(bytes.count)), faults.pageAllocationFails || !hasMemory(.pages) {
      loadState = .aborted
      throw .noMemory
    }
    try staged.write(bytes, at: offset, limit: stagingLimit)
  }

  /// `firmware_data_read`.
  /// - Throws: ENODEV while an upload runs.
  func read(at offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    switch loadState {
    case .done: throw .operationNotSupportedByDevice
    case .unknown, .loading, .aborted: return staged.read(at: offset, count: count)
    }
  }

  // MARK: The worker

  /// The worker begins (`fw_upload_main`).
  mutating func begin() {
    switch progress {
    case .receiving: progress = .preparing
    case .idle, .preparing, .transferring, .programming: break
    }
  }

  /// The driver has prepared.
  mutating func prepared() {
    switch progress {
    case .preparing: progress = .transferring
    case .idle, .receiving, .transferring, .programming: break
    }
  }

  /// What the worker has to do after a write.
  enum TransferAction: Equatable {
    case writeMore(offset: Int)
    case pollComplete
    /// Log that nothing was written; the upload has failed.
    case wroteZero
  }

  /// The driver has taken `count` bytes; it can't have taken more than there were.
  mutating func wrote(_ count: Int) -> TransferAction {
    switch progress {
    case .transferring:
      guard count > 0 else {
        fail(.readWriteError)
        return .wroteZero
      }
      let taken = min(count, remainingSize)
      remainingSize -= taken
      offset += taken
      guard remainingSize == 0 else { return .writeMore(offset: offset) }
      progress = .programming
      return .pollComplete
    case .idle, .receiving, .preparing, .programming:
      return .pollComplete
    }
  }

  /// The driver has refused (`fw_upload_set_error`).
  mutating func fail(_ error: FirmwareUploadError) {
    switch progress {
    case .idle: break
    case .receiving, .preparing, .transferring, .programming:
      failure = UploadFailure(phase: progress, error: error)
    }
  }

  /// The worker ends: the bytes are gone, and only then is the device idle (`fw_upload_prog_complete`).
  mutating func finish() {
    switch loadState {
    case .done:
      staged.drop()
      uploading = []
      loadState = .unknown
      progress = .idle
    case .unknown, .loading, .aborted: break
    }
  }

  /// The device goes away with what is staged; an upload must have ended.
  mutating func discard() { staged.drop() }
}
