import SystemPackage

/// Something that a client does to a tree by a request, for who keeps a journal: enough to do it again.
public enum TreeOperation: Hashable, Sendable {
  /// One write call on a text attribute or a control file.
  case write(path: String, offset: Int64, bytes: [UInt8])
  /// One write call on a binary attribute, and where its bytes go.
  case data(path: String, offset: Int64, count: Int)
  /// mkdir(2)
  case makeDirectory(path: String)
  /// rmdir(2)
  case removeDirectory(path: String)
  /// creat(2), or mknod(2) of a regular file
  case create(path: String)
  /// unlink(2)
  case unlink(path: String)
  /// The operation on `path` that came last has failed.
  case refused(path: String, Errno)
}

extension Tree {
  /// Tells `record` from now on of every operation that gets as far as a store method or a dynamic directory, before it is
  /// done, and of its failure. A write that has to wait is told once. No lock of the tree is held.
  public func setJournal(_ record: (@Sendable (TreeOperation) -> Void)?) {
    journal.withLock { $0.record = record }
  }

  /// Tells of `operation`, does it, and tells of its failure.
  func journaled<Result>(
    _ operation: (_ path: String) -> TreeOperation, on path: @autoclosure () -> String,
    _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    guard let record = journal.withLock({ $0.record }) else { return try body() }
    let path = path()
    record(operation(path))
    do throws(Errno) {
      return try body()
    } catch {
      if error != .restartSystemCall { record(.refused(path: path, error)) }
      throw error
    }
  }

  /// The names that lead from the root to `id`, and to `child` in it.
  func path(of id: NodeID, _ child: String? = nil) -> String {
    state.withLock { $0.path(of: id, child) }
  }

  /// The names that lead from the root to `file`.
  func path(of file: OpenFile) -> String {
    state.withLock { state in
      if let path = file.path { return path }
      let path = state.path(of: file.node.id)
      file.path = path
      return path
    }
  }
}

extension Tree.State {
  fileprivate func path(of id: NodeID, _ child: String? = nil) -> String {
    var names: [String] = child.map { [$0] } ?? []
    var next = nodes[id]
    while let node = next, node.id != .root {
      names.append(node.name)
      next = nodes[node.parent]
    }
    return names.reversed().joined(separator: "/")
  }
}
