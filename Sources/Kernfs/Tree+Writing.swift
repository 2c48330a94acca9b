import Basics
import SystemPackage

extension Tree {
  /// write(2) and pwrite(2) (`kernfs_fop_write_iter`): at most a page, one store call, none for an empty write.
  ///
  /// Text attributes do not look at the offset. Files opened with O_APPEND count their position themselves, from 0.
  /// - Throws: EBADF; ENODEV when the device is gone; what the attribute throws.
  public func write(
    _ id: OpenFileID, at offset: Int64, _ bytes: UnsafeRawBufferPointer, by caller: Caller
  ) throws(Errno) -> StoreOutcome {
    try write(id, at: offset, bytes, by: caller, isRetry: false)
  }

  private func write(
    _ id: OpenFileID, at offset: Int64, _ bytes: UnsafeRawBufferPointer, by caller: Caller, isRetry: Bool
  ) throws(Errno) -> StoreOutcome {
    let watch = beginWatch()
    do throws(Errno) {
      let outcome = try writeUnwatched(id, at: offset, bytes, by: caller, isRetry: isRetry)
      if case .consumed(let count) = outcome {
        end(watch, .write, id, at: offset, asked: bytes.count, by: caller, .success(count), head: bytes)
      }
      return outcome
    } catch {
      end(watch, .write, id, at: offset, asked: bytes.count, by: caller, .failure(error), head: bytes)
      throw error
    }
  }

  private func writeUnwatched(
    _ id: OpenFileID, at offset: Int64, _ bytes: UnsafeRawBufferPointer, by caller: Caller, isRetry: Bool
  ) throws(Errno) -> StoreOutcome {
    let (file, isActive, _) = try openFile(id)
    guard file.flags.allowsWriting else { throw .badFileDescriptor }
    guard offset >= 0 else { throw .invalidArgument }
    guard isActive else { throw .operationNotSupportedByDevice }
    guard !bytes.isEmpty else { return .consumed(0) }
    if isRetry || !file.isJournaled { return try store(bytes, at: offset, in: file, id, by: caller) }
    return try journaled({ file.operation(path: $0, bytes, at: offset) }, on: path(of: file)) {
      () throws(Errno) in
      try store(bytes, at: offset, in: file, id, by: caller)
    }
  }

  private func store(
    _ bytes: UnsafeRawBufferPointer, at offset: Int64, in file: OpenFile, _ id: OpenFileID, by caller: Caller
  ) throws(Errno) -> StoreOutcome {
    file.lock.lock()
    defer { file.lock.unlock() }
    switch file.node.content {
    case .text(let text):
      let part = [UInt8](bytes.prefix(pageSize))
      return try text.attribute.store(part, by: caller.on(id)).limited(to: part.count)

    case .binary(let attribute):
      let part = [UInt8](bytes.prefix(pageSize))
      let position = file.flags.contains(.append) ? file.appendPosition : offset
      let taken = min(max(try attribute.write(part, at: position, by: caller.on(id)), 0), part.count)
      file.appendPosition = position &+ Int64(taken)
      return .consumed(taken)

    case .snapshot(let snapshot):
      return try snapshot.store([UInt8](bytes), at: offset, by: caller.on(id)).limited(to: bytes.count)

    case .directory, .dynamicDirectory, .symlink:
      throw .isDirectory
    }
  }

  /// The same for bytes in an array.
  public func write(
    _ id: OpenFileID, at offset: Int64, _ bytes: [UInt8], by caller: Caller
  ) throws(Errno) -> StoreOutcome {
    try write(id, at: offset, bytes, by: caller, isRetry: false)
  }

