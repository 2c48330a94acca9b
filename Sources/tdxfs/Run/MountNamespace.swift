import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A mount namespace of this process's own: what is mounted in it is seen by this process and its children only, and is
/// gone when the last of them is, however they end.
enum MountNamespace {
  /// `CLONE_NEWNS` and `CLONE_NEWUSER` of <sched.h>, which Swift's Glibc module leaves out, as it does `unshare(2)`.
  private static let newMounts: Int32 = 0x0002_0000
  private static let newUsers: Int32 = 0x1000_0000

  /// Enters a new mount namespace; without CAP_SYS_ADMIN in a new user namespace too, in which the caller is root.
  ///
  /// Threads that exist already stay outside, so this comes before any is made.
  static func enter() throws(Failure) {
    let (uid, gid) = (geteuid(), getegid())
    do throws(Errno) {
      try unshare(newMounts)
    } catch .notPermitted {
      do throws(Errno) {
        try unshare(newUsers | newMounts)
        try mapToRoot(uid: uid, gid: gid)
      } catch {
        throw .refused("no private view: user namespaces are refused here (\(error)); run it as root")
      }
    } catch {
      throw .refused("no private view: unshare(CLONE_NEWNS) failed (\(error))")
    }
    do throws(Errno) {
      try mount(nil, at: "/", flags: MS_REC | MS_PRIVATE)
    } catch {
      throw .refused("no private view: the mounts cannot be made private (\(error))")
    }
  }

  /// Lays `source`, a file or a directory with all that is mounted below it, over `target`.
  static func bind(_ source: FilePath, over target: FilePath) throws(Errno) {
    try mount(source.string, at: target, flags: MS_BIND | MS_REC)
  }

  /// Mounts an empty directory over `target`.
  static func mountEmptyDirectory(over target: FilePath) throws(Errno) {
    try mount("tdxfs-run", at: target, type: "tmpfs", flags: MS_NOSUID | MS_NODEV, data: "mode=0755")
  }

  /// Takes the right to create names from an empty directory that has got its names; what is bound in it is not affected.
  static func makeReadOnly(_ target: FilePath) throws(Errno) {
    try mount(nil, at: target, flags: MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
  }

  /// Takes the topmost mount from `target`; what was bound from it stays where it is.
  static func unmount(_ target: FilePath) {
    umount2(target.string, Int32(truncatingIfNeeded: MNT_DETACH))
  }

  private static func mount(
    _ source: String?, at target: FilePath, type: String? = nil, flags: Int, data: String? = nil
  ) throws(Errno) {
    let result = Glibc.mount(source, target.string, type, UInt(bitPattern: flags), data)
    guard result == 0 else { throw Errno(rawValue: errno) }
  }

  private static func unshare(_ flags: Int32) throws(Errno) {
    typealias Unshare = @convention(c) (Int32) -> Int32
    guard let symbol = dlsym(nil, "unshare") else { throw .noFunction }
    guard unsafeBitCast(symbol, to: Unshare.self)(flags) == 0 else { throw Errno(rawValue: errno) }
  }

  /// user_namespaces(7): one id may be mapped without privilege, once setgroups(2) is given up.
  private static func mapToRoot(uid: uid_t, gid: gid_t) throws(Errno) {
    for (file, text) in [("setgroups", "deny"), ("uid_map", "0 \(uid) 1"), ("gid_map", "0 \(gid) 1")] {
      try SmallFile.write(text, to: FilePath("/proc/self").appending(file))
    }
  }
}
