import Basics
import Synchronization
import SystemPackage

/// What happened to a tree by itself, and not by a request: what a cache above it has to hear.
public enum TreeChange: Hashable, Sendable {
  /// `name` has appeared in `parent`.
  case added(parent: NodeID, name: String, kind: FileKind)
  /// `node`, which was `name` in `parent`, and everything below it is gone.
  case removed(parent: NodeID, name: String, node: NodeID, kind: FileKind)
  /// Who polls this open file has to ask again.
  case pollable(OpenFileID)
}

/// A tree of the kernel's kind: directories, links and attributes by the rules of sysfs, one method for each kind of
/// request that a filesystem server gets.
///
/// One lock guards the nodes. It is not held while a method of an attribute or of a dynamic directory runs, nor while
/// the observer is told of a change. An open file has a lock of its own, which is held during show and store as the
/// kernel's `kernfs_open_file.mutex` is; the order is open file, then tree.
///
/// Nodes that were removed stay usable for who holds them: attributes and times remain, no path leads there, open
/// gives ESTALE (so that the kernel walks the path once more, fuse-limits row 10), reads give what was buffered and
/// then ENODEV. Unlike `kernfs_drain`, removal does not wait for a show or store that is running.
public final class Tree: Sendable {
  struct State {
    var nodes: [NodeID: Node] = [:]
    var openFiles = OpenFileTable()
    var lastNode: UInt64 = 0
    let uid: UInt32
    let gid: UInt32
  }

  let state: Guarded<State>
  let clock: @Sendable () -> Timestamp
  private let observer = Guarded(Observer())
  let watcher = Guarded<(any OperationWatcher)?>(nil)
  /// Whether there is a watcher, for the many looks that find none.
  let isWatched = Atomic(false)
  let journal = Guarded(Journal())

  /// Who is told of changes. A function that stood in ``Guarded`` by itself would be wrapped once more at each look at it.
  private struct Observer {
    var observe: (@Sendable (TreeChange) -> Void)?
  }

  /// Who keeps a journal of what clients do; in a structure for the same reason.
  struct Journal {
    var record: (@Sendable (TreeOperation) -> Void)?
  }

  /// The tree of `root`, whose nodes belong to `uid` and `gid`; `clock` gives the time of day for inode times.
  public init(
    uid: UInt32 = 0, gid: UInt32 = 0, clock: @escaping @Sendable () -> Timestamp,
    @EntryBuilder root: () -> [Entry] = { [] }
  ) {
    self.clock = clock
    var state = State(uid: uid, gid: gid)
    _ = state.make(directory("/") { root() }, below: nil)
    self.state = Guarded(state)
  }

  /// Tells `observe` of every change from now on, on the thread that makes it, without any lock held.
  public func setObserver(_ observe: (@Sendable (TreeChange) -> Void)?) {
    observer.withLock { $0.observe = observe }
  }

  func tell(_ changes: [TreeChange]) {
    guard !changes.isEmpty, let observe = observer.withLock({ $0.observe }) else { return }
    for change in changes { observe(change) }
  }

  // MARK: Devices come and go

  /// Puts `entry` and everything below it into the directory `parent`.
  /// - Throws: ENOENT when there is no such directory, ENOTDIR, EEXIST.
  @discardableResult
  public func add(_ entry: Entry, to parent: NodeID) throws(Errno) -> NodeID {
    let now = clock()
    let id = try state.withLock { state throws(Errno) -> NodeID in
      guard let directory = state.nodes[parent], !directory.isDead else { throw .noSuchFileOrDirectory }
      guard case .directory = directory.content else { throw .notDirectory }
      guard directory.children[entry.name] == nil else { throw .fileExists }
      directory.childrenChanged(now)
      return state.make(entry, below: directory)
    }
    tell([.added(parent: parent, name: entry.name, kind: entry.kind)])
    return id
  }

  /// Puts `entry` into the directory at `path`, whose names are separated by "/"; "" is the root.
  /// - Throws: as ``add(_:to:)``.
  @discardableResult
  public func add(_ entry: Entry, at path: String) throws(Errno) -> NodeID {
    guard let parent = node(at: path) else { throw .noSuchFileOrDirectory }
    return try add(entry, to: parent)
  }

