import SystemPackage

/// What the kernel's VFS answers where a filesystem has no such method.
extension FuseFilesystem {
  /// Nothing to do.
  public func start(_ notifier: Notifier) {}
  /// Nothing to do.
  public func stop() {}
  /// Nothing to do.
  public func forget(_ node: NodeID, lookups: UInt64) {}
  /// ENOENT.
  public func lookup(_ request: consuming Request<Op.Lookup>) { request.reply(error: .noSuchFileOrDirectory) }
  /// ESTALE.
  public func getattr(_ request: consuming Request<Op.Getattr>) { request.reply(error: .staleNFSFileHandle) }
  /// EPERM.
  public func setattr(_ request: consuming Request<Op.Setattr>) { request.reply(error: .notPermitted) }
  /// EINVAL: not a symbolic link.
  public func readlink(_ request: consuming Request<Op.Readlink>) { request.reply(error: .invalidArgument) }
  /// EINVAL.
  public func read(_ request: consuming Request<Op.Read>) { request.reply(error: .invalidArgument) }
  /// Left to ``getattr(_:)``.
  public func getattrAtOnce(_ node: NodeID, on handle: FileHandle?) -> (Attributes, Validity)? { nil }
  /// Left to ``open(_:)``.
  public func openAtOnce(_ operation: Op.Open, of node: NodeID) throws(Errno) -> Opened? { nil }
  /// Left to ``read(_:)``.
  public func readAtOnce(
    _ operation: Op.Read, by credentials: Credentials, into room: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int? { nil }
  /// Left to ``release(_:)``.
  public func releaseAtOnce(_ handle: FileHandle) -> Bool { false }
  /// EINVAL.
  public func lseek(_ request: consuming Request<Op.Lseek>) { request.reply(error: .invalidArgument) }
  /// ENOTDIR.
  public func readdir(_ request: consuming Request<Op.Readdir>) { request.reply(error: .notDirectory) }
  /// EINVAL.
  public func fsyncdir(_ request: consuming Request<Op.Fsyncdir>) { request.reply(error: .invalidArgument) }
  /// EPERM.
  public func mknod(_ request: consuming Request<Op.Mknod>) { request.reply(error: .notPermitted) }
  /// EPERM.
  public func mkdir(_ request: consuming Request<Op.Mkdir>) { request.reply(error: .notPermitted) }
  /// EPERM.
  public func unlink(_ request: consuming Request<Op.Unlink>) { request.reply(error: .notPermitted) }
  /// EPERM.
  public func rmdir(_ request: consuming Request<Op.Rmdir>) { request.reply(error: .notPermitted) }
  /// EPERM.
  public func symlink(_ request: consuming Request<Op.Symlink>) { request.reply(error: .notPermitted) }
  /// EPERM.
  public func rename(_ request: consuming Request<Op.Rename>) { request.reply(error: .notPermitted) }
  /// EPERM.
  public func link(_ request: consuming Request<Op.Link>) { request.reply(error: .notPermitted) }
  /// EACCES.
  public func create(_ request: consuming Request<Op.Create>) { request.reply(error: .permissionDenied) }
  /// EOPNOTSUPP.
  public func getxattr(_ request: consuming Request<Op.Getxattr>) { request.reply(error: .notSupportedOnSocket) }
  /// EOPNOTSUPP.
  public func removexattr(_ request: consuming Request<Op.Removexattr>) { request.reply(error: .notSupportedOnSocket) }
  /// EINVAL.
  public func write(_ request: consuming Request<Op.Write>, bytes: RawSpan) { request.reply(error: .invalidArgument) }
  /// EOPNOTSUPP.
  public func setxattr(_ request: consuming Request<Op.Setxattr>, value: RawSpan) {
    request.reply(error: .notSupportedOnSocket)
  }
  /// No extended attributes.
  public func listxattr(_ request: consuming Request<Op.Listxattr>) { request.reply(value: []) }
  /// Opened, without a handle of its own.
  public func open(_ request: consuming Request<Op.Open>) {
    request.reply(opened: Opened(handle: FileHandle(rawValue: 0)))
  }
  /// Opened, without a handle of its own.
  public func opendir(_ request: consuming Request<Op.Opendir>) {
    request.reply(opened: Opened(handle: FileHandle(rawValue: 0)))
  }
  /// Done.
  public func release(_ request: consuming Request<Op.Release>) { request.replyDone() }
  /// Done.
  public func releasedir(_ request: consuming Request<Op.Releasedir>) { request.replyDone() }
  /// Done.
  public func fsync(_ request: consuming Request<Op.Fsync>) { request.replyDone() }
  /// Always ready (`DEFAULT_POLLMASK`).
  public func poll(_ request: consuming Request<Op.Poll>, handle: consuming PollHandle?) {
    request.reply(events: .always)
  }
  /// ENOTTY.
  public func ioctl(_ request: consuming Request<Op.Ioctl>, input: RawSpan) {
    request.reply(error: Errno(rawValue: 25))
  }
  /// An empty filesystem.
  public func statfs(_ request: consuming Request<Op.Statfs>) { request.reply(FilesystemStatistics()) }
}
