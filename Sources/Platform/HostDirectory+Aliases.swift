import Kernfs
import TDXHost

/// The extra names of ``Alias``. Each leads to the same attributes, so to the same state.
extension HostDirectory {
  /// Names of the upload beside its own.
  var uploadAliases: [String] {
    [Alias.seamldrUpload, .tdxModule].filter(machine.options.aliases.contains).map(\.rawValue)
      .filter { $0 != profile.uploadName }
  }

  /// Extra names below the profile's root; none that is there already.
  func aliasEntries(besides placed: [Placed]) -> [Placed] {
    let present = Set(placed.map { $0.directory + [$0.entry.name] })
    var entries: [Placed] = []
    if let upload {
      entries = uploadAliases.map { Placed(directory: ["firmware"], entry: symlink($0, to: upload.name)) }
    }
    guard parts.hasSEAMLDRFiles else { return entries }
    let files = Alias.allCases.filter(machine.options.aliases.contains).flatMap { extraFiles($0) }
    return entries + files.map { self.placed($0) }.filter { !present.contains($0.directory + [$0.entry.name]) }
  }

  /// The files of an alias, with the mode and the format that the profile has for what they show.
  private func extraFiles(_ alias: Alias) -> [HostFile] {
    let device = profile.device.isEmpty ? "" : profile.device + "/"
    func named(_ path: String, like isLike: (HostFile.Content) -> Bool) -> [HostFile] {
      profile.files.first { isLike($0.content) }.map { [HostFile(path, mode: $0.mode, $0.content)] } ?? []
    }
    func version(_ path: String) -> [HostFile] {
      named(path) { if case .seamldrVersion = $0 { true } else { false } }
    }
    func remaining(_ path: String) -> [HostFile] { named(path) { $0 == .numRemainingUpdates } }
    switch alias {
    case .seamldr: return version("seamldr/version") + remaining("seamldr/num_remaining_updates")
    case .seamldrVersion: return version(device + "seamldr_version")
    case .numRemainingUpdates: return remaining(device + "num_remaining_updates")
    case .seamldrUpload, .tdxModule, .sysFirmware: return []
    }
  }

  /// `firmware/tdx/tdx_module` of a `/sys` tree.
  var firmwareEntries: [(Entry, String)] {
    guard machine.options.aliases.contains(.sysFirmware) else { return [] }
    let machine = machine
    let module = directory("tdx_module") {
      for attribute in ModuleInfoAttribute.Content.allCases {
        file(attribute.rawValue, ModuleInfoAttribute(content: attribute, machine: machine))
      }
    }
    return [(directory("firmware") { directory("tdx") { module } }, "")]
  }
}
