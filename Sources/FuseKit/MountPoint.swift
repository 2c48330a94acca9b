import Glibc
import SystemPackage

/// The directory that is mounted on: what can be wrong with it before mount(2), and what was wrong after it.
enum MountPoint {
  /// The absolute path without symbolic links.
  static func resolve(_ path: String) throws(SessionError) -> String {
    guard let resolved = realpath(path, nil) else { throw unreachable(path, errno) }
    defer { free(resolved) }
    let absolute = String(cString: resolved)
    var status = stat()
    guard stat(absolute, &status) == 0 else { throw unreachable(path, errno) }
    guard FileType(mode: status.st_mode) == .directory else { throw .mountPointNotDirectory(path) }
    return absolute
  }

  private static func unreachable(_ path: String, _ code: Int32) -> SessionError {
    switch code {
    case ENOENT: .mountPointMissing(path)
    case ENOTDIR: .mountPointNotDirectory(path)
    case ENOTCONN: .mountPointDead(path)
    default: .mountPointUnreachable(path, Errno(rawValue: code))
    }
  }

  /// The error for a failed mount, out of what libfuse said. It says errnos in words only.
  static func explain(_ path: String, _ reason: String) -> SessionError {
    func says(_ code: Int32) -> Bool { reason.contains(String(cString: strerror(code))) }
    if reason.contains("device not found") || says(ENODEV) || says(ENXIO) || access("/dev/fuse", F_OK) != 0 {
      return .deviceMissing
    }
    if says(EPERM) || says(EACCES) || reason.contains("user_allow_other") || reason.contains("no write access") {
      return .notPermitted(path, reason: reason)
    }
    if says(EBUSY) { return .mountPointBusy(path) }
    if says(EINVAL) { return .optionRefused(reason: reason) }
    return .failed(reason: reason.isEmpty ? "libfuse gave no reason" : reason)
  }
}
