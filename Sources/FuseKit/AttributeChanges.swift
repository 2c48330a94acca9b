import CFuse3
import Glibc

/// What chmod(2), chown(2), truncate(2) or utimensat(2) asks to change; nil for what stays. All can be nil
/// (`fchown(fd, -1, -1)`).
public struct AttributeChanges: Sendable {
  /// A time to set.
  public enum Time: Sendable {
    /// The time of the request (`UTIME_NOW`).
    case now
    /// This time.
    case at(timespec)
  }

  /// New permission bits, with the kind.
  public var mode: UInt32?
  /// New owner.
  public var uid: UInt32?
  /// New group.
  public var gid: UInt32?
  /// New size: truncate(2), ftruncate(2), or open(2) with `O_TRUNC`.
  public var size: Int64?
  /// New time of last access.
  public var accessed: Time?
  /// New time of last modification.
  public var modified: Time?
  /// New time of last change.
  public var changed: timespec?

  /// Changes nothing.
  public init() {}

  init(_ stat: stat, set: Int32) {
    func has(_ bit: Int32) -> Bool { set & bit != 0 }
    if has(FUSE_SET_ATTR_MODE) { mode = stat.st_mode }
    if has(FUSE_SET_ATTR_UID) { uid = stat.st_uid }
    if has(FUSE_SET_ATTR_GID) { gid = stat.st_gid }
    if has(FUSE_SET_ATTR_SIZE) { size = Int64(stat.st_size) }
    if has(FUSE_SET_ATTR_ATIME) { accessed = has(FUSE_SET_ATTR_ATIME_NOW) ? .now : .at(stat.st_atim) }
    if has(FUSE_SET_ATTR_MTIME) { modified = has(FUSE_SET_ATTR_MTIME_NOW) ? .now : .at(stat.st_mtim) }
    if has(FUSE_SET_ATTR_CTIME) { changed = stat.st_ctim }
  }
}
