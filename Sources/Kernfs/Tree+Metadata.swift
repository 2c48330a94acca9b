import SystemPackage

/// Requests on inodes: attributes, extended attributes, the filesystem as a whole. Dead nodes answer as living ones.
extension Tree {
  /// stat(2) and fstat(2).
  /// - Throws: ENOENT when the node is not known any more.
  public func attributes(of id: NodeID) throws(Errno) -> InodeAttributes {
    attributes(of: try node(id))
  }

  /// The same of what is no directory, and whether somebody has it open; nil where it is one, or is not known any more.
  public func fileAttributes(of id: NodeID) -> (attributes: InodeAttributes, isOpen: Bool)? {
    state.withLock { state in
      guard let node = state.nodes[id], node.kind != .directory else { return nil }
      return (node.attributes(clock), node.openFiles > 0)
    }
  }

  /// chmod, chown, truncate, utimensat and what open(2) with O_TRUNC makes of it. Everything sticks but the size, which
  /// only moves times. Who may do it is checked by the VFS (`default_permissions`).
  /// - Throws: ENOENT when the node is not known any more.
  public func change(_ id: NodeID, _ change: InodeChange) throws(Errno) -> InodeAttributes {
    let now = clock()
    let node = try node(id)
    state.withLock { _ in
      var times = node.times ?? Node.Times(first: now)
      if let permissions = change.permissions { node.permissions = permissions & 0o7777 }
      if let uid = change.uid { node.uid = uid }
      if let gid = change.gid { node.gid = gid }
      if change.size != nil { times.modified = now }
      if let accessed = change.accessed { times.accessed = accessed.resolved(now) }
      if let modified = change.modified { times.modified = modified.resolved(now) }
      times.changed = now
      node.times = times
      node.hasOwnAttributes = true
    }
    return attributes(of: node)
  }

  /// getxattr(2).
  /// - Throws: ENODATA; EOPNOTSUPP for names that are not `trusted.`, `security.` or `user.`.
  public func extendedAttribute(_ name: String, of id: NodeID) throws(Errno) -> [UInt8] {
    let node = try node(id)
    return try state.withLock { _ throws(Errno) in try node.extendedAttributes.value(name) }
  }

  /// setxattr(2) with the flags of its last argument (`XATTR_CREATE` 1, `XATTR_REPLACE` 2).
  /// - Throws: EOPNOTSUPP for names that are not `trusted.` or `security.`; EEXIST, ENODATA, EINVAL by the flags.
  public func setExtendedAttribute(_ name: String, to value: [UInt8], flags: Int32, of id: NodeID) throws(Errno) {
    let mode: ExtendedAttributes.SetMode
    switch flags {
    case 0: mode = .either
    case 1: mode = .mustBeNew
    case 2: mode = .mustExist
    case _: throw .invalidArgument
    }
    let node = try node(id)
    try state.withLock { _ throws(Errno) in try node.extendedAttributes.set(name, to: value, mode: mode) }
  }

  /// removexattr(2).
  /// - Throws: ENODATA; EOPNOTSUPP for names that are not `trusted.` or `security.`.
  public func removeExtendedAttribute(_ name: String, of id: NodeID) throws(Errno) {
    let node = try node(id)
    try state.withLock { _ throws(Errno) in try node.extendedAttributes.remove(name) }
  }

  /// listxattr(2): the names; `trusted.` ones only for who has CAP_SYS_ADMIN.
  public func extendedAttributeNames(of id: NodeID, includingTrusted: Bool) throws(Errno) -> [String] {
    let node = try node(id)
    return state.withLock { _ in node.extendedAttributes.names(includingTrusted: includingTrusted) }
  }

  /// statfs(2).
  public func statistics() -> FileSystemStatistics { FileSystemStatistics() }

  /// fsync(2) of a directory: EINVAL.
  public func synchronizeDirectory(_ id: NodeID) throws(Errno) { throw .invalidArgument }

  private func node(_ id: NodeID) throws(Errno) -> Node {
    guard let node = state.withLock({ $0.nodes[id] }) else { throw .noSuchFileOrDirectory }
    return node
  }

  func attributes(of node: Node) -> InodeAttributes {
    var listed: UInt32 = 0
    if case .dynamicDirectory(let directory) = node.content, !state.withLock({ _ in node.isDead }) {
      // A listing that fails has nothing to count.
      let lines = (try? directory.list()) ?? []
      listed = UInt32(clamping: lines.count { $0.kind == .directory })
    }
    return state.withLock { _ in node.attributes(clock, listed: listed) }
  }
}

extension Node {
  /// What stat(2) shows; a dynamic directory has `listed` subdirectories. The tree's lock is held.
  func attributes(_ clock: () -> Timestamp, listed: UInt32 = 0) -> InodeAttributes {
    let times = self.times ?? Times(first: clock())
    self.times = times
    var links: UInt32 = 1
    switch content {
    case .directory:
      links = 2 &+ UInt32(clamping: children.values.count { $0.kind == .directory && !$0.isHidden })
    case .dynamicDirectory:
      links = 2 &+ listed
    case .symlink, .text, .binary, .snapshot:
      break
    }
    return InodeAttributes(
      id: id, kind: kind, permissions: permissions, uid: uid, gid: gid, size: size, links: links,
      accessed: times.accessed, modified: times.modified, changed: times.changed, isCacheable: isCacheable)
  }
}

extension InodeChange.Time {
  fileprivate func resolved(_ now: Timestamp) -> Timestamp {
    switch self {
    case .now: now
    case .at(let time): time
    }
  }
}
