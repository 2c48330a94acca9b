import Basics
import FirmwareUpload

/// What of a machine's files outlives the process: the rest follows from the machine.
struct SavedFiles: Sendable, Codable {
  /// `class/firmware/timeout`
  var timeout: Int32
  /// The upload device; nil where there is none.
  var upload: SavedUpload?
  /// `cancel_request` of its driver.
  var isCancelRequested: Bool
  /// What the machine knows of the upload that is under way.
  var milestone = UploadMilestone.none

  func check() throws(ArchiveError) {
    try ArchiveCheck.range(timeout, 0...Int32.max, "the timeout of the upload class")
    try upload?.check()
  }
}

extension EmulatedMachine {
  /// What the files that are about to be made begin with; nil for files of a machine that was powered on.
  func takeRestoredFiles() -> SavedFiles? {
    lock.withLock {
      defer { restoredFiles = nil }
      return restoredFiles
    }
  }
}
