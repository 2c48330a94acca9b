import Kernfs
import Platform
import SystemPackage

/// `cpu/N/online`: `0` or `1`. Mode 0600; EINVAL for other words, EBUSY for taking CPU 0 offline, else the errno of the
/// kernel's hotplug operation.
struct OnlineFile: SnapshotFile {
  let machine: EmulatedMachine
  let cpu: Int

  var mode: UInt16 { 0o600 }

  func content() throws(Errno) -> [UInt8] { Array(machine.isOnline(cpu) ? "1\n".utf8 : "0\n".utf8) }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try ControlWrite.perform(bytes, on: machine) { word throws(ControlError) in
      switch word {
      case "0": try machine.setOnline(false, cpu: cpu)
      case "1": try machine.setOnline(true, cpu: cpu)
      default: throw .invalid("cpu/\(cpu)/online: \(ControlWrite.quoted(word)) is neither 0 nor 1")
      }
    }
  }
}
