/// How far an upload is (`enum fw_upload_prog`): what `status` shows.
public enum UploadProgress: UInt8, CaseIterable, Sendable, Codable {
  /// No upload runs.
  case idle = 0
  /// `loading=0` was written; the worker has not begun.
  case receiving = 1
  /// In ``FirmwareUploadDriver/prepare(image:)``.
  case preparing = 2
  /// In ``FirmwareUploadDriver/write(image:offset:)``.
  case transferring = 3
  /// In ``FirmwareUploadDriver/pollComplete()``.
  case programming = 4

  /// The word in `status` and `error` (`fw_upload_prog_str`).
  public var name: StaticString {
    switch self {
    case .idle: "idle"
    case .receiving: "receiving"
    case .preparing: "preparing"
    case .transferring: "transferring"
    case .programming: "programming"
    }
  }
}

/// Why the last upload failed, and in which phase: what `error` shows.
public struct UploadFailure: Hashable, Sendable, Codable {
  /// `err_progress`.
  public let phase: UploadProgress
  /// `err_code`.
  public let error: FirmwareUploadError

  /// `error` in `phase`.
  public init(phase: UploadProgress, error: FirmwareUploadError) {
    self.phase = phase
    self.error = error
  }

  /// `phase:error`.
  public var text: String { "\(phase.name):\(error.name)" }
}
