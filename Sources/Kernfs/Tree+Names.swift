import SystemPackage

/// Requests on names. What the VFS checks before it asks (existence, ENOTDIR, EXDEV, sticky directories, search
/// permission) is not checked again.
extension Tree {
  /// The child `name` of `parent`. Each success counts as one lookup, until ``forget(_:count:)``.
  /// - Throws: ENOENT; ENOTDIR when `parent` is a file; what a dynamic directory throws.
  public func lookup(_ name: String, in parent: NodeID) throws(Errno) -> InodeAttributes {
    enum Step {
      case found(InodeAttributes)
      case count(Node)
      case ask(any DynamicDirectory)
    }
    let step = try state.withLock { state throws(Errno) -> Step in
      guard let directory = state.nodes[parent] else { throw .noSuchFileOrDirectory }
      guard directory.kind == .directory else { throw .notDirectory }
      guard !directory.isDead else { throw .noSuchFileOrDirectory }
      if case .dynamicDirectory(let dynamic) = directory.content { return .ask(dynamic) }
      guard let child = directory.children[name] else { throw .noSuchFileOrDirectory }
      child.lookups &+= 1
      return child.kind == .directory ? .count(child) : .found(child.attributes(clock))
    }
    switch step {
    case .found(let attributes): return attributes
    case .count(let child): return attributes(of: child)
    case .ask(let dynamic): return attributes(of: try lookup(name, in: parent, dynamic))
    }
  }

  private func lookup(
    _ name: String, in parent: NodeID, _ dynamic: any DynamicDirectory
  ) throws(Errno) -> Node {
    let child: DynamicChild
    do throws(Errno) {
      child = try dynamic.lookup(name)
    } catch {
      forgetDynamicChild(name, of: parent)
      throw error
    }
    let known = state.withLock { state -> Node? in
      guard let node = state.nodes[parent]?.children[name], node.identity == child.identity else { return nil }
      node.lookups &+= 1
      return node
    }
    if let known { return known }
    let entry = child.entry()
    var polled: [TreeChange] = []
    let node = try state.withLock { state throws(Errno) -> Node in
      guard let directory = state.nodes[parent], !directory.isDead else { throw .noSuchFileOrDirectory }
      if let old = directory.children[name], old.identity != child.identity { polled = state.kill(old) }
      let id =
        directory.children[name]?.id
        ?? state.make(entry, below: directory, demand: (name: name, identity: child.identity))
      guard let node = state.nodes[id] else { throw .noSuchFileOrDirectory }
      node.lookups &+= 1
      return node
    }
    // No `removed`: the kernel is holding the directory for this very request, and keeps nothing of it anyway.
    tell(polled)
    return node
  }

  private func forgetDynamicChild(_ name: String, of parent: NodeID) {
    let polled = state.withLock { state -> [TreeChange] in
      guard let old = state.nodes[parent]?.children[name] else { return [] }
      return state.kill(old)
    }
    tell(polled)
  }

  /// The caller has forgotten `count` lookups of the node.
  public func forget(_ id: NodeID, count: UInt64) {
    state.withLock { state in
      guard let node = state.nodes[id] else { return }
      node.lookups = node.lookups > count ? node.lookups - count : 0
      state.dropIfUnused(node)
    }
  }

  /// The lines of a directory in kernfs' order, from `offset` on: 0, or the ``DirectoryEntry/nextOffset`` of a line.
  /// A dead directory has "." and "..".
  /// - Throws: ENOTDIR, ENOENT when the node is not known, what a dynamic directory throws.
  public func readDirectory(_ id: NodeID, from offset: UInt64 = 0) throws(Errno) -> [DirectoryEntry] {
    typealias Child = (name: String, id: NodeID, kind: FileKind)
    var dynamic: (any DynamicDirectory)?
    var children: [Child] = []
    var parent = id
    try state.withLock { state throws(Errno) in
      guard let node = state.nodes[id] else { throw .noSuchFileOrDirectory }
      guard node.kind == .directory else { throw .notDirectory }
      parent = node.parent
      if case .dynamicDirectory(let directory) = node.content, !node.isDead { dynamic = directory }
      children = node.children.values.filter { !$0.isHidden }.map { ($0.name, $0.id, $0.kind) }
    }
    if let dynamic {
      let known = children
      children = try dynamic.list().map { line in
        (line.name, known.first { $0.name == line.name }?.id ?? .unknown, line.kind)
      }
    }
    return listing(itself: id, parent: parent, children: children, from: offset)
  }

