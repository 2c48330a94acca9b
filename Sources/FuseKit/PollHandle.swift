import CFuse3

/// Who sleeps in poll(2) on an open file (`struct fuse_pollhandle`). Keep the newest one of a file and drop the others.
public struct PollHandle: ~Copyable, @unchecked Sendable {
  private let raw: OpaquePointer
  private let link: SessionLink

  init(raw: OpaquePointer, link: SessionLink) {
    self.raw = raw
    self.link = link
  }

  deinit { fuse_pollhandle_destroy(raw) }

  /// Wakes the sleeper, for whom the kernel then polls again. One wake is enough for a handle; more do no harm.
  public func wake() { _ = fuse_lowlevel_notify_poll(raw) }
}
