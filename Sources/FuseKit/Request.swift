import CFuse3

/// One request of the kernel, which is answered exactly once: every `reply` consumes it. One that is dropped answers
/// EIO, for a caller whose request is never answered can't even be killed. It may be kept and answered later, on any
/// thread; a caller that shall be interruptible meanwhile is kept with ``park(onInterrupt:)``.
public struct Request<Operation: FuseOperation>: ~Copyable, Sendable {
  /// The node that is asked about; of calls with a name, the directory.
  public let node: NodeID
  /// The arguments.
  public let operation: Operation
  /// Who asks.
  public let credentials: Credentials
  let answer: Answer

  init(node: NodeID, operation: Operation, credentials: Credentials, answer: consuming Answer) {
    self.node = node
    self.operation = operation
    self.credentials = credentials
    self.answer = answer
  }
}

/// The obligation to answer one request, and the way to do it.
struct Answer: ~Copyable, @unchecked Sendable {
  let raw: fuse_req_t
  /// Retained: libfuse's session has to live as long as its requests.
  private let link: Unmanaged<SessionLink>
  private let errnoWhenDropped: Int32

  /// Who asks.
  var credentials: Credentials {
    guard let context = fuse_req_ctx(raw) else { return Credentials(uid: ~0, gid: ~0, pid: 0) }
    let ctx = context.pointee
    return Credentials(uid: ctx.uid, gid: ctx.gid, pid: ctx.pid, umask: ctx.umask)
  }

  init(raw: fuse_req_t, link: SessionLink, errnoWhenDropped: Int32) {
    self.raw = raw
    self.link = Unmanaged.passRetained(link)
    self.errnoWhenDropped = errnoWhenDropped
  }

  /// Answers by `body`, which calls one of `fuse_reply_*`. Their result is of no use: the only failures are a caller
  /// who is gone (ENOENT) and a mount that is gone.
  @inline(__always)
  consuming func give(_ body: (fuse_req_t) -> Int32) {
    let (raw, link) = (self.raw, self.link)
    discard self
    _ = body(raw)
    link.release()
  }

  deinit {
    _ = fuse_reply_err(raw, errnoWhenDropped)
    link.release()
  }
}
