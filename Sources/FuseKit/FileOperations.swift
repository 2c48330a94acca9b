/// The kinds of requests on files, open files and open directories.
extension Op {
  /// open(2) of a file.
  public struct Open: AnsweredByOpened {
    /// How to open it.
    public var flags: OpenFlags
  }

  /// read(2) and its relatives.
  public struct Read: Fallible {
    /// The open file.
    public var handle: FileHandle
    /// Where to begin.
    public var offset: Int64
    /// The most bytes to answer.
    public var size: Int
    /// The flags of the open file now.
    public var flags: OpenFlags
    /// Who holds the file's locks; 0 when no process reads but the page cache.
    public var lockOwner: UInt64

    /// The page cache reads, for sendfile(2), readahead(2) or a private mapping, and not a process by read(2).
    public var isForPageCache: Bool { lockOwner == 0 }
  }

  /// write(2) and its relatives. The bytes come beside the request.
  public struct Write: Fallible {
    /// The open file.
    public var handle: FileHandle
    /// Where to begin.
    public var offset: Int64
    /// Number of bytes.
    public var size: Int
    /// The flags of the open file now.
    public var flags: OpenFlags
    /// Who holds the file's locks.
    public var lockOwner: UInt64
  }

  /// The last close(2) of an open file. It can't fail.
  public struct Release: AnsweredByDone {
    /// Nobody looks at the answer: done.
    public static var errnoWhenDropped: Int32 { 0 }
    /// The open file.
    public var handle: FileHandle
    /// How it was opened.
    public var flags: OpenFlags
  }

  /// poll(2), select(2), epoll. Answer: all events that hold, whether requested or not.
  public struct Poll: Fallible {
    /// The open file.
    public var handle: FileHandle
    /// The events that the caller waits for.
    public var events: PollEvents
  }

  /// lseek(2) to data or to a hole.
  public struct Lseek: Fallible {
    /// The open file.
    public var handle: FileHandle
    /// Where to begin.
    public var offset: Int64
    /// What to look for.
    public var origin: SeekOrigin
  }

  /// ioctl(2). Its input comes beside the request.
  public struct Ioctl: Fallible {
    /// The open file or directory.
    public var handle: FileHandle
    /// The command.
    public var command: UInt32
    /// Room for the answer's bytes.
    public var outputSize: Int
    /// On a directory (`FUSE_IOCTL_DIR`).
    public var isDirectory: Bool
  }

  /// fsync(2) of a file.
  public struct Fsync: Fallible, AnsweredByDone {
    /// The open file.
    public var handle: FileHandle
    /// fdatasync(2)
    public var dataOnly: Bool
  }

  /// open(2) of a directory.
  public struct Opendir: AnsweredByOpened {
    /// How to open it.
    public var flags: OpenFlags
  }

  /// getdents(2).
  public struct Readdir: Fallible {
    /// The open directory.
    public var handle: FileHandle
    /// 0, or the `next` of the last entry that the caller has seen.
    public var offset: Int64
    /// The most bytes to answer.
    public var size: Int
  }

  /// The last close(2) of an open directory. It can't fail.
  public struct Releasedir: AnsweredByDone {
    /// Nobody looks at the answer: done.
    public static var errnoWhenDropped: Int32 { 0 }
    /// The open directory.
    public var handle: FileHandle
  }

  /// fsync(2) of a directory.
  public struct Fsyncdir: Fallible, AnsweredByDone {
    /// The open directory.
    public var handle: FileHandle
    /// fdatasync(2)
    public var dataOnly: Bool
  }

  /// setxattr(2). The value comes beside the request.
  public struct Setxattr: Fallible, AnsweredByDone {
    /// The name, with its prefix.
    public var name: String
    /// `XATTR_CREATE`, `XATTR_REPLACE`.
    public var flags: Int32
  }

  /// getxattr(2).
  public struct Getxattr: AnsweredByValue {
    /// The name, with its prefix.
    public var name: String
    /// Room in the caller's buffer; 0 asks for the number of bytes only.
    public var size: Int
  }

  /// listxattr(2). Answer: the names, each with a NUL behind it.
  public struct Listxattr: AnsweredByValue {
    /// Room in the caller's buffer; 0 asks for the number of bytes only.
    public var size: Int
  }

  /// removexattr(2).
  public struct Removexattr: Fallible, AnsweredByDone {
    /// The name, with its prefix.
    public var name: String
  }
}
