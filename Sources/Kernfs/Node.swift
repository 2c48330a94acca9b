import SystemPackage

/// The inode number of a node; never used again for another one.
public struct NodeID: RawRepresentable, Hashable, Sendable {
  /// What FUSE calls it.
  public let rawValue: UInt64

  /// The number `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The root of a tree (`FUSE_ROOT_ID`).
  public static let root = NodeID(rawValue: 1)

  /// What a listing shows for a child without a number (`FUSE_UNKNOWN_INO`).
  public static let unknown = NodeID(rawValue: 0xFFFF_FFFF)
}

/// An open file of a tree; never used again for another one.
public struct OpenFileID: RawRepresentable, Hashable, Sendable {
  /// What FUSE calls `fh`.
  public let rawValue: UInt64

  /// The number `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// `struct kernfs_node`. Everything that changes is guarded by the lock of the tree.
final class Node: @unchecked Sendable {
  enum Content {
    case directory
    case dynamicDirectory(any DynamicDirectory)
    case symlink(target: String)
    case text(TextSource)
    case binary(any BinaryAttribute)
    case snapshot(any SnapshotFile)
  }

  let id: NodeID
  let name: String
  let parent: NodeID
  let kind: FileKind
  let content: Content
  /// The text attribute that it is, if it is one.
  let text: TextSource?
  let isHidden: Bool
  /// It, or something above it, is a child of a dynamic directory.
  let isOnDemand: Bool
  /// ``DynamicChild/identity``.
  let identity: UInt64?

  var children: [String: Node] = [:]
  /// It was removed: no path leads to it any more (`kernfs_get_active` fails).
  var isDead = false
  /// How often FUSE was told of it and has not forgotten it.
  var lookups: UInt64 = 0
  /// How many open files it has.
  var openFiles = 0
  /// Raised by each notification; open files that have another number are ready for POLLPRI.
  var event: UInt64 = 1
  /// A page-cache read was short, by which the kernel has taken the inode for shorter than it is.
  var isSizeCut = false

  var permissions: UInt16
  var uid: UInt32
  var gid: UInt32
  /// Set when the inode is first looked at.
  var times: Times?
  /// chmod, chown or the like was done: only then does the kernel keep times that follow a directory's children.
  var hasOwnAttributes = false
  var extendedAttributes = ExtendedAttributes()

  struct Times {
    var accessed: Timestamp
    var modified: Timestamp
    var changed: Timestamp

    /// Somebody looks at the inode for the first time at `now`.
    init(first now: Timestamp) { (accessed, modified, changed) = (now, now, now) }
  }

  init(
    id: NodeID, name: String, parent: NodeID, entry: Entry, isOnDemand: Bool, identity: UInt64?, uid: UInt32,
    gid: UInt32
  ) {
    self.id = id
    self.name = name
    self.parent = parent
    self.isOnDemand = isOnDemand
    self.identity = identity
    self.uid = uid
    self.gid = gid
    kind = entry.kind
    isHidden = entry.isHidden
    permissions = entry.mode & 0o7777
    let content: Content =
      switch entry.content {
      case .directory: .directory
      case .dynamicDirectory(let directory): .dynamicDirectory(directory)
      case .symlink(let target): .symlink(target: target)
      case .text(let attribute): .text(TextSource(attribute))
      case .binary(let attribute): .binary(attribute)
      case .snapshot(let file): .snapshot(file)
      }
    self.content = content
    text = if case .text(let source) = content { source } else { nil }
  }

  var size: Int64 {
    switch content {
    case .text: 4096
    case .directory, .dynamicDirectory, .symlink, .binary, .snapshot: 0
    }
  }

  var isCacheable: Bool {
    if isOnDemand { return false }
    switch content {
    // The content of a snapshot is as long as it is, which page-cache reads have to know (fuse-limits P1).
    case .dynamicDirectory, .binary, .snapshot: return false
    case .directory, .symlink, .text: return true
    }
  }

  /// The size that the kernel has to be told of before the next page-cache read; 0 when it knows it.
  func takeCutSize() -> Int64 {
    defer { isSizeCut = false }
    return isSizeCut ? size : 0
  }
}

/// A text attribute behind a reference, which costs less to hand on than the value of a protocol's type.
final class TextSource: Sendable {
  let attribute: any TextAttribute

  init(_ attribute: any TextAttribute) { self.attribute = attribute }

  func show(_ text: inout AttributeText) throws(Errno) { try attribute.show(&text) }
}
