import CFuse3

/// What is agreed with the kernel at INIT: the base recipe of fuse-limits.md.
enum Capabilities {
  /// Set by libfuse where the kernel has them, and wrong for files whose size is not the length of their content.
  private static let unwanted =
    FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO
    | FUSE_CAP_ASYNC_READ | FUSE_CAP_WRITEBACK_CACHE
  private static let wanted = FUSE_CAP_CACHE_SYMLINKS

  static func choose(_ connection: inout fuse_conn_info) {
    connection.want &= ~UInt32(bitPattern: unwanted)
    connection.want |= UInt32(bitPattern: wanted) & connection.capable
  }
}
