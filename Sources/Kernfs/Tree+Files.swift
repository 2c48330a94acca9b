import SystemPackage

/// The most that one read or write call moves on sysfs (`PAGE_SIZE`).
let pageSize = 4096

/// Requests on open files, but for writing.
extension Tree {
  /// open(2) of a file (`kernfs_fop_open`).
  ///
  /// sysfs asks even of root that the mode bits, as they are now, name the direction for somebody. The ordinary check
  /// of the mode bits is the VFS's.
  /// - Throws: EACCES; EINVAL with O_DIRECT; ESTALE when the node was removed; EISDIR, ELOOP; what a snapshot file
  ///   throws.
  public func open(_ id: NodeID, flags: OpenFlags, by caller: Caller) throws(Errno) -> OpenedFile {
    let watch = beginWatch()
    do throws(Errno) {
      let file = try openUnwatched(id, flags: flags)
      end(watch, .open, file.id, asked: Int(flags.rawValue), by: caller, .success(0))
      return file
    } catch {
      if let watch, let node = state.withLock({ $0.nodes[id] }) {
        end(watch, .open, node, asked: Int(flags.rawValue), by: caller, .failure(error))
      }
      throw error
    }
  }

  private func openUnwatched(_ id: NodeID, flags: OpenFlags) throws(Errno) -> OpenedFile {
    let node = try state.withLock { state throws(Errno) -> Node in
      guard let node = state.nodes[id], !node.isDead else { throw .staleNFSFileHandle }
      switch node.content {
      case .directory, .dynamicDirectory: throw .isDirectory
      case .symlink: throw .tooManySymbolicLinkLevels
      case .text, .binary, .snapshot: break
      }
      // FS_IOC_GETFLAGS and its like: the kernel opens the file by itself, for an ioctl only (fuse-limits row 42).
      let isForIoctl = flags.rawValue == 0
      if flags.allowsWriting, node.permissions & 0o222 == 0 { throw .permissionDenied }
      if flags.allowsReading, node.permissions & 0o444 == 0, !isForIoctl { throw .permissionDenied }
      guard !flags.contains(.direct) else { throw .invalidArgument }
      return node
    }
    var content: [UInt8] = []
    var readableLength: Int64 = 0
    if flags.allowsReading {
      switch node.content {
      case .snapshot(let file):
        content = try file.content()
        readableLength = Int64(content.count)
      case .binary(let attribute):
        readableLength = attribute.readableLength
      case .text:
        readableLength = state.withLock { _ in node.takeCutSize() }
      case .directory, .dynamicDirectory, .symlink:
        break
      }
    }
    return try state.withLock { state throws(Errno) in
      guard !node.isDead else { throw .staleNFSFileHandle }
      let file = state.openFiles.insert { OpenFile(id: $0, node: node, flags: flags, content: content) }
      node.openFiles.insert(file.id)
      return OpenedFile(id: file.id, readableLength: readableLength)
    }
  }

  /// Whether opening the node makes its content first, which may take long.
  public func makesContentAtOpen(_ id: NodeID) -> Bool {
    state.withLock { state in
      if case .snapshot? = state.nodes[id]?.content { true } else { false }
    }
  }

  /// Where a request on the node waits that got ERESTARTSYS; nil when none ever does.
  public func queue(of id: NodeID) -> WaitQueue? {
    let content = state.withLock { $0.nodes[id]?.content }
    switch content {
    case .snapshot(let file): return file.queue
    case .dynamicDirectory(let directory): return directory.queue
    case .directory, .symlink, .text, .binary, nil: return nil
    }
  }

  /// The last descriptor of an open file was closed.
  public func release(_ id: OpenFileID, by caller: Caller) {
    end(beginWatch(), .close, id, by: caller, .success(0))
    let file = state.withLock { state -> OpenFile? in
      guard let file = state.openFiles.remove(id) else { return nil }
      file.node.openFiles.remove(id)
      state.dropIfUnused(file.node)
      return file
    }
    if let file, case .snapshot(let snapshot) = file.node.content {
      snapshot.released(by: caller.on(id))
    }
  }

