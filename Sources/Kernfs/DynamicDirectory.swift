import SystemPackage

/// A child of a dynamic directory as it is now.
public struct DynamicChild: Sendable {
  /// Tells a child from an earlier one of the same name: open files and inode of the earlier one are dead then.
  public let identity: UInt64
  let entry: @Sendable () -> Entry

  /// The child `identity`; `entry` is asked for only when the tree does not know this child yet. The entry's own name
  /// is not looked at.
  public init(identity: UInt64, entry: @autoclosure @escaping @Sendable () -> Entry) {
    self.identity = identity
    self.entry = entry
  }
}

/// A line of a dynamic directory's listing.
public struct DynamicListing: Hashable, Sendable {
  /// The name.
  public let name: String
  /// What it is.
  public let kind: FileKind

  /// The line `name`.
  public init(name: String, kind: FileKind) {
    self.name = name
    self.kind = kind
  }
}

/// A directory whose children are made on demand. No lock of the tree is held during these calls.
public protocol DynamicDirectory: Sendable {
  /// Permission bits that the directory is made with.
  var mode: UInt16 { get }

  /// The child `name` now; ENOENT when there is none.
  func lookup(_ name: String) throws(Errno) -> DynamicChild

  /// All children, in any order.
  func list() throws(Errno) -> [DynamicListing]

  /// mkdir(2). The child is looked up afterwards.
  func makeDirectory(_ name: String, by caller: Caller) throws(Errno)

  /// rmdir(2).
  func removeDirectory(_ name: String, by caller: Caller) throws(Errno)

  /// creat(2), or mknod(2) of a regular file. The child is looked up afterwards.
  func create(_ name: String, by caller: Caller) throws(Errno)

  /// unlink(2).
  func unlink(_ name: String, by caller: Caller) throws(Errno)

  /// Where mkdir(2) and rmdir(2) wait that got ERESTARTSYS, to be tried again when it is woken; nil when they never do.
  var queue: WaitQueue? { get }

  /// mkdir(2) and rmdir(2) would get ERESTARTSYS now: they are not even begun.
  var mustWait: Bool { get }
}

extension DynamicDirectory {
  /// 0755.
  public var mode: UInt16 { 0o755 }
  /// As in sysfs: EPERM.
  public func makeDirectory(_ name: String, by caller: Caller) throws(Errno) { throw .notPermitted }
  /// As in sysfs: EPERM.
  public func removeDirectory(_ name: String, by caller: Caller) throws(Errno) { throw .notPermitted }
  /// As in sysfs, where only this one is EACCES.
  public func create(_ name: String, by caller: Caller) throws(Errno) { throw .permissionDenied }
  /// As in sysfs: EPERM.
  public func unlink(_ name: String, by caller: Caller) throws(Errno) { throw .notPermitted }
  /// Nobody waits.
  public var queue: WaitQueue? { nil }
  /// Nobody waits.
  public var mustWait: Bool { false }
}
