/// A client of the matrix: a way in which some program talks to the kernel's files (kernel-abi.md 2.8 and 3.5).
enum MatrixClient: String, CaseIterable {
  /// `echo` and `cat`, with the upload device that is there.
  case shell
  /// Intel's selector up to revision 7a16224: `seamldr_upload`, `seamldr/version`.
  case selectorOld = "selector-old"
  /// Intel's selector, revision 7cabf1d8: also `tdx_host/num_remaining_updates` and the lists of CPUs.
  case selectorHybrid = "selector-hybrid"
  /// Intel's selector, revision 0a98285: v8's names.
  case selectorNew = "selector-new"
  /// Keeps `loading` open and writes `1`, then `0` at offset 1.
  case heldLoading = "held-loading"
  /// Ends its texts with a newline and a NUL.
  case nulLoading = "nul-loading"
  /// Opens `data` O_RDWR and compares what it has staged.
  case rdwrData = "rdwr-data"
  /// Writes `data` with one write(2) and ignores how much was taken.
  case shortWrite = "short-write"

  /// The paths of Intel's selector, if the client is one.
  var selector: SelectorRevision? {
    switch self {
    case .selectorOld: .old
    case .selectorHybrid: .hybrid
    case .selectorNew: .new
    case .shell, .heldLoading, .nulLoading, .rdwrData, .shortWrite: nil
    }
  }
}

/// What a client itself believes when it ends.
enum ClientVerdict: Equatable {
  /// It says that the module was updated.
  case succeeded
  /// It says that the update failed, or met an error.
  case failed(String)
  /// A file that it needs is not there.
  case missingFile(String)
  /// It decided to do nothing.
  case skipped(String)

  /// One word for reports.
  var word: String {
    switch self {
    case .succeeded: "succeeded"
    case .failed: "failed"
    case .missingFile: "no-file"
    case .skipped: "skipped"
    }
  }

  /// What it said, `-` for nothing.
  var says: String {
    switch self {
    case .succeeded: "-"
    case .failed(let text), .missingFile(let text), .skipped(let text): text
    }
  }

  /// Puts a verdict together from its ``word`` and ``says``.
  init?(word: String, says: String) {
    switch word {
    case "succeeded": self = .succeeded
    case "failed": self = .failed(says)
    case "no-file": self = .missingFile(says)
    case "skipped": self = .skipped(says)
    default: return nil
    }
  }
}