  private func write(
    _ id: OpenFileID, at offset: Int64, _ bytes: [UInt8], by caller: Caller, isRetry: Bool
  ) throws(Errno) -> StoreOutcome {
    // withUnsafeBytes rethrows without a type.
    let result = bytes.withUnsafeBytes { buffer -> Result<StoreOutcome, Errno> in
      do throws(Errno) {
        return .success(try write(id, at: offset, buffer, by: caller, isRetry: isRetry))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// A write that ends when the store method has taken the bytes or refused them, however often it has to wait before.
  ///
  /// `completion` is called exactly once: before this returns when nothing has to be waited for (then nil is
  /// returned), else on the thread that wakes, or by ``PendingWrite/interrupt()``.
  @discardableResult
  public func write(
    _ id: OpenFileID, at offset: Int64, _ bytes: [UInt8], by caller: Caller,
    completion: @escaping @Sendable (Result<Int, Errno>) -> Void
  ) -> PendingWrite? {
    let pending = PendingWrite(completion)
    attempt(pending) { [self] isRetry throws(Errno) in
      try write(id, at: offset, bytes, by: caller, isRetry: isRetry)
    }
    return pending.isFinished ? nil : pending
  }

  private func attempt(
    _ pending: PendingWrite, isRetry: Bool = false,
    _ store: @escaping @Sendable (_ isRetry: Bool) throws(Errno) -> StoreOutcome
  ) {
    // The ticket is older than the decision to wait, so a wake-up in between is not lost.
    let ticket = WaitTicket.now()
    do throws(Errno) {
      switch try store(isRetry) {
      case .consumed(let count):
        pending.finish(.success(count))
      case .wait(let queue):
        pending.sleep()
        queue.park(since: ticket) { [self] in
          if pending.wakeUp() { attempt(pending, isRetry: true, store) }
        }
      }
    } catch {
      pending.finish(.failure(error))
    }
  }
}

/// A write that waits.
public final class PendingWrite: Sendable {
  private enum State {
    case running
    case sleeping
    case finished
  }

  private let state = Guarded(State.running)
  private let completion: @Sendable (Result<Int, Errno>) -> Void

  fileprivate init(_ completion: @escaping @Sendable (Result<Int, Errno>) -> Void) {
    self.completion = completion
  }

  /// A signal came for the caller: ends the write with EINTR if it sleeps; false if it has ended or is being done.
  @discardableResult
  public func interrupt() -> Bool {
    let wasSleeping = state.withLock { state in
      switch state {
      case .running, .finished: return false
      case .sleeping:
        state = .finished
        return true
      }
    }
    if wasSleeping { completion(.failure(.interrupted)) }
    return wasSleeping
  }

  fileprivate var isFinished: Bool {
    state.withLock { state in
      switch state {
      case .running, .sleeping: false
      case .finished: true
      }
    }
  }

  fileprivate func sleep() { state.withLock { $0 = .sleeping } }

  fileprivate func wakeUp() -> Bool {
    state.withLock { state in
      switch state {
      case .running, .finished: return false
      case .sleeping:
        state = .running
        return true
      }
    }
  }

  fileprivate func finish(_ result: Result<Int, Errno>) {
    state.withLock { $0 = .finished }
    completion(result)
  }
}

extension OpenFile {
  /// Whether a journal keeps what is written to it.
  fileprivate var isJournaled: Bool {
    if case .snapshot(let file) = node.content { file.isJournaled } else { true }
  }

  /// The write as a journal has it.
  fileprivate func operation(path: String, _ bytes: UnsafeRawBufferPointer, at offset: Int64) -> TreeOperation {
    guard case .binary = node.content else {
      return .write(path: path, offset: offset, bytes: [UInt8](bytes.prefix(pageSize)))
    }
    let position = flags.contains(.append) ? lock.withLock { appendPosition } : offset
    return .data(path: path, offset: position, count: min(bytes.count, pageSize))
  }
}

extension StoreOutcome {
  /// No store method takes more than it was given.
  fileprivate func limited(to count: Int) -> StoreOutcome {
    switch self {
    case .consumed(let taken): .consumed(min(max(taken, 0), count))
    case .wait: self
    }
  }
}
