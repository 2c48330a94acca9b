import Basics
import Kernfs
import Platform
import SystemPackage

/// `snapshot`: reads as the whole machine; takes a snapshot of a machine with the same options, in order and from offset 0 on,
/// and becomes that machine when its last byte has come. Mode 0600; EINVAL for what is no such snapshot, EFBIG for a longer one
/// than this machine can have.
struct StateSnapshotFile: SnapshotFile {
  let machine: EmulatedMachine
  private let incoming = Guarded(Incoming())

  init(machine: EmulatedMachine) { self.machine = machine }

  /// What has come of the snapshot that somebody writes.
  private struct Incoming {
    var openFile: UInt64 = 0
    var bytes: [UInt8] = []
  }

  var mode: UInt16 { 0o600 }

  func content() throws(Errno) -> [UInt8] {
    try ControlWrite.read(on: machine) { () throws(ControlError) in
      do throws(SnapshotError) { return try machine.snapshot() } catch {
        throw .refused(.notSupported, error.description)
      }
    }
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome { try store(bytes, at: 0, by: caller) }

  func store(_ bytes: [UInt8], at offset: Int64, by caller: Caller) throws(Errno) -> StoreOutcome {
    try ControlWrite.take(bytes, on: machine) { () throws(ControlError) in
      guard let whole = try collect(bytes, at: offset, from: caller.openFile) else { return }
      do throws(SnapshotError) {
        try machine.restore(whole, log: "restored from a snapshot")
      } catch {
        throw .invalid("snapshot: \(error.description)")
      }
    }
  }

  /// What is left unfinished is forgotten, and told.
  func released(by caller: Caller) {
    let rest: Int = incoming.withLock { incoming in
      guard incoming.openFile == caller.openFile else { return 0 }
      defer { incoming = Incoming() }
      return incoming.bytes.count
    }
    guard rest > 0 else { return }
    machine.record(
      controlError: .invalid(
        "snapshot: only \(rest) bytes of a snapshot came before it was closed; nothing was restored"))
  }

  /// The whole snapshot when these bytes were its last; nil before. Only one file at a time can write one.
  private func collect(_ bytes: [UInt8], at offset: Int64, from openFile: UInt64) throws(ControlError) -> [UInt8]? {
    try incoming.withLock { incoming throws(ControlError) in
      if offset == 0 { incoming = Incoming(openFile: openFile) }
      guard incoming.openFile == openFile, offset == Int64(incoming.bytes.count) else {
        incoming = Incoming()
        throw .invalid("snapshot: the bytes of a snapshot have to come in order, from the first on")
      }
      incoming.bytes += bytes
      guard incoming.bytes.count >= SnapshotFormat.headerSize else { return nil }
      do throws(ControlError) {
        let length = try length(of: incoming.bytes)
        guard incoming.bytes.count >= length else { return nil }
      } catch {
        incoming = Incoming()
        throw error
      }
      defer { incoming = Incoming() }
      return incoming.bytes
    }
  }

  private func length(of bytes: [UInt8]) throws(ControlError) -> Int {
    let length: Int
    do throws(SnapshotError) { length = try SnapshotFormat.length(bytes) } catch {
      throw .invalid("snapshot: \(error.description)")
    }
    guard length <= machine.largestSnapshot else {
      throw .refused(.fileTooLarge, "snapshot: \(length) bytes are more than a snapshot of this machine can have")
    }
    return length
  }
}
