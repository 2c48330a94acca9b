import Kernfs
import Platform
import SystemPackage

/// `fault/`: one file a fault plan. A file is made by creat(2) and becomes a plan with the line that is written to it; rm
/// takes the plan away. Mode 0700; EINVAL for a name or a line that is no plan.
struct FaultDirectory: DynamicDirectory {
  let machine: EmulatedMachine

  var mode: UInt16 { 0o700 }

  func lookup(_ name: String) throws(Errno) -> DynamicChild {
    guard let entry = machine.faultPlan(name) else { throw .noSuchFileOrDirectory }
    return DynamicChild(identity: entry.identity, entry: file(name, FaultFile(machine: machine, name: name)))
  }

  func list() throws(Errno) -> [DynamicListing] {
    machine.faultPlans().map { DynamicListing(name: $0.name, kind: .regular) }
  }

  func create(_ name: String, by caller: Caller) throws(Errno) {
    try ControlWrite.change(on: machine) { () throws(ControlError) in try machine.createFault(name) }
  }

  func unlink(_ name: String, by caller: Caller) throws(Errno) {
    try ControlWrite.change(on: machine) { () throws(ControlError) in try machine.removeFault(name) }
  }
}

/// `fault/NAME`: the words of a plan, and `acted=N`, how often it has acted. A line that is written replaces it. Mode 0600;
/// EINVAL for a line that is no plan.
struct FaultFile: SnapshotFile {
  let machine: EmulatedMachine
  let name: String

  var mode: UInt16 { 0o600 }

  func content() throws(Errno) -> [UInt8] { Array((machine.faultPlan(name)?.text ?? "").utf8) }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    do throws(Errno) {
      return try ControlWrite.perform(bytes, on: machine) { line throws(ControlError) in
        try machine.setFault(name, to: line)
        return .done
      }
    } catch {
      // Bytes that are no text at all come to no plan.
      machine.dropUnwrittenFault(name)
      throw error
    }
  }
}
