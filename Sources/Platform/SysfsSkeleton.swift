import FirmwareUpload
import Kernfs
import SystemPackage

/// The part of a `/sys` tree that is there without `tdx_host` (kernel-abi.md 1.1).
struct SysfsSkeleton {
  let machine: EmulatedMachine
  let timeout: FirmwareTimeout

  /// The entries of the root.
  var entries: [Entry] {
    let machine = machine
    let log: @Sendable (String) -> Void = { machine.appendLog($0) }
    return [
      directory("devices") {
        directory("faux") {
          file("uevent", UeventAttribute(logPrefix: "faux", log: log))
          PowerDirectory.directory()
        }
        directory("system") { Self.cpuDirectory(of: machine) }
      },
      directory("class") {
        directory("firmware") { file("timeout", TimeoutAttribute(timeout)) }
      },
      directory("bus") {
        directory("faux") {
          file("uevent", UeventAttribute(mode: 0o200, logPrefix: "bus faux", log: log))
          file("drivers_probe", DriversProbeAttribute(machine: machine))
          file("drivers_autoprobe", DriversAutoprobeAttribute())
          directory("devices")
          directory("drivers") {
            directory("faux_driver") {
              file("uevent", UeventAttribute(mode: 0o200, logPrefix: "drivers faux_driver", log: log))
            }
          }
        }
      },
      directory("module"),
    ]
  }

  /// `devices/system/cpu`.
  static func cpuDirectory(of machine: EmulatedMachine) -> Entry {
    directory("cpu") {
      file("online", CPUListAttribute { machine.onlineList() })
      file("present", CPUListAttribute { cpuList(Array(0..<machine.options.lps)) })
      file("possible", CPUListAttribute { cpuList(Array(0..<machine.options.lps)) })
    }
  }
}

/// `devices/system/cpu/{online,present,possible}`, 0444: a list of CPU numbers.
struct CPUListAttribute: TextAttribute {
  let mode: UInt16 = 0o444
  let list: @Sendable () -> String

  init(_ list: @escaping @Sendable () -> String) {
    self.list = list
  }

  func show(_ text: inout AttributeText) throws(Errno) {
    text.append(list())
    text.append("\n" as StaticString)
  }
}
