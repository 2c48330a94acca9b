import ModuleImage

/// What one try has left behind: read from the machine, beside what the client believes. It travels from the process of
/// the cell to the matrix as `key=value` lines.
struct CellReport: Equatable {
  /// What the client believes.
  var client: ClientVerdict
  /// The module's version file before and after, `-` when it could not be read.
  var versionBefore: String
  var versionAfter: String
  /// `error` of the upload device, `-` for none.
  var error: String
  /// `.tdxfs/why`: the sentence, `result` and `lost`.
  var why: String
  var result: String
  var lost: String

  /// The report as lines.
  var lines: String {
    let values = [
      ("client", client.word), ("says", client.says), ("before", versionBefore), ("after", versionAfter),
      ("error", error), ("why", why), ("result", result), ("lost", lost),
    ]
    return values.map { "\($0)=\($1.split(separator: "\n").joined(separator: " "))\n" }.joined()
  }
}

extension CellReport {
  /// Reads ``lines``; nil when something is missing.
  init?(lines: String) {
    var values: [Substring: String] = [:]
    for line in lines.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { values[parts[0]] = String(parts[1]) }
    }
    guard let word = values["client"], let says = values["says"],
      let client = ClientVerdict(word: word, says: says), let before = values["before"], let after = values["after"],
      let error = values["error"], let why = values["why"], let result = values["result"], let lost = values["lost"]
    else { return nil }
    self.init(
      client: client, versionBefore: before, versionAfter: after, error: error, why: why, result: result, lost: lost)
  }

  /// Whether the kernel got anything to install.
  private var wasUploaded: Bool { result != "-" && result != "nothing-staged" }

  /// The report in one word and why, given the version that the image has.
  func outcome(expecting version: ModuleVersion) -> (word: CellWord, reason: String) {
    if wasUploaded {
      if lost != "none" { return (.lost, why) }
      if error.hasSuffix(":device-busy") { return (.busy, why) }
      if error != "-" { return (.refused, why) }
      // As numbers: the first kernels print 1.5.5.
      guard ModuleVersion(versionAfter) == version else {
        return (.wrong, "version is \(versionAfter), not \(version): \(why)")
      }
      return (.ok, why)
    }
    switch client {
    case .missingFile(let path): return (.noFile, "there is no \(path)")
    case .skipped(let text): return (.skipped, "the client decided so: \(text)")
    case .failed(let text): return (.failed, "the client could not begin: \(text)")
    case .succeeded: return (.wrong, "the client believes in an update, and \(why)")
    }
  }
}

/// What a cell of the matrix says.
enum CellWord: String {
  /// The image's module runs.
  case ok
  /// The kernel or the firmware refused; everything is as before.
  case refused
  /// Refused too late: TDX is gone until reboot.
  case lost
  /// The kernel says device-busy; everything is as before.
  case busy
  /// A file that the client needs is not there; nothing was uploaded.
  case noFile = "no-file"
  /// The client decided not to upload.
  case skipped
  /// A system call failed before anything was uploaded.
  case failed
  /// No error was told, and the image's module does not run.
  case wrong
  /// The cell did not end in time.
  case timeout
  /// The cell could not be tried: there is no such machine.
  case untried

  /// Whether the cell was tried at all.
  var wasTried: Bool {
    switch self {
    case .ok, .refused, .lost, .busy, .noFile, .skipped, .failed, .wrong: true
    case .timeout, .untried: false
    }
  }
}
