/// A point in time, as in `struct timespec`.
public struct Timestamp: Hashable, Comparable, Sendable {
  /// Seconds since 1970-01-01 00:00 UTC.
  public var seconds: Int64
  /// 0…999 999 999.
  public var nanoseconds: UInt32

  /// `seconds` and `nanoseconds` since 1970.
  public init(seconds: Int64, nanoseconds: UInt32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// Earlier before later.
  public static func < (left: Timestamp, right: Timestamp) -> Bool {
    (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
  }
}

/// What stat(2) shows of a node (`struct stat`, `struct fuse_attr`). `st_blocks` is always 0.
public struct InodeAttributes: Hashable, Sendable {
  /// `st_blksize`.
  public static let blockSize: UInt32 = 4096

  /// `st_ino`.
  public var id: NodeID
  /// The type part of `st_mode`.
  public var kind: FileKind
  /// The permission part of `st_mode`, setuid, setgid and sticky bit included.
  public var permissions: UInt16
  /// Owner.
  public var uid: UInt32
  /// Group.
  public var gid: UInt32
  /// 4096 for text attributes, 0 for everything else; it is never the length of the content.
  public var size: Int64
  /// `st_nlink`: 1, or 2 and the number of subdirectories.
  public var links: UInt32
  /// Last access; only utimensat(2) moves it.
  public var accessed: Timestamp
  /// Last change of the content; only truncation and utimensat(2) move it.
  public var modified: Timestamp
  /// Last change of the inode.
  public var changed: Timestamp
  /// Neither its existence nor what is here changes without a ``TreeChange`` or a request: may be cached for long.
  /// False for binary attributes (fuse-limits row 31) and for everything in dynamic directories.
  public var isCacheable: Bool

  /// `st_mode`.
  public var mode: UInt32 { kind.modeBits | UInt32(permissions) }
}

/// What a setattr request wants changed; nil leaves a value as it is.
public struct InodeChange: Hashable, Sendable {
  /// A time that is set.
  public enum Time: Hashable, Sendable {
    /// The time of the request (`UTIME_NOW`).
    case now
    /// A time that the caller gives.
    case at(Timestamp)
  }

  /// New permission bits, 0…07777.
  public var permissions: UInt16?
  /// New owner.
  public var uid: UInt32?
  /// New group.
  public var gid: UInt32?
  /// truncate(2), or O_TRUNC: no effect but on times.
  public var size: Int64?
  /// New time of last access.
  public var accessed: Time?
  /// New time of last modification.
  public var modified: Time?

  /// No change; even that moves `st_ctime`, as fchown(-1, -1) does.
  public init(
    permissions: UInt16? = nil, uid: UInt32? = nil, gid: UInt32? = nil, size: Int64? = nil, accessed: Time? = nil,
    modified: Time? = nil
  ) {
    self.permissions = permissions
    self.uid = uid
    self.gid = gid
    self.size = size
    self.accessed = accessed
    self.modified = modified
  }
}

/// What statfs(2) says of sysfs (`simple_statfs`).
public struct FileSystemStatistics: Hashable, Sendable {
  /// `SYSFS_MAGIC`; FUSE can't show it (fuse-limits row 51).
  public let type: UInt32 = 0x6265_6572
  /// `f_bsize` and `f_frsize`.
  public let blockSize: UInt32 = 4096
  /// `f_namelen`.
  public let nameLength: UInt32 = 255
  /// `f_blocks`, `f_bfree`, `f_bavail`.
  public let blocks: UInt64 = 0
  /// `f_files`, `f_ffree`.
  public let files: UInt64 = 0
}
