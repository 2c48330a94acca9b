import FirmwareUpload
import Kernfs
import TDXHost

/// The files that exist only while there is a device of the TDX host driver, as the profile has them (kernel-abi.md 1.1,
/// 3.4), and the extra names that were asked for.
struct HostDirectory {
  let machine: EmulatedMachine
  let parts: HostDevice
  let upload: FirmwareUploadDevice?
  let skeleton: SysfsSkeleton

  var profile: ABIProfile { machine.profile }

  /// An entry, and the names of the directories below the profile's root that lead to it.
  struct Placed {
    var directory: ArraySlice<String>
    var entry: Entry
  }

  /// What stands in the directory that `layout=device` mounts: the profile's root.
  var rootEntries: [Entry] {
    let files = profile.files.filter { parts.hasSEAMLDRFiles || !$0.isSEAMLDRFile }
    var placed = files.map { self.placed($0) } + driverEntries
    if let upload {
      let directory = upload.directory(
        deviceTarget: "../../../\(rootName)", subsystemTarget: "../../../../../class/firmware")
      placed.append(Placed(directory: ["firmware"], entry: directory))
    }
    placed += aliasEntries(besides: placed)
    return nested(placed)
  }

  /// What stands where in a `/sys` tree: each entry with the directory that it is added to.
  var sysEntries: [(entry: Entry, parent: String)] {
    let root = (directory(rootName) { rootEntries }, rootParent)
    return [root] + attachmentEntries + classEntries + firmwareEntries
  }

  /// Last name of the profile's root.
  private var rootName: String { profile.root.split(separator: "/").last.map(String.init) ?? "" }

  private var rootParent: String { profile.root.split(separator: "/").dropLast().joined(separator: "/") }

  /// `class/firmware`: the upload under its name and under those that were asked for.
  private var classEntries: [(Entry, String)] {
    guard let upload else { return [] }
    return ([upload.name] + uploadAliases).map { name in
      (symlink(name, to: "../../\(profile.root)/firmware/\(upload.name)"), "class/firmware")
    }
  }

  /// What the driver core puts elsewhere.
  private var attachmentEntries: [(Entry, String)] {
    switch profile.attachment {
    case .faux:
      return [
        (symlink(rootName, to: "../../../\(profile.root)"), "bus/faux/devices"),
        (symlink(rootName, to: "../../../../\(profile.root)"), "bus/faux/drivers/faux_driver"),
        (moduleDirectory, "module"),
      ]
    case .virtualBus(let bus):
      let device = profile.device
      return [
        (
          directory(bus) {
            skeleton.busEntries(bus, device: device)
            directory("devices") { symlink(device, to: "../../../\(profile.root)/\(device)") }
            directory("drivers")
          }, "bus"
        )
      ]
    }
  }

  /// What the driver core puts into the device and, where that is another, into the root.
  private var driverEntries: [Placed] {
    let machine = machine
    func uevent(_ logPrefix: String, _ line: StaticString? = nil) -> Entry {
      file(
        "uevent",
        UeventAttribute(logPrefix: logPrefix, log: { machine.appendLog($0) }) { text in
          if let line { text.append(line) }
        })
    }
    switch profile.attachment {
    case .faux:
      return [
        Placed(directory: [], entry: uevent("faux_driver \(rootName)", "DRIVER=faux_driver\n")),
        Placed(directory: [], entry: symlink("driver", to: "../../../bus/faux/drivers/faux_driver")),
        Placed(directory: [], entry: symlink("subsystem", to: "../../../bus/faux")),
      ]
    case .virtualBus(let bus):
      return [
        Placed(directory: [], entry: uevent(rootName)),
        Placed(directory: [], entry: PowerDirectory.directory()),
        Placed(directory: [profile.device], entry: uevent("\(bus) \(profile.device)")),
        Placed(directory: [profile.device], entry: PowerDirectory.directory()),
        Placed(directory: [profile.device], entry: symlink("subsystem", to: "../../../../bus/\(bus)")),
      ]
    }
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

  /// The file of the driver in its place.
  func placed(_ hostFile: HostFile) -> Placed {
    var names = hostFile.path.split(separator: "/").map(String.init)
    let name = names.popLast() ?? ""
    return Placed(directory: names[...], entry: Self.entry(name, hostFile.attribute(machine)))
  }

  /// Entries by their places: those with a common first name come into one directory.
  private func nested(_ placed: [Placed]) -> [Entry] {
    var entries = placed.filter(\.directory.isEmpty).map(\.entry)
    var names: [String] = []
    for case let name? in placed.map(\.directory.first) where !names.contains(name) { names.append(name) }
    for name in names {
      let below = placed.filter { $0.directory.first == name }
      entries.append(
        directory(name) {
          nested(below.map { Placed(directory: $0.directory.dropFirst(), entry: $0.entry) })
        })
    }
    return entries
  }

  private static func entry(_ name: String, _ attribute: some TextAttribute) -> Entry { file(name, attribute) }
}
