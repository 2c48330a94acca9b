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
  /// Mounted with `layout=device`: its root is the `tdx_host` directory. `processors` is a directory with the live lists
  /// of CPUs.
  case device(FilePath, processors: FilePath)

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
      guard try hasTestFirmware() else { return .existing(root) }
      // Devices are registered while the command runs, and their links have to show up.
      var tree = try MachineTree.existing(root).children()
      var classes = try MachineTree.existing(root.appending("class")).children()
      classes["firmware"] = .replacement(root.appending("class/firmware"))
      tree["class"] = .directory(classes)
      return .directory(tree)
    case .device(let root, let processors):
      let cpu: MachineTree = .directory([
        "online": .existing(processors.appending("online")), "present": .existing(processors.appending("present")),
        "possible": .existing(processors.appending("possible")),
      ])
      var devices: [String: MachineTree] = ["system": .directory(["cpu": cpu])]
      guard try !SmallFile.list(root).isEmpty else { return .directory(["devices": .directory(devices)]) }
      devices["faux"] = .directory(["tdx_host": .existing(root)])
      let firmware = root.appending("firmware")
      let uploads = try SmallFile.kind(of: firmware) == nil ? [] : Array(try SmallFile.list(firmware).keys)
      let links = uploads.map { ($0, MachineTree.symbolicLink(target: "../../devices/faux/tdx_host/firmware/\($0)")) }
      let driver = MachineTree.symbolicLink(target: "../../../../devices/faux/tdx_host")
      return .directory([
        "devices": .directory(devices),
        "class": .directory(["firmware": .directory(Dictionary(links) { first, _ in first })]),
        "bus": .directory([
          "faux": .directory([
            "devices": .directory(["tdx_host": .symbolicLink(target: "../../../devices/faux/tdx_host")]),
            "drivers": .directory(["faux_driver": .directory(["tdx_host": driver])]),
          ])
        ]),
      ])
    }
  }
}
