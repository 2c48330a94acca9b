import FirmwareUpload
import Kernfs
import TDXHost

/// The files that exist only while there is a `tdx_host` device, as the profile has them (kernel-abi.md 1.1, 3.4).
struct HostDirectory {
  let machine: EmulatedMachine
  let parts: HostDevice
  let upload: FirmwareUploadDevice?

  private var profile: ABIProfile { machine.profile }

  /// What stands in the directory that `layout=device` mounts: the profile's root.
  var rootEntries: [Entry] {
    let files = profile.files.filter { parts.hasSEAMLDRFiles || !$0.isSEAMLDRFile }
    var entries = nested(files.map { ($0.path.split(separator: "/").map(String.init)[...], $0) })
    entries += driverEntries
    if let upload {
      entries.append(
        directory("firmware") {
          upload.directory(deviceTarget: "../../../tdx_host", subsystemTarget: "../../../../../class/firmware")
        })
    }
    return entries
  }

  /// What stands where in a `/sys` tree: each entry with the directory that it is added to.
  var sysEntries: [(entry: Entry, parent: String)] {
    var parent = profile.root.split(separator: "/").map(String.init)
    let name = parent.removeLast()
    let device = parent.joined(separator: "/")
    var entries: [(Entry, String)] = [
      (directory(name) { rootEntries }, device),
      (symlink("tdx_host", to: "../../../\(profile.root)"), "bus/faux/devices"),
      (symlink("tdx_host", to: "../../../../\(profile.root)"), "bus/faux/drivers/faux_driver"),
      (moduleDirectory, "module"),
    ]
    if let upload {
      entries.append(
        (symlink(upload.name, to: "../../\(profile.root)/firmware/\(upload.name)"), "class/firmware"))
    }
    return entries
  }

  /// What the driver core puts into every faux device.
  private var driverEntries: [Entry] {
    let machine = machine
    return [
      file(
        "uevent",
        UeventAttribute(logPrefix: "faux_driver tdx_host", log: { machine.appendLog($0) }) { text in
          text.append("DRIVER=faux_driver\n" as StaticString)
        }),
      symlink("driver", to: "../../../bus/faux/drivers/faux_driver"),
      symlink("subsystem", to: "../../../bus/faux"),
    ]
  }

  /// `/sys/module/tdx_host`. Registering the upload holds a reference on the module, which nothing can drop.
  private var moduleDirectory: Entry {
    let machine = machine
    return directory("tdx_host") {
      file("coresize", ConstantAttribute("16384\n"))
      file("initsize", ConstantAttribute("0\n"))
      file("initstate", ConstantAttribute("live\n"))
      file("refcnt", ConstantAttribute(upload == nil ? "0\n" : "1\n"))
      file("taint", ConstantAttribute("\n"))
      file("srcversion", ConstantAttribute("7C0FFEE0000000000000000\n"))
      file("uevent", UeventAttribute(mode: 0o200, logPrefix: "module tdx_host", log: { machine.appendLog($0) }))
      directory("holders")
      directory("notes")
      directory("sections")
    }
  }

  /// Files by their paths: those with a common first name come into one directory.
  private func nested(_ files: [(path: ArraySlice<String>, file: HostFile)]) -> [Entry] {
    var names: [String] = []
    var byName: [String: [(path: ArraySlice<String>, file: HostFile)]] = [:]
    for (path, file) in files {
      guard let name = path.first else { continue }
      if byName[name] == nil { names.append(name) }
      byName[name, default: []].append((path.dropFirst(), file))
    }
    return names.map { name in
      let group = byName[name] ?? []
      if let leaf = group.first(where: { $0.path.isEmpty }) {
        return Self.entry(name, leaf.file.attribute(machine))
      }
      return directory(name) { nested(group) }
    }
  }

  private static func entry(_ name: String, _ attribute: some TextAttribute) -> Entry { file(name, attribute) }
}
