import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// Lays a tree over a directory of the host inside the private mount namespace.
struct Overlay {
  /// Any directory of the view, in whose place texts are made before they are bound somewhere.
  let workshop: FilePath

  /// `O_PATH` of <fcntl.h>, which Swift's Glibc module leaves out.
  private static let pathOnly = FileDescriptor.OpenOptions(rawValue: 0o10_000_000 | O_DIRECTORY | O_CLOEXEC)

  /// Lays the directory `tree` over the directory `target`.
  func lay(_ tree: MachineTree, over target: FilePath) throws(Failure) {
    do throws(Errno) {
      try merge(tree, over: target)
    } catch {
      throw .refused("the machine cannot be laid over \(target) (\(error))")
    }
  }

  /// Lays a file with `content` over the file `target`.
  func lay(_ content: [UInt8], over target: FilePath) throws(Errno) {
    // A directory that is there for a moment only: what is bound from it stays. (An unlinked file would do as well, but
    // nothing can be mounted over it again, as a view inside this view does.)
    try MountNamespace.mountEmptyDirectory(over: workshop)
    defer { MountNamespace.unmount(workshop) }
    let draft = workshop.appending("draft")
    try SmallFile.create(draft, content: content)
    try MountNamespace.bind(draft, over: target)
  }

  /// Makes a new empty directory `name` in the directory `target`, whose other entries stay.
  func makeDirectory(_ name: String, in target: FilePath) throws(Errno) {
    try cover(target, bringingBack: SmallFile.list(target).filter { $0.key != name })
    try SmallFile.makeDirectory(target.appending(name))
  }

  private func merge(_ tree: MachineTree, over target: FilePath) throws(Errno) {
    let ours = try tree.children()
    let theirs = try SmallFile.list(target)
    var kinds: [String: EntryKind] = [:]
    for (name, child) in ours { kinds[name] = try child.kind() }
    let plan = DirectoryMerge(host: theirs, machine: kinds)
    if plan.isCovered {
      try cover(
        target, bringingBack: theirs.filter { plan.steps[$0.key] == .bringBack || plan.steps[$0.key] == .descend })
    }
    for (name, child) in ours {
      switch plan.steps[name] {
      case .add: try add(child, at: target.appending(name))
      case .layOver: try layFile(child, over: target.appending(name))
      case .descend:
        if case .replacement(let path) = child {
          try MountNamespace.bind(path, over: target.appending(name))
        } else {
          try merge(child, over: target.appending(name))
        }
      case .bringBack, nil: break
      }
    }
    if plan.isCovered { try MountNamespace.makeReadOnly(target) }
  }

  /// Covers `target` with an empty directory, into which the host's `entries` come back from behind it.
  private func cover(_ target: FilePath, bringingBack entries: [String: EntryKind]) throws(Errno) {
    let behind: FileDescriptor
    do {
      behind = try FileDescriptor.open(target, FileDescriptor.AccessMode.readOnly, options: Self.pathOnly)
    } catch {
      throw error as? Errno ?? .ioError
    }
    defer { try? behind.close() }
    try MountNamespace.mountEmptyDirectory(over: target)
    let original = FilePath("/proc/self/fd/\(behind.rawValue)")
    for (name, kind) in entries {
      let place = target.appending(name)
      switch kind {
      case .directory:
        try SmallFile.makeDirectory(place)
        try MountNamespace.bind(original.appending(name), over: place)
      case .file:
        try SmallFile.create(place, content: [])
        try MountNamespace.bind(original.appending(name), over: place)
      case .symbolicLink(let target):
        try SmallFile.makeLink(place, to: target)
      }
    }
  }

  /// Makes `child` at `place`, where there is nothing yet, in a covered directory.
  private func add(_ child: MachineTree, at place: FilePath) throws(Errno) {
    switch child {
    case .text(let text): try SmallFile.create(place, content: Array(text.utf8))
    case .symbolicLink(let target): try SmallFile.makeLink(place, to: target)
    case .directory(let children):
      try SmallFile.makeDirectory(place)
      for (name, child) in children { try add(child, at: place.appending(name)) }
    case .existing(let path), .replacement(let path):
      if try child.kind() == .directory {
        try SmallFile.makeDirectory(place)
      } else {
        try SmallFile.create(place, content: [])
      }
      try MountNamespace.bind(path, over: place)
    }
  }

  private func layFile(_ child: MachineTree, over place: FilePath) throws(Errno) {
    switch child {
    case .text(let text): try lay(Array(text.utf8), over: place)
    case .existing(let path), .replacement(let path): try MountNamespace.bind(path, over: place)
    case .directory, .symbolicLink: throw .invalidArgument
    }
  }
}
