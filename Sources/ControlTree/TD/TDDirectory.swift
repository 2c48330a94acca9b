import Basics
import Kernfs
import Platform
import SystemPackage
import TDXHost

/// `td/`: the TDs of the machine. mkdir makes one and takes it as far as TDH.MNG.INIT, rmdir tears it down. Mode 0700.
///
/// Errors of mkdir: EINVAL for a name that is not printable or too long, ENOSPC without a KeyID, ENOMEM, EIO when the
/// module is lost, ENODEV where TDX did not come up. Both wait while an update runs.
struct TDDirectory: DynamicDirectory {
  let machine: EmulatedMachine

  var mode: UInt16 { 0o700 }

  var queue: WaitQueue? { machine.updateQueue }

  var mustWait: Bool { machine.isUpdateRunning }

  func lookup(_ name: String) throws(Errno) -> DynamicChild {
    guard let td = machine.td(named: name) else { throw .noSuchFileOrDirectory }
    return DynamicChild(identity: td.identity, entry: entry(for: td))
  }

  func list() throws(Errno) -> [DynamicListing] {
    machine.tdNames().map { DynamicListing(name: $0, kind: .directory) }
  }

  func makeDirectory(_ name: String, by caller: Caller) throws(Errno) {
    try ControlWrite.change(on: machine) { () throws(ControlError) in try machine.createTD(name) }
  }

  func removeDirectory(_ name: String, by caller: Caller) throws(Errno) {
    try ControlWrite.change(on: machine) { () throws(ControlError) in try machine.destroyTD(name) }
  }

  private func entry(for td: TDReference) -> Entry {
    let machine = machine
    func text(_ name: String, _ content: @escaping @Sendable () throws(ControlError) -> String) -> Entry {
      file(name, TDFile(machine: machine) { () throws(ControlError) in Array(try content().utf8) })
    }
    func measured(_ name: String, _ field: TDReport.Field) -> Entry {
      text(name) { () throws(ControlError) in
        let bytes = try machine.tdMeasurement(td, field, file: name)
        return bytes.map { $0.hexadecimal + "\n" } ?? ""
      }
    }
    return directory(td.name, mode: 0o700) {
      file("step", TDStepFile(machine: machine, td: td))
      text("state") { () throws(ControlError) in try machine.tdState(td) }
      text("alive") { () throws(ControlError) in try machine.isTDAlive(td) ? "1\n" : "0\n" }
      measured("mrtd", .mrtd)
      for index in 0..<4 { measured("rtmr\(index)", .rtmr(index)) }
      measured("tee_tcb_svn", .teeTCBSVN)
      measured("tee_tcb_svn2", .teeTCBSVN2)
      text("attributes") { () throws(ControlError) in
        "0x" + (try machine.tdParameters(td, file: "attributes")).attributes.rawValue.paddedHexadecimal + "\n"
      }
      text("xfam") { () throws(ControlError) in
        "0x" + (try machine.tdParameters(td, file: "xfam")).xfam.paddedHexadecimal + "\n"
      }
      text("last_exit") { () throws(ControlError) in try machine.tdLastExit(td) }
      file("reportdata", TDReportDataFile(machine: machine, td: td))
      file(
        "report", TDFile(machine: machine) { () throws(ControlError) in try machine.tdReport(td, file: "report").bytes }
      )
      file("image", TDImageFile(machine: machine, td: td))
    }
  }
}
