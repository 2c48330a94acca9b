import Kernfs
import Platform
import SystemPackage

/// `watch`: what clients do with the machine's files, one operation a line. Takes `on`, which begins an empty log, and
/// `off`. Mode 0600; EINVAL for other words.
struct WatchFile: SnapshotFile {
  let machine: EmulatedMachine

  var mode: UInt16 { 0o600 }

  func content() throws(Errno) -> [UInt8] { Array(machine.operations.text.utf8) }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try ControlWrite.perform(bytes, on: machine) { word throws(ControlError) in
      switch word {
      case "on": machine.watchClients(true)
      case "off": machine.watchClients(false)
      default: throw .invalid("watch: \(ControlWrite.quoted(word)) is neither on nor off")
      }
      return .done
    }
  }
}
