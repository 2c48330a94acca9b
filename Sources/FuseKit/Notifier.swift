import CFuse3

/// Tells the kernel that something changed without its doing. Of no effect once the mount is gone.
///
/// A notification waits for the kernel's locks on what it names. So never send one while holding a lock of your own
/// that a request handler takes, nor while a request on the same directory waits for its answer.
public struct Notifier: Sendable {
  private let link: SessionLink

  init(link: SessionLink) { self.link = link }

  /// The attributes of `node`, and its cached pages from `offset` on, are no longer right. `count` 0 means up to the
  /// end; a negative `offset` means the attributes only.
  public func invalidate(_ node: NodeID, offset: Int64 = 0, count: Int64 = 0) {
    _ = fuse_lowlevel_notify_inval_inode(link.session, node.rawValue, off_t(offset), off_t(count))
  }

  /// `name` in `parent` is no longer what it was: the kernel drops it, with everything below.
  public func invalidate(_ name: String, in parent: NodeID) {
    _ = fuse_lowlevel_notify_inval_entry(link.session, parent.rawValue, name, name.utf8.count)
  }

  /// `name` in `parent` is to be looked up anew; who stands in it stays there (`FUSE_EXPIRE_ONLY`).
  public func expire(_ name: String, in parent: NodeID) {
    _ = cfuse3_expire_entry(link.session, parent.rawValue, name, name.utf8.count)
  }

  /// Puts `bytes` at `offset` into the page cache of `node`; its size grows up to there if it was smaller.
  public func store(_ bytes: [UInt8], in node: NodeID, at offset: Int64) {
    var copy = bytes
    copy.withUnsafeMutableBytes { content in
      var vector = fuse_bufvec()
      vector.count = 1
      vector.buf.size = content.count
      vector.buf.mem = content.baseAddress
      vector.buf.fd = -1
      _ = fuse_lowlevel_notify_store(link.session, node.rawValue, off_t(offset), &vector, FUSE_BUF_NO_SPLICE)
    }
  }
}
