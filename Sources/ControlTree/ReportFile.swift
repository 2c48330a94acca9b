import Kernfs
import Platform
import SystemPackage

/// A file that is only read: its text is made when it is opened. Mode 0400, or what it was given.
struct ReportFile: SnapshotFile {
  let mode: UInt16
  let text: @Sendable () -> String

  init(mode: UInt16 = 0o400, _ text: @escaping @Sendable () -> String) {
    self.mode = mode
    self.text = text
  }

  func content() throws(Errno) -> [UInt8] { Array(text().utf8) }
}

/// `trace`: SEAMCALLs and uploads as JSON lines. Mode 0400.
struct TraceFile: SnapshotFile {
  let machine: EmulatedMachine

  var mode: UInt16 { 0o400 }

  func content() throws(Errno) -> [UInt8] { machine.traceLines() }
}
