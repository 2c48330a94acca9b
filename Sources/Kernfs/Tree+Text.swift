import SystemPackage

/// Open files of text attributes, while nobody watches: what is asked most, without what only other files need. Each does
/// the same as the request of its name, or nothing.
extension Tree {
  /// open(2). Nil, and nothing done, where ``openAtOnce(_:flags:by:)`` is needed.
  /// - Throws: as that one.
  public func openText(_ id: NodeID, flags: OpenFlags) throws(Errno) -> OpenFileID? {
    guard !isWatched.load(ordering: .acquiring) else { return nil }
    return try state.withLock { state throws(Errno) in
      guard let node = state.nodes[id], let text = node.text, !node.isDead, !node.isSizeCut else { return nil }
      try node.checkOpen(flags)
      return state.open(node, text, flags: flags)
    }
  }

  /// read(2) and pread(2) by a process, of as many bytes as `room` has. Nil, and nothing done, where
  /// ``read(_:at:count:fromPageCache:by:)`` is needed.
  /// - Throws: as that one.
  public func readText(
    _ id: OpenFileID, at offset: Int64, into room: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int? {
    guard !isWatched.load(ordering: .acquiring) else { return nil }
    let (file, isActive, event) = try openFile(id)
    guard let text = file.text else { return nil }
    guard file.flags.allowsReading else { throw .badFileDescriptor }
    file.lock.lock()
    defer { file.lock.unlock() }
    let range = try file.show(text, at: offset, count: room.count, isActive: isActive, event: event)
    file.sequence.text.bytes.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[range])) }
    return range.count
  }

  /// The last descriptor was closed. False, and nothing done, where ``release(_:by:)`` is needed.
  public func releaseText(_ id: OpenFileID) -> Bool {
    guard !isWatched.load(ordering: .acquiring) else { return false }
    return state.withLock { state in
      guard state.openFiles[id]?.text != nil, let node = state.close(id) else { return false }
      state.dropIfUnused(node)
      return true
    }
  }
}

extension Node {
  /// Whether sysfs lets the file be opened: even of root it asks that the mode bits, as they are now, name the direction for
  /// somebody. The ordinary check of the mode bits is the VFS's.
  func checkOpen(_ flags: OpenFlags) throws(Errno) {
    // FS_IOC_GETFLAGS and its like: the kernel opens the file by itself, for an ioctl only (fuse-limits row 42).
    let isForIoctl = flags.rawValue == 0
    if flags.allowsWriting, permissions & 0o222 == 0 { throw .permissionDenied }
    if flags.allowsReading, permissions & 0o444 == 0, !isForIoctl { throw .permissionDenied }
    guard !flags.contains(.direct) else { throw .invalidArgument }
  }
}

extension OpenFile {
  /// Which part of the text a read gives. ``lock`` is held.
  @inline(__always)
  func show(
    _ source: TextSource, at offset: Int64, count: Int, isActive: Bool, event: UInt64
  ) throws(Errno) -> Range<Int> {
    try sequence.read(at: offset, count: count, isActive: isActive) { shown throws(Errno) in
      self.event = event
      try source.show(&shown)
    }
  }
}
