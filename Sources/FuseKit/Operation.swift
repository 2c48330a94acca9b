/// The arguments of one kind of request. The protocols that a kind conforms to say how it can be answered.
public protocol FuseOperation: Sendable {
  /// The errno of a request that was dropped without an answer.
  static var errnoWhenDropped: Int32 { get }
}

extension FuseOperation {
  /// EIO.
  public static var errnoWhenDropped: Int32 { 5 }
}

/// Can be refused with an errno: everything but release.
public protocol Fallible: FuseOperation {}
/// Answered with "done" and nothing else.
public protocol AnsweredByDone: FuseOperation {}
/// Answered with the node of a name.
public protocol AnsweredByEntry: Fallible {}
/// Answered with attributes.
public protocol AnsweredByAttributes: Fallible {}
/// Answered with an open file.
public protocol AnsweredByOpened: Fallible {}
/// Answered with the bytes of an extended attribute, or their number.
public protocol AnsweredByValue: Fallible {
  /// Room in the caller's buffer; 0 asks for the number of bytes only.
  var size: Int { get }
}

/// The kinds of requests.
public enum Op {
  /// Which node has `name` in the directory?
  public struct Lookup: AnsweredByEntry {
    /// The name; bytes that are not UTF-8 arrive as U+FFFD.
    public var name: String
  }

  /// stat(2), also for the end of a file in lseek(2) and page-cache reads, which come with a handle.
  public struct Getattr: AnsweredByAttributes {
    /// The open file, where the kernel named one.
    public var handle: FileHandle?
  }

  /// chmod(2), chown(2), truncate(2), utimensat(2). Answer: the attributes after it.
  public struct Setattr: AnsweredByAttributes {
    /// What to change.
    public var changes: AttributeChanges
    /// The open file, where the kernel named one.
    public var handle: FileHandle?
  }

  /// readlink(2).
  public struct Readlink: Fallible {}

  /// mknod(2).
  public struct Mknod: AnsweredByEntry {
    /// The new name.
    public var name: String
    /// Kind and permission bits.
    public var mode: UInt32
    /// The device number of a device node.
    public var device: UInt64
  }

  /// mkdir(2).
  public struct Mkdir: AnsweredByEntry {
    /// The new name.
    public var name: String
    /// Permission bits.
    public var mode: UInt32
  }

  /// unlink(2).
  public struct Unlink: Fallible, AnsweredByDone {
    /// The name to remove.
    public var name: String
  }

  /// rmdir(2).
  public struct Rmdir: Fallible, AnsweredByDone {
    /// The name to remove.
    public var name: String
  }

  /// symlink(2).
  public struct Symlink: AnsweredByEntry {
    /// The new name.
    public var name: String
    /// What it refers to.
    public var target: String
  }

  /// renameat2(2).
  public struct Rename: Fallible, AnsweredByDone {
    /// The old name, in the request's node.
    public var name: String
    /// The new directory.
    public var newParent: NodeID
    /// The new name.
    public var newName: String
    /// `RENAME_NOREPLACE` and the like.
    public var flags: UInt32
  }

  /// link(2).
  public struct Link: AnsweredByEntry {
    /// The directory of the new name.
    public var newParent: NodeID
    /// The new name.
    public var newName: String
  }

  /// open(2) of a name that does not exist, with `O_CREAT`.
  public struct Create: Fallible {
    /// The new name.
    public var name: String
    /// Kind and permission bits.
    public var mode: UInt32
    /// How to open it.
    public var flags: OpenFlags
  }

  /// statfs(2).
  public struct Statfs: Fallible {}
}
