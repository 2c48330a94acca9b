import FirmwareUpload

/// What the driver remembers of a `cancel` (row "cancel" of kernel-abi.md 3.4). The upload class asks it before each of its
/// steps.
public struct CancelFlag: Equatable, Sendable {
  private let rule: CancelRule
  /// `cancel_request`
  public private(set) var isSet = false

  /// The flag of a driver with this rule; set where it was saved so.
  public init(_ rule: CancelRule, isSet: Bool = false) {
    self.rule = rule
    self.isSet = isSet
  }

  /// `tdx_fw_cancel`. The class calls it also when no upload runs.
  public mutating func cancel() {
    switch rule {
    case .empty: break
    case .flagHonouredByWrite, .flagConsumedByNext: isSet = true
    }
  }

  /// The beginning of `tdx_fw_prepare`.
  public mutating func prepare() throws(FirmwareUploadError) {
    switch rule {
    case .empty: break
    case .flagHonouredByWrite: isSet = false
    case .flagConsumedByNext: try consume()
    }
  }

  /// The beginning of `tdx_fw_write`.
  public mutating func write() throws(FirmwareUploadError) {
    switch rule {
    case .empty: break
    case .flagHonouredByWrite, .flagConsumedByNext: try consume()
    }
  }

  private mutating func consume() throws(FirmwareUploadError) {
    guard isSet else { return }
    isSet = false
    throw .userAbort
  }
}
