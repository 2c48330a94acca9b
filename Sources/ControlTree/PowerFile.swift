import Kernfs
import Platform
import SystemPackage

/// `power`: reads `on` or `kexec`; takes `reboot` and `kexec`. Mode 0600; EINVAL for other words.
struct PowerFile: SnapshotFile {
  let machine: EmulatedMachine

  var mode: UInt16 { 0o600 }

  func content() throws(Errno) -> [UInt8] { Array("\(machine.status().values["power"] ?? "-")\n".utf8) }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try ControlWrite.perform(bytes, on: machine) { word throws(ControlError) in
      guard let event = PowerEvent(rawValue: word) else {
        let known = PowerEvent.allCases.map(\.rawValue).joined(separator: ", ")
        throw .invalid("power: \(ControlWrite.quoted(word)) is none of \(known)")
      }
      return try machine.power(event)
    }
  }
}
