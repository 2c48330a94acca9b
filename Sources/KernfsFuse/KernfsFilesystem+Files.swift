import FuseKit
import Kernfs
import SystemPackage

/// Requests on open files.
extension KernfsFilesystem {
  /// Opens a file by the rules of sysfs.
  public func open(_ request: consuming Request<Op.Open>) {
    let flags = Kernfs.OpenFlags(rawValue: request.operation.flags.rawValue)
    do throws(Errno) {
      if let file = try tree.openAtOnce(request.treeNode, flags: flags, by: request.caller()) {
        reply(to: request, with: file)
        return
      }
    } catch {
      request.reply(error: error)
      return
    }
    // The content can take long to make, a trace of many records above all.
    let kept = request.keep()
    changes.afterwards { [self] in
      if let request = kept.take() { openWithContent(request) }
    }
  }

  /// Opens a file whose content is made now, and may have to wait.
  private func openWithContent(_ request: consuming Request<Op.Open>) {
    let flags = Kernfs.OpenFlags(rawValue: request.operation.flags.rawValue)
    let (tree, node, caller) = (tree, request.treeNode, request.caller())
    answer(request) { () throws(Errno) in
      try tree.open(node, flags: flags, by: caller)
    } _: { [self] request, result in
      switch result {
      case .success(let file): reply(to: request, with: file)
      case .failure(let error): request.reply(error: error)
      }
    }
  }

  /// An attribute.
  public func openAtOnce(_ operation: Op.Open, of node: FuseKit.NodeID) throws(Errno) -> Opened? {
    let flags = Kernfs.OpenFlags(rawValue: operation.flags.rawValue)
    return try tree.openAttribute(Kernfs.NodeID(rawValue: node.rawValue), flags: flags).map {
      Opened(handle: FileHandle(rawValue: $0.rawValue), directIO: true)
    }
  }

  /// An attribute, but for the page cache.
  public func readAtOnce(
    _ operation: Op.Read, by credentials: Credentials, into room: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int? {
    guard !operation.isForPageCache else { return nil }
    let caller = Caller(
      uid: credentials.uid, gid: credentials.gid, pid: credentials.pid, openFile: operation.handle.rawValue)
    return try tree.readAttribute(operation.handle.openFile, at: operation.offset, by: caller, into: room)
  }

  /// An attribute.
  public func releaseAtOnce(_ handle: FileHandle) -> Bool {
    guard tree.releaseAttribute(handle.openFile) else { return false }
    changes.forget(handle.openFile)
    return true
  }

  private func reply(to request: consuming Request<Op.Open>, with file: OpenedFile) {
    guard file.readableLength > 0 else {
      request.reply(opened: Opened(file))
      return
    }
    // stat(2) says 0, and page-cache reads end at the inode's size (fuse-limits P1 a). The kernel may hold a page of the
    // file for a read that the serving thread has to answer first, so that thread must not wait for it here.
    let node = request.node
    let kept = request.keep()
    changes.afterwards { [changes] in
      changes.raiseSize(of: node, to: file.readableLength)
      kept.take()?.reply(opened: Opened(file))
    }
  }

  /// The last close(2).
  public func release(_ request: consuming Request<Op.Release>) {
    let handle = request.operation.handle
    changes.forget(handle.openFile)
    tree.release(handle.openFile, by: request.caller(on: handle))
    request.replyDone()
  }

  /// At most what the file gives at once.
  public func read(_ request: consuming Request<Op.Read>) {
    let operation = request.operation
    let bytes: ArraySlice<UInt8>
    do throws(Errno) {
      bytes = try tree.read(
        operation.handle.openFile, at: operation.offset, count: operation.size,
        fromPageCache: operation.isForPageCache, by: request.caller(on: operation.handle))
    } catch {
      request.reply(error: error)
      return
    }
    request.reply(bytes: bytes.span.bytes)
  }

  /// At most what the file takes at once; answered later where the file has to wait.
  public func write(_ request: consuming Request<Op.Write>, bytes: RawSpan) {
    let operation = request.operation
    let caller = request.caller(on: operation.handle)
    let result = bytes.withUnsafeBytes { buffer -> Result<StoreOutcome, Errno> in
      do throws(Errno) {
        return .success(try tree.write(operation.handle.openFile, at: operation.offset, buffer, by: caller))
      } catch {
        return .failure(error)
      }
    }
    switch result {
    case .success(.consumed(let count)) where !changes.areUnsent: request.reply(written: count)
    case .success(.consumed(let count)): answer(request, .success(count))
    case .success(.wait): wait(request, bytes.withUnsafeBytes { Array($0) }, by: caller)
    case .failure(let error): request.reply(error: error)
    }
  }

  /// Answers behind the notices that are on their way.
  private func answer(_ request: consuming Request<Op.Write>, _ result: Result<Int, Errno>) {
    let kept = request.keep()
    changes.afterwards { kept.answer(result) }
  }

  /// Tries the write again, as often as its store method waits. The caller can be interrupted meanwhile.
  private func wait(_ request: consuming Request<Op.Write>, _ bytes: [UInt8], by caller: Caller) {
    let operation = request.operation
    let pending = PendingHolder()
    let parked = request.park { pending.interrupt() }
    let write = tree.write(operation.handle.openFile, at: operation.offset, bytes, by: caller) { [changes] result in
      changes.afterwards { parked.answer(result) }
    }
    pending.hold(write)
  }

  /// The events of an attribute.
  public func poll(_ request: consuming Request<Op.Poll>, handle: consuming PollHandle?) {
    let file = request.operation.handle.openFile
    if let handle = handle.take() { changes.sleep(on: file, handle) }
    do throws(Errno) {
      let events = try tree.poll(file)
      request.reply(events: FuseKit.PollEvents(rawValue: events.rawValue))
    } catch {
      request.reply(error: error)
    }
  }

  /// SEEK_DATA and SEEK_HOLE.
  public func lseek(_ request: consuming Request<Op.Lseek>) {
    do throws(Errno) {
      let target: Tree.SeekTarget =
        switch request.operation.origin {
        case .data: .data
        case .hole: .hole
        }
      let offset = try tree.seek(
        request.operation.handle.openFile, from: request.operation.offset, to: target)
      request.reply(offset: offset)
    } catch {
      request.reply(error: error)
    }
  }
}

extension KeptRequest where Operation == Op.Write {
  fileprivate func answer(_ result: Result<Int, Errno>) {
    guard let request = take() else { return }
    switch result {
    case .success(let count): request.reply(written: count)
    case .failure(let error): request.reply(error: error)
    }
  }
}

extension ParkedRequest where Operation == Op.Write {
  /// Answers, unless the caller was interrupted.
  fileprivate func answer(_ result: Result<Int, Errno>) {
    guard let request = take() else { return }
    switch result {
    case .success(let count): request.reply(written: count)
    case .failure(let error): request.reply(error: error)
    }
  }
}
