import SystemPackage

/// The most that one read or write call moves on sysfs (`PAGE_SIZE`).
let pageSize = 4096

/// Requests on open files, but for writing.
extension Tree {
  /// open(2) of a file (`kernfs_fop_open`).
  ///
  /// - Throws: EACCES; EINVAL with O_DIRECT; ESTALE when the node was removed; EISDIR, ELOOP; what a snapshot file
  ///   throws.
  public func open(_ id: NodeID, flags: OpenFlags, by caller: Caller) throws(Errno) -> OpenedFile {
    if let file = try openAtOnce(id, flags: flags, by: caller) { return file }
    guard let node = state.withLock({ $0.nodes[id] }), case .snapshot(let snapshot) = node.content else {
      throw .staleNFSFileHandle
    }
    let watch = beginWatch()
    let content = try snapshot.content()
    let file = try state.withLock { state throws(Errno) in
      guard !node.isDead else { throw .staleNFSFileHandle }
      return OpenedFile(
        id: state.open(node, flags: flags, content: content), readableLength: Int64(content.count))
    }
    end(watch, .open, file.id, asked: Int(flags.rawValue), by: caller, .success(0))
    return file
  }

  /// The same; nil, and nothing done, where the content of the file has to be made first, which may take long.
  public func openAtOnce(_ id: NodeID, flags: OpenFlags, by caller: Caller) throws(Errno) -> OpenedFile? {
    let watch = beginWatch()
    do throws(Errno) {
      let file = try openUnwatched(id, flags: flags)
      if let file { end(watch, .open, file.id, asked: Int(flags.rawValue), by: caller, .success(0)) }
      return file
    } catch {
      if let watch, let node = state.withLock({ $0.nodes[id] }) {
        end(watch, .open, node, asked: Int(flags.rawValue), by: caller, .failure(error))
      }
      throw error
    }
  }

  private func openUnwatched(_ id: NodeID, flags: OpenFlags) throws(Errno) -> OpenedFile? {
    let (file, attribute) = try state.withLock { state throws(Errno) -> (OpenedFile?, (any BinaryAttribute)?) in
      guard let node = state.nodes[id], !node.isDead else { throw .staleNFSFileHandle }
      switch node.kind {
      case .directory: throw .isDirectory
      case .symlink: throw .tooManySymbolicLinkLevels
      case .regular: break
      }
      try node.checkOpen(flags)
      if let text = node.text {
        let length = flags.allowsReading ? node.takeCutSize() : 0
        return (OpenedFile(id: state.open(node, text, flags: flags), readableLength: length), nil)
      }
      if flags.allowsReading, case .snapshot = node.content { return (nil, nil) }
      let file = OpenedFile(id: state.open(node, flags: flags), readableLength: 0)
      guard flags.allowsReading, case .binary(let attribute) = node.content else { return (file, nil) }
      return (file, attribute)
    }
    guard let file, let attribute else { return file }
    // The attribute is asked without the tree's lock.
    return OpenedFile(id: file.id, readableLength: attribute.readableLength)
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
    let snapshot = state.withLock { state -> (any SnapshotFile)? in
      guard let node = state.close(id) else { return nil }
      state.dropIfUnused(node)
      guard node.text == nil, case .snapshot(let snapshot) = node.content else { return nil }
      return snapshot
    }
    snapshot?.released(by: caller.on(id))
  }

  /// The bytes of one read(2) or pread(2), as an array of their own.
  public func bytes(
    _ id: OpenFileID, at offset: Int64, count: Int, fromPageCache: Bool = false, by caller: Caller
  ) throws(Errno) -> [UInt8] {
    Array(try read(id, at: offset, count: count, fromPageCache: fromPageCache, by: caller))
  }

  /// read(2) and pread(2): the bytes, fewer than `count` where sysfs gives fewer; none at the end. Whoever gets them
  /// should let go of them soon, for the next read uses their memory again.
  ///
  /// `fromPageCache` marks reads that the kernel makes for itself (sendfile, readahead, private mmap; lock_owner 0):
  /// they get the value as it is and leave the open file's text and poll state alone, and are not cut at a page.
  /// - Throws: EBADF; ENODEV when the device is gone and nothing is buffered; what the attribute throws.
  public func read(
    _ id: OpenFileID, at offset: Int64, count: Int, fromPageCache: Bool = false, by caller: Caller
  ) throws(Errno) -> ArraySlice<UInt8> {
    guard let watch = beginWatch() else {
      return try readUnwatched(id, at: offset, count: count, fromPageCache: fromPageCache, by: caller)
    }
    do throws(Errno) {
      let bytes = try readUnwatched(id, at: offset, count: count, fromPageCache: fromPageCache, by: caller)
      bytes.withUnsafeBytes {
        end(watch, .read, id, at: offset, asked: count, by: caller, .success($0.count), head: $0)
      }
      return bytes
    } catch {
      end(watch, .read, id, at: offset, asked: count, by: caller, .failure(error))
      throw error
    }
  }

  func readUnwatched(
    _ id: OpenFileID, at offset: Int64, count: Int, fromPageCache: Bool, by caller: Caller
  ) throws(Errno) -> ArraySlice<UInt8> {
    let (file, isActive, event) = try openFile(id)
    guard file.flags.allowsReading else { throw .badFileDescriptor }
    guard offset >= 0, count >= 0 else { throw .invalidArgument }
    if let text = file.text {
      if fromPageCache {
        state.withLock { _ in file.node.isSizeCut = true }
        var sequence = SequentialText()
        let range = try sequence.read(at: offset, count: count, isActive: isActive) { shown throws(Errno) in
          try text.show(&shown)
        }
        return sequence.text.bytes[range]
      }
      file.lock.lock()
      defer { file.lock.unlock() }
      let range = try file.show(text, at: offset, count: count, isActive: isActive, event: event)
      return file.sequence.text.bytes[range]
    }
    switch file.node.content {
    case .binary(let attribute):
      guard isActive else { throw .operationNotSupportedByDevice }
      if fromPageCache {
        return try readPages(of: attribute, at: offset, count: count, by: caller.on(id))[...]
      }
      file.lock.lock()
      defer { file.lock.unlock() }
      file.event = event
      guard count > 0 else { return [] }
      let wanted = min(count, pageSize)
      return try attribute.read(at: offset, count: wanted, by: caller.on(id)).prefix(wanted)

    case .snapshot(let snapshot):
      guard isActive else { throw .operationNotSupportedByDevice }
      let start = min(Int(clamping: offset), file.content.count)
      var end = start + min(count, file.content.count - start)
      if snapshot.isReadByLine, let newline = file.content[start..<end].firstIndex(of: UInt8(ascii: "\n")) {
        end = newline + 1
      }
      return file.content[start..<end]

    case .text, .directory, .dynamicDirectory, .symlink:
      throw .isDirectory
    }
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