  /// The bytes of one read(2) or pread(2), as an array.
  public func bytes(
    _ id: OpenFileID, at offset: Int64, count: Int, fromPageCache: Bool = false, by caller: Caller
  ) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    try read(id, at: offset, count: count, fromPageCache: fromPageCache, by: caller) { bytes = Array($0) }
    return bytes
  }

  /// read(2) and pread(2): `body` gets the bytes, fewer than `count` where sysfs gives fewer; none at the end.
  ///
  /// `fromPageCache` marks reads that the kernel makes for itself (sendfile, readahead, private mmap; lock_owner 0):
  /// they get the value as it is and leave the open file's text and poll state alone, and are not cut at a page.
  /// - Throws: EBADF; ENODEV when the device is gone and nothing is buffered; what the attribute throws.
  public func read(
    _ id: OpenFileID, at offset: Int64, count: Int, fromPageCache: Bool = false, by caller: Caller,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(Errno) {
    let watch = beginWatch()
    do throws(Errno) {
      try readUnwatched(id, at: offset, count: count, fromPageCache: fromPageCache, by: caller) { bytes in
        end(watch, .read, id, at: offset, asked: count, by: caller, .success(bytes.count), head: bytes)
        body(bytes)
      }
    } catch {
      end(watch, .read, id, at: offset, asked: count, by: caller, .failure(error))
      throw error
    }
  }

  private func readUnwatched(
    _ id: OpenFileID, at offset: Int64, count: Int, fromPageCache: Bool, by caller: Caller,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(Errno) {
    let (file, isActive, event) = try openFile(id)
    guard file.flags.allowsReading else { throw .badFileDescriptor }
    guard offset >= 0, count >= 0 else { throw .invalidArgument }
    switch file.node.content {
    case .text(let attribute):
      if fromPageCache {
        state.withLock { _ in file.node.isSizeCut = true }
        try readValue(of: attribute, at: offset, count: count, isActive: isActive, body)
        return
      }
      file.lock.lock()
      defer { file.lock.unlock() }
      let range = try file.sequence.read(at: offset, count: count, isActive: isActive) { text throws(Errno) in
        file.event = event
        try attribute.show(&text)
      }
      file.sequence.text.bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }

    case .binary(let attribute):
      guard isActive else { throw .operationNotSupportedByDevice }
      if fromPageCache {
        try readPages(of: attribute, at: offset, count: count, by: caller.on(id)).withUnsafeBytes(body)
        return
      }
      file.lock.lock()
      defer { file.lock.unlock() }
      file.event = event
      guard count > 0 else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
      let wanted = min(count, pageSize)
      let bytes = try attribute.read(at: offset, count: wanted, by: caller.on(id))
      bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0.prefix(wanted))) }

    case .snapshot(let snapshot):
      guard isActive else { throw .operationNotSupportedByDevice }
      let start = min(Int(clamping: offset), file.content.count)
      var end = start + min(count, file.content.count - start)
      if snapshot.isReadByLine, let newline = file.content[start..<end].firstIndex(of: UInt8(ascii: "\n")) {
        end = newline + 1
      }
      file.content.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start..<end])) }

    case .directory, .dynamicDirectory, .symlink:
      throw .isDirectory
    }
  }

  private func readValue(
    of attribute: any TextAttribute, at offset: Int64, count: Int, isActive: Bool,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(Errno) {
    var sequence = SequentialText()
    let range = try sequence.read(at: offset, count: count, isActive: isActive) { text throws(Errno) in
      try attribute.show(&text)
    }
    sequence.text.bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
  }

  /// A short answer would end the file in the page cache, so this goes on to the end of what was asked.
  private func readPages(
    of attribute: any BinaryAttribute, at offset: Int64, count: Int, by caller: Caller
  ) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let (position, overflow) = offset.addingReportingOverflow(Int64(bytes.count))
      if overflow { break }
      let wanted = min(count - bytes.count, pageSize)
      let part = try attribute.read(at: position, count: wanted, by: caller)
      bytes.append(contentsOf: part.prefix(wanted))
      if part.count < wanted { break }
    }
    return bytes
  }

  /// poll(2), select(2), epoll (`kernfs_fop_poll`). ``TreeChange/pollable(_:)`` tells when to ask again.
  /// - Throws: EBADF.
  public func poll(_ id: OpenFileID) throws(Errno) -> PollEvents {
    let (file, isActive, event) = try openFile(id)
    guard isActive else { return [.always, .changed] }
    if case .snapshot = file.node.content { return .always }
    return file.lock.withLock { file.event == event } ? .always : [.always, .changed]
  }

  /// What lseek(2) is asked for that the kernel does not answer itself.
  public enum SeekTarget: Hashable, Sendable {
    /// `SEEK_DATA`.
    case data
    /// `SEEK_HOLE`.
    case hole
  }

  /// lseek(2) with SEEK_DATA or SEEK_HOLE: all of the file's size is data (`generic_file_llseek`).
  /// - Throws: ENXIO at or behind the end, ENODEV when the device is gone, EBADF.
  public func seek(_ id: OpenFileID, from offset: Int64, to target: SeekTarget) throws(Errno) -> Int64 {
    let (file, isActive, _) = try openFile(id)
    guard isActive else { throw .operationNotSupportedByDevice }
    guard offset >= 0, offset < file.node.size else { throw .noSuchAddressOrDevice }
    switch target {
    case .data: return offset
    case .hole: return file.node.size
    }
  }

  /// ioctl(2): ENOTTY.
  public func control(_ id: OpenFileID) throws(Errno) { throw .inappropriateIOCTLForDevice }

  /// fsync(2): nothing to do.
  public func synchronize(_ id: OpenFileID) {}

  /// The open file, whether its node is alive, and the node's event number.
  func openFile(_ id: OpenFileID) throws(Errno) -> (file: OpenFile, isActive: Bool, event: UInt64) {
    try state.withLock { state throws(Errno) in
      guard let file = state.openFiles[id] else { throw .badFileDescriptor }
      return (file, !file.node.isDead, file.node.event)
    }
  }
}

extension Caller {
  func on(_ file: OpenFileID) -> Caller {
    var caller = self
    caller.openFile = file.rawValue
    return caller
  }
}
