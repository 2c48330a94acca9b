import Platform
import SystemPackage

/// What of the machine is to be seen under `/sys`: a tree, partly on a mount, partly made for the occasion.
indirect enum MachineTree {
  case directory([String: MachineTree])
  case text(String)
  case symbolicLink(target: String)
  /// A file or a whole directory that exists, on the machine's mount.
  case existing(FilePath)
  /// An existing directory in which names come and go: it replaces the host's of the same name as a whole.
  case replacement(FilePath)

  /// What this is.
  func kind() throws(Errno) -> EntryKind {
    switch self {
    case .directory: return .directory
    case .text: return .file
    case .symbolicLink(let target): return .symbolicLink(target: target)
    case .existing(let path), .replacement(let path):
      guard let kind = try SmallFile.kind(of: path) else { throw .noSuchFileOrDirectory }
      return kind
    }
  }

  /// The entries of a directory; none for anything else.
  func children() throws(Errno) -> [String: MachineTree] {
    switch self {
    case .directory(let children): return children
    case .text, .symbolicLink: return [:]
    case .existing(let path), .replacement(let path):
      var children: [String: MachineTree] = [:]
      for (name, kind) in try SmallFile.list(path) {
        if case .symbolicLink(let target) = kind {
          children[name] = .symbolicLink(target: target)
        } else {
          children[name] = .existing(path.appending(name))
        }
      }
      return children
    }
  }
}

/// The machine that a private view shows.
enum MachineMount {
  /// Mounted with `layout=sys`: its root is a `/sys` tree.
  case sys(FilePath)
  /// Mounted with `layout=device`: its root is the directory of the device, in its place in `/sys`. `processors` is a
  /// directory with the live lists of CPUs.
  case device(FilePath, DevicePlace, processors: FilePath)

  /// Whether it is the machine of `device=test_firmware`.
  func hasTestFirmware() throws(Errno) -> Bool {
    switch self {
    case .sys(let root): try SmallFile.kind(of: root.appending("devices/virtual/misc/test_firmware")) != nil
    case .device: false
    }
  }

  /// The machine's part of `/sys`. Where Linux has no `tdx_host`, there is nothing but the CPUs.
  func tree() throws(Errno) -> MachineTree {
    switch self {
    case .sys(let root):
      // Devices are registered while the command runs, and a reboot makes all of them anew: their names have to follow.
      var tree = MachineTree.existing(root)
      for path in ["class/firmware", "devices/faux", "bus/faux"] {
        guard try SmallFile.kind(of: root.pushing(FilePath(path))) == .directory else { continue }
        let entry = MachineTree.replacement(root.pushing(FilePath(path)))
        tree = try tree.adding(entry, at: path.split(separator: "/").map(String.init)[...])
      }
      return tree
    case .device(let root, let place, let processors):
      let cpu: MachineTree = .directory([
        "online": .existing(processors.appending("online")), "present": .existing(processors.appending("present")),
        "possible": .existing(processors.appending("possible")),
      ])
      let devices = MachineTree.directory(["devices": .directory(["system": .directory(["cpu": cpu])])])
      guard try !SmallFile.list(root).isEmpty else { return devices }
      let firmware = root.appending("firmware")
      let uploads = try SmallFile.kind(of: firmware) == nil ? [] : Array(try SmallFile.list(firmware).keys)
      var tree = devices
      for (path, entry) in [(place.path, .existing(root))] + place.links(uploads: uploads) {
        tree = try tree.adding(entry, at: path.split(separator: "/").map(String.init)[...])
      }
      return tree
    }
  }
}

extension MachineTree {
  /// The tree with `entry` at `path`; directories on the way are made.
  fileprivate func adding(_ entry: MachineTree, at path: ArraySlice<String>) throws(Errno) -> MachineTree {
    guard let name = path.first else { return entry }
    var children = try children()
    children[name] = try (children[name] ?? .directory([:])).adding(entry, at: path.dropFirst())
    return .directory(children)
  }
}

extension DevicePlace {
  /// The links of the rest of `/sys` to the device and to its uploads.
  fileprivate func links(uploads: [String]) -> [(path: String, tree: MachineTree)] {
    links.map { ($0.path, .symbolicLink(target: $0.target)) }
      + uploads.map { ("class/firmware/\($0)", .symbolicLink(target: "../../\(path)/firmware/\($0)")) }
  }
}
