import SystemPackage

/// Open files of attributes, while nobody watches: what is asked most, without what only other files need. Each does the
/// same as the request of its name, or nothing.
extension Tree {
  /// open(2). Nil, and nothing done, where ``openAtOnce(_:flags:by:)`` is needed.
  /// - Throws: as that one.
  public func openAttribute(_ id: NodeID, flags: OpenFlags) throws(Errno) -> OpenFileID? {
    guard !isWatched.load(ordering: .acquiring) else { return nil }
    let (file, binary) = try state.withLock { state throws(Errno) -> (OpenFileID?, (any BinaryAttribute)?) in
      guard let node = state.nodes[id], !node.isDead, !node.isSizeCut else { return (nil, nil) }
      if let text = node.text {
        try node.checkOpen(flags)
        return (state.open(node, text, flags: flags), nil)
      }
      guard case .binary(let attribute) = node.content else { return (nil, nil) }
      return (nil, attribute)
    }
    // The attribute is asked without the tree's lock. What it has to read needs the kernel told.
    guard let binary, !flags.allowsReading || binary.readableLength == 0 else { return file }
    return try state.withLock { state throws(Errno) in
      guard let node = state.nodes[id], !node.isDead else { return nil }
      try node.checkOpen(flags)
      return state.open(node, flags: flags)
    }
  }

  /// read(2) and pread(2) by a process, of as many bytes as `room` has. Nil, and nothing done, where
  /// ``read(_:at:count:fromPageCache:by:)`` is needed.
  /// - Throws: as that one.
  public func readAttribute(
    _ id: OpenFileID, at offset: Int64, by caller: Caller, into room: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int? {
    guard !isWatched.load(ordering: .acquiring) else { return nil }
    let (file, isActive, event) = try openFile(id)
    if let text = file.text {
      guard file.flags.allowsReading else { throw .badFileDescriptor }
      file.lock.lock()
      defer { file.lock.unlock() }
      let range = try file.show(text, at: offset, count: room.count, isActive: isActive, event: event)
      file.sequence.text.bytes.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[range])) }
      return range.count
    }
    guard case .binary = file.node.content else { return nil }
    let bytes = try readUnwatched(id, at: offset, count: room.count, fromPageCache: false, by: caller)
    room.copyBytes(from: bytes)
    return bytes.count
  }

  /// The last descriptor was closed. False, and nothing done, where ``release(_:by:)`` is needed.
  public func releaseAttribute(_ id: OpenFileID) -> Bool {
    guard !isWatched.load(ordering: .acquiring) else { return false }
    return state.withLock { state in
      // Nothing holds the file while it is closed: its storage is for the next one.
      guard state.openFiles[id]?.isAttribute == true, let node = state.close(id) else { return false }
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
  fileprivate var isAttribute: Bool {
    if text != nil { return true }
    if case .binary = node.content { return true }
    return false
  }

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