  /// Takes the node away and everything below it; who holds one of them keeps a dead one.
  /// - Throws: ENOENT when it is gone already, EBUSY for the root.
  public func remove(_ id: NodeID) throws(Errno) {
    let now = clock()
    let changes = try state.withLock { state throws(Errno) -> [TreeChange] in
      guard let node = state.nodes[id], !node.isDead else { throw .noSuchFileOrDirectory }
      guard id != .root else { throw .resourceBusy }
      state.nodes[node.parent]?.childrenChanged(now)
      let polled = state.kill(node)
      return [.removed(parent: node.parent, name: node.name, node: id, kind: node.kind)] + polled
    }
    tell(changes)
  }

  /// Takes away what is at `path`.
  /// - Throws: as ``remove(_:)``.
  public func remove(at path: String) throws(Errno) {
    guard let id = node(at: path) else { throw .noSuchFileOrDirectory }
    try remove(id)
  }

  /// The node at `path`, if one is there; links are not followed and dynamic directories are not asked.
  public func node(at path: String) -> NodeID? {
    state.withLock { state in
      var id = NodeID.root
      for name in path.split(separator: "/") {
        guard let child = state.nodes[id]?.children[String(name)] else { return nil }
        id = child.id
      }
      return id
    }
  }

  /// Wakes who polls the attribute (`sysfs_notify`): POLLPRI until its value is read again.
  public func notify(_ id: NodeID) {
    let changes = state.withLock { state -> [TreeChange] in
      guard let node = state.nodes[id] else { return [] }
      node.event &+= 1
      return state.openFiles.of(node).map { .pollable($0) }
    }
    tell(changes)
  }
}

extension Tree.State {
  /// Makes the node of `entry` and those below it. Of children with the same name the first one counts.
  mutating func make(_ entry: Entry, below parent: Node?, demand: (name: String, identity: UInt64)? = nil) -> NodeID {
    lastNode &+= 1
    // The root is its own parent. Numbers that mean something else are left out.
    if lastNode == NodeID.unknown.rawValue { lastNode &+= 1 }
    let id = NodeID(rawValue: lastNode)
    let node = Node(
      id: id, name: demand?.name ?? entry.name, parent: parent?.id ?? id, entry: entry,
      isOnDemand: demand != nil || parent?.isOnDemand == true, identity: demand?.identity, uid: uid, gid: gid)
    nodes[id] = node
    parent?.children[node.name] = node
    if case .directory(let children) = entry.content {
      for child in children where node.children[child.name] == nil { _ = make(child, below: node) }
    }
    return id
  }

  /// Makes a subtree dead (`__kernfs_remove`). Gives the open files whose pollers have to be woken.
  mutating func kill(_ node: Node) -> [TreeChange] {
    nodes[node.parent]?.children[node.name] = nil
    var changes: [TreeChange] = []
    var rest = [node]
    while let dead = rest.popLast() {
      dead.isDead = true
      rest.append(contentsOf: dead.children.values)
      dead.children.removeAll()
      if dead.openFiles > 0 { changes.append(contentsOf: openFiles.of(dead).map { .pollable($0) }) }
      dropIfUnused(dead)
    }
    return changes
  }

  /// Makes an open file of `node`.
  mutating func open(_ node: Node, _ text: TextSource? = nil, flags: OpenFlags, content: [UInt8] = []) -> OpenFileID {
    node.openFiles += 1
    return openFiles.open(node, text, flags: flags, content: content)
  }

  /// Forgets an open file; gives its node.
  mutating func close(_ id: OpenFileID) -> Node? {
    guard let node = openFiles.close(id) else { return nil }
    node.openFiles -= 1
    return node
  }

  /// Forgets a dead node that nobody holds.
  mutating func dropIfUnused(_ node: Node) {
    if node.isDead, node.lookups == 0, node.openFiles == 0 { nodes[node.id] = nil }
  }
}

extension Node {
  /// A child was added or removed (`kernfs_add_one`, `__kernfs_remove`).
  func childrenChanged(_ now: Timestamp) {
    guard hasOwnAttributes else { return }
    times?.modified = now
    times?.changed = now
  }
}
