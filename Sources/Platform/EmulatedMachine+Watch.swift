import FirmwareUpload
import TDXHost

/// `watch`
extension EmulatedMachine {
  /// Begins a new log of what clients do, or ends it.
  public func watchClients(_ isOn: Bool) {
    if isOn { operations.start() }
    onWatch?(isOn)
    if !isOn { operations.stop() }
  }

  /// Puts what became of an upload between what clients did. `lock` is held, and `why` is up to date.
  func watch(_ event: FirmwareUploadEvent) {
    switch event {
    case .started(let size): operations.note("upload", [("bytes", .number(size))])
    case .ended(let failure):
      operations.note(
        "upload-end",
        [("result", .text(failure.map(\.text) ?? "success")), ("lost", .text(whyReport.lost.rawValue))])
    case .idle: operations.note("idle")
    case .nothingStaged: operations.note("nothing-staged")
    case .unexpectedValue(let value, let staged, _):
      operations.note("unexpected-value", [("value", .number(Int(value))), ("staged", .number(staged))])
    case .pageAllocationFailed, .loadingBegan, .loadingGivenUp, .commitRefused, .loadingIgnored, .entered, .transferred,
      .cancelled:
      return
    }
  }
}
