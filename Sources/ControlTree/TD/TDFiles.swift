import Kernfs
import Platform
import SystemPackage

/// A file of a TD that is only read: what it shows is asked of the TD when it is opened. Mode 0400; EIO when the TD can't
/// say, ENODEV when it is gone; waits while an update runs.
struct TDFile: SnapshotFile {
  let machine: EmulatedMachine
  let bytes: @Sendable () throws(ControlError) -> [UInt8]

  var mode: UInt16 { 0o400 }

  var queue: WaitQueue? { machine.updateQueue }

  func content() throws(Errno) -> [UInt8] { try ControlWrite.read(on: machine, bytes) }
}

/// `step`: takes a word with operands, and reads as what came of the last one, or as the list of words. Mode 0600; EINVAL for
/// what can't be done and for what the module refuses; EBUSY, ENOMEM, EIO as KVM.
struct TDStepFile: SnapshotFile {
  let machine: EmulatedMachine
  let td: TDReference

  var mode: UInt16 { 0o600 }

  var queue: WaitQueue? { machine.updateQueue }

  func content() throws(Errno) -> [UInt8] {
    try ControlWrite.read(on: machine) { () throws(ControlError) in Array(try machine.tdStepText(td).utf8) }
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try ControlWrite.perform(bytes, on: machine) { word throws(ControlError) in
      try ControlWrite.afterUpdate(machine) { () throws(ControlError) in try machine.stepTD(td, word) }
    }
  }
}

/// `reportdata`: 1 to 64 bytes, as they are; filled up with zeros. Reads as 64 bytes. Mode 0600; EINVAL for none or more.
struct TDReportDataFile: SnapshotFile {
  let machine: EmulatedMachine
  let td: TDReference

  var mode: UInt16 { 0o600 }

  var queue: WaitQueue? { machine.updateQueue }

  func content() throws(Errno) -> [UInt8] {
    try ControlWrite.read(on: machine) { () throws(ControlError) in try machine.tdReportData(td) }
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try ControlWrite.take(bytes, on: machine) { () throws(ControlError) in try machine.setTDReportData(td, bytes) }
  }
}

/// `image`: the TD firmware image that the step `image` builds from, taken at offsets. Mode 0200; EFBIG beyond 64 MiB, EBUSY
/// once the build has begun.
struct TDImageFile: SnapshotFile {
  let machine: EmulatedMachine
  let td: TDReference

  var mode: UInt16 { 0o200 }

  /// Nobody wants megabytes of firmware in a trace; so a run that builds from an image can't be replayed.
  var isJournaled: Bool { false }

  func content() throws(Errno) -> [UInt8] { throw .ioError }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome { try store(bytes, at: 0, by: caller) }

  func store(_ bytes: [UInt8], at offset: Int64, by caller: Caller) throws(Errno) -> StoreOutcome {
    try ControlWrite.take(bytes, on: machine) { () throws(ControlError) in
      try machine.writeTDImage(td, bytes, at: offset)
    }
  }
}
