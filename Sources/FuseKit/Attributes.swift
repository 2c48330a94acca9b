import CFuse3
import Glibc

/// What stat(2) says about a node.
public struct Attributes: Sendable {
  /// Inode number.
  public var inode: UInt64
  /// Kind and permission bits (`st_mode`).
  public var mode: UInt32
  /// Number of names.
  public var links: UInt32
  /// Owner.
  public var uid: UInt32
  /// Group.
  public var gid: UInt32
  /// Device number of a device node (`st_rdev`).
  public var device: UInt64
  /// Size in bytes.
  public var size: Int64
  /// Allocated blocks of 512 bytes.
  public var blocks: Int64
  /// Preferred block size (`st_blksize`). The kernel uses 2^n only; 4096 where 0 is given.
  public var blockSize: Int
  /// Time of last access.
  public var accessed: timespec
  /// Time of last modification of the content.
  public var modified: timespec
  /// Time of last change of the attributes.
  public var changed: timespec

  /// Attributes of a node that nobody has written to; times are 0.
  public init(
    inode: UInt64, type: FileType, permissions: UInt32, links: UInt32 = 1, uid: UInt32 = 0, gid: UInt32 = 0,
    size: Int64 = 0, blocks: Int64 = 0, blockSize: Int = 4096, time: timespec? = nil
  ) {
    self.inode = inode
    self.mode = type.rawValue | (permissions & 0o7777)
    self.links = links
    self.uid = uid
    self.gid = gid
    self.device = 0
    self.size = size
    self.blocks = blocks
    self.blockSize = blockSize
    self.accessed = time ?? timespec()
    self.modified = time ?? timespec()
    self.changed = time ?? timespec()
  }

  var stat: stat {
    var result = Glibc.stat()
    result.st_ino = numericCast(inode)
    result.st_mode = mode
    result.st_nlink = numericCast(links)
    result.st_uid = uid
    result.st_gid = gid
    result.st_rdev = numericCast(device)
    result.st_size = numericCast(size)
    result.st_blocks = numericCast(blocks)
    result.st_blksize = numericCast(blockSize)
    result.st_atim = accessed
    result.st_mtim = modified
    result.st_ctim = changed
    return result
  }
}

/// How long the kernel may use an answer without asking again.
public struct Validity: Hashable, Sendable {
  /// The time in seconds.
  public var seconds: Double

  /// `seconds` from the answer on.
  public init(seconds: Double) { self.seconds = seconds }

  /// The part of the time in whole seconds.
  var wholeSeconds: UInt64 { UInt64(exactly: seconds.rounded(.towardZero)) ?? (seconds > 0 ? .max : 0) }
  /// The rest of it.
  var nanoseconds: UInt32 {
    guard seconds > 0, seconds < 0x1p63 else { return 0 }
    return UInt32(min((seconds - seconds.rounded(.towardZero)) * 1e9, 999_999_999))
  }

  /// For this call only.
  public static let once = Validity(seconds: 0)
  /// Until a notification says otherwise.
  public static let unlimited = Validity(seconds: 1_000_000_000)
}

/// The answer to lookup and to the calls that create: a name's node (`struct fuse_entry_param`). Each one raises the
/// kernel's lookup count of the node by one, until ``FuseFilesystem/forget(_:lookups:)`` takes it back.
public struct Entry: Sendable {
  /// The node.
  public var node: NodeID
  /// Tells two nodes apart that have the same id one after the other.
  public var generation: UInt64
  /// The node's attributes.
  public var attributes: Attributes
  /// How long the name is known to be this node.
  public var nameValidity: Validity
  /// How long the attributes are known.
  public var attributesValidity: Validity

  /// The node `node` under the name that was asked for.
  public init(
    node: NodeID, generation: UInt64 = 0, attributes: Attributes, nameValidity: Validity,
    attributesValidity: Validity
  ) {
    self.node = node
    self.generation = generation
    self.attributes = attributes
    self.nameValidity = nameValidity
    self.attributesValidity = attributesValidity
  }
}

/// The answer to open, opendir and create.
public struct Opened: Sendable {
  /// The handle of this open file.
  public var handle: FileHandle
  /// Reads and writes bypass the page cache, and a short read ends at the end of the answer (`FOPEN_DIRECT_IO`).
  public var directIO: Bool
  /// Cached pages stay valid over this open (`FOPEN_KEEP_CACHE`).
  public var keepCache: Bool
  /// lseek(2) fails with ESPIPE (`FOPEN_NONSEEKABLE`).
  public var nonSeekable: Bool

  /// The open file `handle`.
  public init(handle: FileHandle, directIO: Bool = false, keepCache: Bool = false, nonSeekable: Bool = false) {
    self.handle = handle
    self.directIO = directIO
    self.keepCache = keepCache
    self.nonSeekable = nonSeekable
  }
}

/// The answer to statfs(2). The type is not part of it: it is always `FUSE_SUPER_MAGIC`.
public struct FilesystemStatistics: Hashable, Sendable {
  /// Block size (`f_bsize`).
  public var blockSize: UInt64 = 4096
  /// Fragment size (`f_frsize`), the unit of the counts.
  public var fragmentSize: UInt64 = 4096
  /// All blocks.
  public var blocks: UInt64 = 0
  /// Free blocks.
  public var freeBlocks: UInt64 = 0
  /// Blocks that are free for everybody.
  public var availableBlocks: UInt64 = 0
  /// All inodes.
  public var files: UInt64 = 0
  /// Free inodes.
  public var freeFiles: UInt64 = 0
  /// Longest name.
  public var maximumNameLength: UInt64 = 255

  /// An empty filesystem of 4096-byte blocks.
  public init() {}
}
