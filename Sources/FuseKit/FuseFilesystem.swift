import SystemPackage

/// A filesystem that FUSE asks, one method a kind of request.
///
/// The methods are called one after the other on the serving thread and must not wait: a request that can't be answered
/// yet is parked and answered later, by any thread. They must not touch their own mount. Spans are only valid during
/// the call. A method that is not implemented answers as the kernel does for a filesystem without it; ENOSYS is never
/// answered, because the kernel remembers it for the whole mount.
///
/// Left to the kernel altogether: flush, locks, leases, access(2) (with `default_permissions`), fallocate(2),
/// copy_file_range(2), `O_TMPFILE`.
public protocol FuseFilesystem: AnyObject, Sendable {
  /// The kernel is connected; requests follow. The notifier may be used from now on.
  func start(_ notifier: Notifier)
  /// No request will come any more.
  func stop()

  /// Which node has this name? ENOENT says none, and is not cached.
  func lookup(_ request: consuming Request<Op.Lookup>)
  /// The kernel gives back `lookups` of the entries that it was given for `node`; at zero it doesn't know it any more.
  func forget(_ node: NodeID, lookups: UInt64)
  /// stat(2).
  func getattr(_ request: consuming Request<Op.Getattr>)
  /// chmod(2), chown(2), truncate(2), utimensat(2).
  func setattr(_ request: consuming Request<Op.Setattr>)
  /// readlink(2).
  func readlink(_ request: consuming Request<Op.Readlink>)

  /// open(2). ESTALE makes the kernel walk the path once more.
  func open(_ request: consuming Request<Op.Open>)
  /// read(2).
  func read(_ request: consuming Request<Op.Read>)
  /// write(2) of `bytes`.
  func write(_ request: consuming Request<Op.Write>, bytes: RawSpan)
  /// The last close(2).
  func release(_ request: consuming Request<Op.Release>)

  /// The same as ``getattr(_:)`` of a file whose attributes are there already; nil, and nothing done, leaves it to that one.
  func getattrAtOnce(_ node: NodeID, on handle: FileHandle?) -> (Attributes, Validity)?
  /// The same as ``open(_:)`` where no time passes until the file is open; nil, and nothing done, leaves it to that one.
  func openAtOnce(_ operation: Op.Open, of node: NodeID) throws(Errno) -> Opened?
  /// The same as ``read(_:)`` for what is there already and fits into `room`, which can be smaller than what is asked for:
  /// puts it there and gives the number of bytes. Nil, and nothing done, leaves it to that one.
  func readAtOnce(
    _ operation: Op.Read, by credentials: Credentials, into room: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int?
  /// The same as ``release(_:)`` for a file where it does not matter who closes it; false, and nothing done, leaves it to
  /// that one.
  func releaseAtOnce(_ handle: FileHandle) -> Bool

  /// poll(2). `handle` is there when the caller is going to sleep: keep it, and wake it when the events change.
  func poll(_ request: consuming Request<Op.Poll>, handle: consuming PollHandle?)
  /// lseek(2) with `SEEK_DATA` or `SEEK_HOLE`.
  func lseek(_ request: consuming Request<Op.Lseek>)
  /// ioctl(2) with what the command's encoding says the caller passes in.
  func ioctl(_ request: consuming Request<Op.Ioctl>, input: RawSpan)
  /// fsync(2).
  func fsync(_ request: consuming Request<Op.Fsync>)

  /// open(2) of a directory.
  func opendir(_ request: consuming Request<Op.Opendir>)
  /// getdents(2).
  func readdir(_ request: consuming Request<Op.Readdir>)
  /// The last close(2) of a directory.
  func releasedir(_ request: consuming Request<Op.Releasedir>)
  /// fsync(2) of a directory.
  func fsyncdir(_ request: consuming Request<Op.Fsyncdir>)

  /// mknod(2).
  func mknod(_ request: consuming Request<Op.Mknod>)
  /// mkdir(2).
  func mkdir(_ request: consuming Request<Op.Mkdir>)
  /// unlink(2).
  func unlink(_ request: consuming Request<Op.Unlink>)
  /// rmdir(2).
  func rmdir(_ request: consuming Request<Op.Rmdir>)
  /// symlink(2).
  func symlink(_ request: consuming Request<Op.Symlink>)
  /// rename(2).
  func rename(_ request: consuming Request<Op.Rename>)
  /// link(2).
  func link(_ request: consuming Request<Op.Link>)
  /// open(2) with `O_CREAT` of a name that does not exist.
  func create(_ request: consuming Request<Op.Create>)

  /// statfs(2).
  func statfs(_ request: consuming Request<Op.Statfs>)
  /// setxattr(2) of `value`.
  func setxattr(_ request: consuming Request<Op.Setxattr>, value: RawSpan)
  /// getxattr(2).
  func getxattr(_ request: consuming Request<Op.Getxattr>)
  /// listxattr(2).
  func listxattr(_ request: consuming Request<Op.Listxattr>)
  /// removexattr(2).
  func removexattr(_ request: consuming Request<Op.Removexattr>)
}
