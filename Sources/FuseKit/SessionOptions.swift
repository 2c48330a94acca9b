/// How a filesystem is mounted and what is agreed with the kernel.
public struct SessionOptions: Sendable {
  /// The source in /proc/mounts (`fsname`).
  public var source: String
  /// The part behind `fuse.` of the type in /proc/mounts (`subtype`).
  public var subtype: String
  /// All users may enter, not only the one who mounts (`allow_other`).
  public var allowsOthers = true
  /// The kernel checks permissions by mode, uid and gid (`default_permissions`).
  public var checksPermissions = true
  /// Options of mount(8) such as `ro`, `noexec` or `nosuid`, one a string. libfuse adds `nosuid` and `nodev` unless
  /// told `suid` and `dev`.
  public var mountOptions = ["suid", "dev"]
  /// The most bytes of one write request (`max_write`), 4097…1048576. A write(2) of more comes in several requests, but
  /// only as long as each was answered in full: a file that takes 4096 bytes a call gets one request a call with any
  /// value above 4096, and the smaller it is, the less is copied for nothing. The number of pages a request may touch,
  /// which joins the segments of writev(2), is always the largest there is.
  public var maximumWrite = 8192

  /// The base recipe of fuse-limits.md, for `source` of type `fuse.subtype`.
  public init(source: String, subtype: String) {
    self.source = source
    self.subtype = subtype
  }

  /// The command line that libfuse parses: each option on its own, so that one with a comma stays one.
  var arguments: [String] {
    var options = ["fsname=\(source)", "subtype=\(subtype)"]
    if allowsOthers { options.append("allow_other") }
    if checksPermissions { options.append("default_permissions") }
    options += mountOptions
    return [subtype] + options.flatMap { ["-o", Self.escape($0)] }
  }

  private static func escape(_ option: String) -> String {
    String(option.flatMap { $0 == "," || $0 == "\\" ? ["\\", $0] : [$0] })
  }
}
