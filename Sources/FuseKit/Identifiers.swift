/// The number by which the kernel knows a node (`nodeid`). It stays valid until the kernel forgot it.
public struct NodeID: RawRepresentable, Hashable, Sendable {
  /// The number; 0 is no node.
  public let rawValue: UInt64

  /// The node `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The root of the mount (`FUSE_ROOT_ID`).
  public static let root = NodeID(rawValue: 1)
}

/// The number that the filesystem gave an open file (`fh`); the kernel sends it back with every call on that file.
public struct FileHandle: RawRepresentable, Hashable, Sendable {
  /// The number, free to choose.
  public let rawValue: UInt64

  /// The handle `rawValue`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Who asks (`struct fuse_ctx`), at the moment of the request.
public struct Credentials: Hashable, Sendable {
  /// File-system user id, in the user namespace of the mount.
  public var uid: UInt32
  /// File-system group id, in the user namespace of the mount.
  public var gid: UInt32
  /// **Thread** id in the pid namespace of the mount; 0 when the caller is in none that is seen from there.
  public var pid: Int32
  /// The caller's umask; only meaningful in calls that create.
  public var umask: UInt32

  /// The thread `pid` as `uid`:`gid`.
  public init(uid: UInt32, gid: UInt32, pid: Int32, umask: UInt32 = 0) {
    self.uid = uid
    self.gid = gid
    self.pid = pid
    self.umask = umask
  }
}

/// The kind of a node: the `S_IFMT` bits of its mode, `d_type` of a directory entry.
public enum FileType: UInt32, Sendable, CaseIterable {
  /// `S_IFIFO`
  case fifo = 0o010000
  /// `S_IFCHR`
  case characterDevice = 0o020000
  /// `S_IFDIR`
  case directory = 0o040000
  /// `S_IFBLK`
  case blockDevice = 0o060000
  /// `S_IFREG`
  case regular = 0o100000
  /// `S_IFLNK`
  case symbolicLink = 0o120000
  /// `S_IFSOCK`
  case socket = 0o140000

  /// The bits of a mode that say the kind (`S_IFMT`).
  public static let mask: UInt32 = 0o170000

  /// The kind that a mode says; nil for none.
  public init?(mode: UInt32) { self.init(rawValue: mode & Self.mask) }
}
