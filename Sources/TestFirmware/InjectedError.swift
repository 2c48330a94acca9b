import FirmwareUpload

/// The failure that an image asks for: `inject:PHASE:ERROR` at its start (`upload_err_inject_prog`).
///
/// The kernel compares token by token with `strncmp` and never looks at the image's length: what follows a token means
/// nothing, and a token can be completed by what an earlier image left behind in the page.
struct InjectedError: Equatable {
  /// The phase that fails; receiving and idle can't.
  var phase: UploadProgress
  /// How; `userAbort` holds the phase until it is cancelled.
  var error: FirmwareUploadError

  /// What the first page of an image asks for; nil for an ordinary image.
  init?(page: [UInt8]) {
    guard var rest = Self.drop("inject:", from: page[...]) else { return nil }
    for phase in [UploadProgress.preparing, .transferring, .programming] {
      guard let token = Self.drop("\(phase.name):", from: rest) else { continue }
      rest = token
      for error in FirmwareUploadError.allCases where rest.starts(with: error.name.utf8) {
        self.phase = phase
        self.error = error
        return
      }
      return nil
    }
    return nil
  }

  private static func drop(_ word: String, from text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    text.starts(with: word.utf8) ? text.dropFirst(word.utf8.count) : nil
  }
}
