import SystemPackage

/// Why a filesystem could not be mounted or served. The description is one line for the user.
public enum SessionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is nothing at the mount point.
  case mountPointMissing(String)
  /// The mount point is no directory.
  case mountPointNotDirectory(String)
  /// A FUSE filesystem is mounted there whose process is gone.
  case mountPointDead(String)
  /// The mount point can't be used now.
  case mountPointBusy(String)
  /// The mount point can't be looked at.
  case mountPointUnreachable(String, Errno)
  /// The kernel has no FUSE, or /dev/fuse is missing here.
  case deviceMissing
  /// The user may not mount there. The reason is libfuse's or fusermount3's, or empty.
  case notPermitted(String, reason: String)
  /// An option that libfuse or the kernel doesn't know.
  case optionRefused(reason: String)
  /// Another failure of mount(2) or libfuse.
  case failed(reason: String)
  /// The connection to the kernel broke while serving.
  case connectionLost(Errno)

  /// What happened, to what, and what to do.
  public var description: String {
    switch self {
    case .mountPointMissing(let path): "mount point \(path) does not exist: make the directory first"
    case .mountPointNotDirectory(let path): "mount point \(path) is not a directory"
    case .mountPointDead(let path):
      "mount point \(path) holds a FUSE mount whose process is gone: run fusermount3 -uz \(path)"
    case .mountPointBusy(let path): "mount point \(path) is busy"
    case .mountPointUnreachable(let path, let error): "mount point \(path) can't be used: \(error)"
    case .deviceMissing: "there is no /dev/fuse: load the fuse module (modprobe fuse), or give the container the device"
    case .notPermitted(let path, let reason):
      "not permitted to mount on \(path)" + (reason.isEmpty ? ": root or fusermount3 is needed" : ": \(reason)")
    case .optionRefused(let reason): "mount option refused: \(reason)"
    case .failed(let reason): "mount failed: \(reason)"
    case .connectionLost(let error): "the connection to the kernel broke: \(error)"
    }
  }
}
