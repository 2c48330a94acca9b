/// Why an upload ended (`enum fw_upload_err`).
public enum FirmwareUploadError: UInt8, Error, CaseIterable, Sendable, Codable {
  /// 1.
  case hwError = 1
  case timeout = 2
  case userAbort = 3
  case deviceBusy = 4
  case invalidFileSize = 5
  case readWriteError = 6
  case flashWearout = 7
  case firmwareInvalid = 8

  /// What `error` shows behind the phase (`fw_upload_err_str`).
  public var name: String {
    switch self {
    case .hwError: "hw-error"
    case .timeout: "timeout"
    case .userAbort: "user-abort"
    case .deviceBusy: "device-busy"
    case .invalidFileSize: "invalid-file-size"
    case .readWriteError: "read-write-error"
    case .flashWearout: "flash-wearout"
    case .firmwareInvalid: "firmware-invalid"
    }
  }
}

/// What a driver gives the firmware upload class (`struct fw_upload_ops`). All calls but `cancel` come from the worker,
/// without any lock held, and may take long.
public protocol FirmwareUploadDriver: AnyObject, Sendable {
  /// `->prepare`
  func prepare(image: [UInt8]) throws(FirmwareUploadError)

  /// `->write`: takes bytes of `image` from `offset` on; gives how many.
  func write(image: [UInt8], offset: Int) throws(FirmwareUploadError) -> Int

  /// `->poll_complete`
  func pollComplete() throws(FirmwareUploadError)

  /// `->cancel`: called from whoever writes `cancel`.
  func cancel()
}
