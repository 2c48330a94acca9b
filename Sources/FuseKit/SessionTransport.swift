import CFuse3
import Glibc

/// How libfuse reads requests and writes answers: through the session's own descriptors.
enum SessionTransport {
  static func make() -> fuse_custom_io {
    var transport = fuse_custom_io()
    transport.read = { _, buffer, size, link in
      guard let link else { return -1 }
      return SessionLink.with(link) { $0.read(buffer, size) }
    }
    transport.writev = { _, vector, count, link in
      guard let link else { return -1 }
      let written = SessionLink.with(link) { $0.answer(vector, count) }
      // The mount is gone. libfuse prints every errno but ENOENT.
      if written < 0, errno == ENODEV { errno = ENOENT }
      return written
    }
    return transport
  }

  /// Answers up to this size are joined.
  private static let smallAnswer = 512

  /// Writes an answer. A small one in one piece, because the kernel takes longer to look at a second segment's page than
  /// copying takes.
  @inline(__always)
  static func send(_ segments: UnsafeBufferPointer<iovec>, to descriptor: Int32) -> Int {
    let size = segments.reduce(0) { $0 &+ $1.iov_len }
    guard segments.count > 1, size <= smallAnswer else {
      return cfuse3_writev(descriptor, segments.baseAddress, Int32(segments.count))
    }
    return withUnsafeTemporaryAllocation(byteCount: smallAnswer, alignment: 8) { joined in
      var used = 0
      for segment in segments {
        guard let start = segment.iov_base else { continue }
        joined.baseAddress?.advanced(by: used).copyMemory(from: start, byteCount: segment.iov_len)
        used += segment.iov_len
      }
      return cfuse3_write(descriptor, joined.baseAddress, used)
    }
  }

  /// Lowers `max_write` in the answer to INIT, which is the first message of a session. libfuse derives `max_pages`
  /// from `max_write` and has no other way to set it; only so can writes be short and still be joined from 256
  /// segments. Gives whether this was the answer.
  static func limitWrites(_ vector: UnsafeMutablePointer<iovec>?, _ count: Int32, to limit: UInt32) -> Bool {
    guard count == 2, let body = vector?[1], body.iov_len >= MemoryLayout<cfuse3_init_out>.size else { return false }
    guard let answer = body.iov_base?.assumingMemoryBound(to: cfuse3_init_out.self) else { return false }
    answer.pointee.max_write = min(answer.pointee.max_write, limit)
    return true
  }
}