  /// Where a symbolic link leads.
  /// - Throws: EINVAL when it is none, ENOENT when the node is not known.
  public func readLink(_ id: NodeID) throws(Errno) -> String {
    try state.withLock { state throws(Errno) in
      guard let node = state.nodes[id] else { throw .noSuchFileOrDirectory }
      guard case .symlink(let target) = node.content else { throw .invalidArgument }
      return target
    }
  }

  /// mkdir(2): EPERM but in dynamic directories. Counts as a lookup.
  public func makeDirectory(_ name: String, in parent: NodeID, by caller: Caller) throws(Errno) -> InodeAttributes {
    guard let dynamic = try dynamicDirectory(parent) else { throw .notPermitted }
    // A journal hears of it once, when it is done.
    guard !dynamic.mustWait else { throw .restartSystemCall }
    try journaled(TreeOperation.makeDirectory(path:), on: path(of: parent, name)) { () throws(Errno) in
      try dynamic.makeDirectory(name, by: caller)
    }
    return try lookup(name, in: parent)
  }

  /// rmdir(2): EPERM but in dynamic directories.
  public func removeDirectory(_ name: String, in parent: NodeID, by caller: Caller) throws(Errno) {
    guard let dynamic = try dynamicDirectory(parent) else { throw .notPermitted }
    guard !dynamic.mustWait else { throw .restartSystemCall }
    try journaled(TreeOperation.removeDirectory(path:), on: path(of: parent, name)) { () throws(Errno) in
      try dynamic.removeDirectory(name, by: caller)
    }
    forgetDynamicChild(name, of: parent)
  }

  /// unlink(2): EPERM but in dynamic directories.
  public func unlink(_ name: String, in parent: NodeID, by caller: Caller) throws(Errno) {
    guard let dynamic = try dynamicDirectory(parent) else { throw .notPermitted }
    try journaled(TreeOperation.unlink(path:), on: path(of: parent, name)) { () throws(Errno) in
      try dynamic.unlink(name, by: caller)
    }
    forgetDynamicChild(name, of: parent)
  }

  /// mknod(2) of `mode`: of a regular file EACCES but in dynamic directories, of anything else EPERM. Counts as a
  /// lookup.
  public func makeNode(
    _ name: String, mode: UInt32, in parent: NodeID, by caller: Caller
  ) throws(Errno) -> InodeAttributes {
    let type = mode & 0o170000
    guard type == 0 || type == FileKind.regular.modeBits else { throw .notPermitted }
    guard let dynamic = try dynamicDirectory(parent) else { throw .permissionDenied }
    try journaled(TreeOperation.create(path:), on: path(of: parent, name)) { () throws(Errno) in
      try dynamic.create(name, by: caller)
    }
    return try lookup(name, in: parent)
  }

  /// open(2) with O_CREAT of a name that was not there: EACCES but in dynamic directories. Counts as a lookup.
  public func create(
    _ name: String, flags: OpenFlags, in parent: NodeID, by caller: Caller
  ) throws(Errno) -> (attributes: InodeAttributes, file: OpenedFile) {
    let attributes = try makeNode(name, mode: FileKind.regular.modeBits, in: parent, by: caller)
    do throws(Errno) {
      return (attributes, try open(attributes.id, flags: flags, by: caller))
    } catch {
      forget(attributes.id, count: 1)
      throw error
    }
  }

  /// rename(2): EPERM.
  public func rename(_ name: String, in parent: NodeID, to newName: String, in newParent: NodeID) throws(Errno) {
    throw .notPermitted
  }

  /// symlink(2): EPERM.
  public func makeSymlink(_ name: String, to target: String, in parent: NodeID) throws(Errno) {
    throw .notPermitted
  }

  /// link(2): EPERM.
  public func makeLink(_ name: String, to id: NodeID, in parent: NodeID) throws(Errno) {
    throw .notPermitted
  }

  private func dynamicDirectory(_ id: NodeID) throws(Errno) -> (any DynamicDirectory)? {
    try state.withLock { state throws(Errno) in
      guard let node = state.nodes[id], !node.isDead else { throw .noSuchFileOrDirectory }
      guard case .dynamicDirectory(let directory) = node.content else { return nil }
      return directory
    }
  }
}
