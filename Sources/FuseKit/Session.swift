import Glibc

/// A mounted filesystem. ``serve(stoppingOnSignals:)`` uses it up; dropped before, it is unmounted.
public struct Session: ~Copyable, Sendable {
  private let link: SessionLink

  /// Mounts `filesystem` at the directory `path`. From then on callers reach it, and wait until it is served.
  public init(
    mounting filesystem: any FuseFilesystem, at path: String, options: SessionOptions
  ) throws(SessionError) {
    let absolute = try MountPoint.resolve(path)
    let link = try SessionLink(filesystem: filesystem, options: options)
    try link.mount(at: absolute)
    self.link = link
  }

  /// Serves `filesystem` to whoever holds the other end of `descriptor`, and speaks there as the kernel does behind
  /// /dev/fuse: a message a read or write, INIT first. For tests, which so need no mount. The session owns `descriptor`.
  package init(
    serving filesystem: any FuseFilesystem, over descriptor: Int32, options: SessionOptions
  ) throws(SessionError) {
    let link = try SessionLink(filesystem: filesystem, options: options)
    try link.connect(over: descriptor)
    self.link = link
  }

  /// What other threads may do with the session.
  public var control: SessionControl { SessionControl(link: link) }

  /// Serves requests on this thread until the filesystem is unmounted from outside, ``SessionControl/stop()`` is called
  /// or, if asked for, SIGTERM, SIGINT or SIGHUP arrives (SIGPIPE is then ignored; one session of a process at a time).
  /// Then it is unmounted and `stop()` of the filesystem is called.
  public consuming func serve(stoppingOnSignals: Bool = false) throws(SessionError) {
    let link = self.link
    let signals = stoppingOnSignals ? StopSignals(link) : nil
    try link.serve()
    _ = consume signals
  }

  /// From here on SIGTERM, SIGINT and SIGHUP wait until ``serve(stoppingOnSignals:)`` takes them, and again once it has
  /// ended: else one that comes between mount(2) and then would leave a mount that nobody serves, and one that comes last would
  /// cut short what is still to be done. To be called before any thread is made.
  public static func holdStopSignals() { StopSignals.hold() }

  deinit { link.end() }
}

/// Ends a session from another thread.
public struct SessionControl: Sendable {
  private let link: SessionLink

  init(link: SessionLink) { self.link = link }

  /// Ends ``Session/serve(stoppingOnSignals:)``, which then unmounts; also when it has not begun yet. May be called
  /// again, and by a request handler.
  public func stop() { link.stop() }
}
