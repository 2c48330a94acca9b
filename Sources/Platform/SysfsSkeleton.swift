import FirmwareUpload
import Kernfs
import SystemPackage
import TDXHost

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
        directory("virtual")
        directory("system") { Self.cpuDirectory(of: machine) }
      },
      directory("class") {
        directory("firmware") { file("timeout", TimeoutAttribute(timeout)) }
      },
      directory("bus") {
        directory("faux") {
          busEntries("faux", device: machine.profile.fauxDevice)
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

  /// The three files of every bus.
  func busEntries(_ name: String, device: String?) -> [Entry] {
    let machine = machine
    return [
      file("uevent", UeventAttribute(mode: 0o200, logPrefix: "bus \(name)", log: { machine.appendLog($0) })),
      file("drivers_probe", DriversProbeAttribute(device: device, machine: machine)),
      file("drivers_autoprobe", DriversAutoprobeAttribute()),
    ]
  }
}

extension ABIProfile {
  /// The name of the device on the faux bus; nil for a kernel without one.
  var fauxDevice: String? {
    switch attachment {
    case .faux: root.split(separator: "/").last.map(String.init)
    case .virtualBus: nil
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
