import Basics
import FirmwareUpload

/// The driver behind one registered name (`struct test_firmware_upload` with its `upload_test_ops`): keeps what it is
/// given, and fails where the image asks for it.
final class TestUpload: FirmwareUploadDriver {
  /// The most that it takes (`TEST_UPLOAD_MAX_SIZE`).
  static let capacity = 2048
  /// What it takes in one write (`TEST_UPLOAD_BLK_SIZE`).
  static let blockSize = 37
  /// How long one look for a cancel is apart from the next, in milliseconds.
  static let pollInterval = 100
  /// After so many looks a held phase goes on: five minutes.
  static let pollLimit = 3000

  /// As it was written to `upload_register`, a newline included.
  let name: [UInt8]

  private struct State {
    var buffer: [UInt8] = []
    var isCancelRequested = false
    var injected: InjectedError?
  }

  private let state = Guarded(State())
  private let page: ImagePage
  private let sleep: @Sendable (_ milliseconds: Int) -> Void

  /// The driver `name`; `sleep` is `msleep`.
  init(name: [UInt8], page: ImagePage, sleep: @escaping @Sendable (_ milliseconds: Int) -> Void) {
    self.name = name
    self.page = page
    self.sleep = sleep
  }

  /// What `upload_read` shows: as many bytes as the last image that fitted had; those that were not written are 0.
  var content: [UInt8] { state.withLock { $0.buffer } }

  /// `test_fw_upload_prepare`
  func prepare(image: [UInt8]) throws(FirmwareUploadError) {
    state.withLock { state in
      state.isCancelRequested = false
      state.injected = nil
    }
    let page = page.lay(image)
    guard !image.isEmpty, image.count <= Self.capacity else { throw .invalidFileSize }
    state.withLock { state in
      state.injected = InjectedError(page: page)
      state.buffer = [UInt8](repeating: 0, count: image.count)
    }
    try failIfInjected(in: .preparing)
  }

  /// `test_fw_upload_write`: the block is kept even when it is then said to have failed.
  func write(image: [UInt8], offset: Int) throws(FirmwareUploadError) -> Int {
    guard !isCancelRequested else { throw .userAbort }
    let block = image.dropFirst(offset).prefix(Self.blockSize)
    state.withLock { state in
      guard block.endIndex <= state.buffer.count else { return }
      state.buffer.replaceSubrange(block.indices, with: block)
    }
    try failIfInjected(in: .transferring)
    return block.count
  }

  /// `test_fw_upload_complete`
  func pollComplete() throws(FirmwareUploadError) {
    guard !isCancelRequested else { throw .userAbort }
    try failIfInjected(in: .programming)
  }

  /// `test_fw_upload_cancel`: only leaves a note, which the next prepare forgets.
  func cancel() { state.withLock { $0.isCancelRequested = true } }

  private var isCancelRequested: Bool { state.withLock { $0.isCancelRequested } }

  private func failIfInjected(in phase: UploadProgress) throws(FirmwareUploadError) {
    guard let injected = state.withLock({ $0.injected }), injected.phase == phase else { return }
    guard injected.error == .userAbort else { throw injected.error }
    // fw_upload_wait_on_cancel
    for _ in 0..<Self.pollLimit {
      sleep(Self.pollInterval)
      if isCancelRequested { throw .userAbort }
    }
  }
}
