import Kernfs
import Platform

/// `.tdxfs/`: the machine's control directory, mode 0700, found by name and never listed, so that a listing of the mount
/// stays identical to the real one. Text in, text out, one thing a file.
public enum ControlDirectory {
  /// Its name in the root of the mount.
  public static let name = ".tdxfs"

  /// The directory that drives `machine`.
  public static func entry(for machine: EmulatedMachine) -> Entry {
    directory(name, mode: 0o700, hidden: true) {
      file("status", ReportFile { machine.status().text })
      file("log", ReportFile { machine.kernelLog() })
      file("kmsg", KmsgFile(machine: machine))
      file("errata", ReportFile { machine.options.errata.map { $0.rawValue + "\n" }.sorted().joined() })
      file("why", ReportFile { machine.why().text })
      file("trace", TraceFile(machine: machine))
      file("watch", WatchFile(machine: machine))
      file("power", PowerFile(machine: machine))
      file("snapshot", StateSnapshotFile(machine: machine))
      file("last_error", ReportFile { machine.lastControlError() })
      directory("fault", FaultDirectory(machine: machine))
      directory("td", TDDirectory(machine: machine))
      directory("cpu", mode: 0o700) {
        // What `tdxfs run` lays over devices/system/cpu.
        file("online", ReportFile(mode: 0o444) { machine.onlineList() + "\n" })
        file("present", ReportFile(mode: 0o444) { cpuList(Array(0..<machine.options.lps)) + "\n" })
        file("possible", ReportFile(mode: 0o444) { cpuList(Array(0..<machine.options.lps)) + "\n" })
        for cpu in 0..<machine.options.lps {
          directory("\(cpu)", mode: 0o700) {
            file("online", OnlineFile(machine: machine, cpu: cpu))
          }
        }
      }
    }
  }
}
