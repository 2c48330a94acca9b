/// How one directory of the machine is laid over the host's directory of the same name.
///
/// sysfs takes no new names, so a directory in which the machine has one that the host lacks is covered with an empty
/// directory, and everything the host had in it is brought back. Where the machine only has names that are there
/// already, its files are bound over the host's.
struct DirectoryMerge: Equatable {
  /// What becomes of one name.
  enum Step: Equatable {
    /// The host's entry is made visible again in the covered directory.
    case bringBack
    /// The machine's entry is made in the covered directory.
    case add
    /// The machine's file is bound over the host's.
    case layOver
    /// Both have a directory here: it is merged in turn (after it was brought back, if the directory is covered).
    case descend
  }

  /// Whether the directory has to be covered.
  let isCovered: Bool
  /// What becomes of each name; host entries that just stay are left out.
  let steps: [String: Step]

  /// Merges a directory with the entries `machine` over one with the entries `host`.
  init(host: [String: EntryKind], machine: [String: EntryKind]) {
    var steps: [String: Step] = [:]
    for (name, kind) in machine {
      switch (kind, host[name]) {
      case (.directory, .directory): steps[name] = .descend
      case (.file, .file): steps[name] = .layOver
      case (.symbolicLink(let ours), .symbolicLink(let theirs)) where ours == theirs: break
      case (.directory, _), (.file, _), (.symbolicLink, _): steps[name] = .add
      }
    }
    isCovered = steps.values.contains(.add)
    if isCovered {
      for (name, step) in steps where step == .layOver { steps[name] = .add }
      for name in host.keys where steps[name] == nil { steps[name] = .bringBack }
    }
    self.steps = steps
  }
}
