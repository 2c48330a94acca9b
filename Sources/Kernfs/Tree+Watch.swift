import Synchronization
import SystemPackage

/// One operation of a client on an open file of a tree, and what it was answered.
public struct FileOperation: Sendable {
  /// What was asked.
  public enum Kind: String, CaseIterable, Sendable {
    /// open(2).
    case open
    /// read(2), also for the page cache.
    case read
    /// write(2).
    case write
    /// The last close(2).
    case close
  }

  /// What was asked.
  public let kind: Kind
  /// Names from the root of the mount on, separated by "/".
  public let path: String
  /// Who asked.
  public let caller: Caller
  /// The open file; 0 of an open that failed.
  public let file: UInt64
  /// Where; 0 of open and close.
  public let offset: Int64
  /// Bytes asked for or given; the flags of an open.
  public let asked: Int
  /// Bytes moved.
  public let result: Result<Int, Errno>
  /// The first bytes moved, of text files only; at most ``headLength``.
  public let head: [UInt8]

  /// How much of a text is kept.
  public static let headLength = 96
}

/// Who watches what clients do with the files of a tree. Called on the thread that serves, without any lock held.
public protocol OperationWatcher: Sendable {
  /// An operation begins. What it sets off may be over before it has its answer, so its place among other events is here.
  /// Gives a number by which ``ended(_:_:)`` tells of it.
  func began() -> UInt64

  /// The operation `place` has its answer, which is sent afterwards.
  func ended(_ operation: FileOperation, _ place: UInt64)
}

extension Tree {
  /// Lets `watcher` see every operation on open files from now on; nil ends it. Of what is below a hidden directory
  /// nothing is told.
  public func setWatcher(_ watcher: (any OperationWatcher)?) {
    self.watcher.withLock { $0 = watcher }
    isWatched.store(watcher != nil, ordering: .releasing)
  }

  /// A watcher and the place of an operation that has begun; nil when nobody watches, so nearly always.
  struct Watch {
    let watcher: any OperationWatcher
    let place: UInt64
  }

  func beginWatch() -> Watch? {
    guard isWatched.load(ordering: .acquiring) else { return nil }
    return watcher.withLock { $0 }.map { Watch(watcher: $0, place: $0.began()) }
  }

  /// Tells of an operation on the open file `id`.
  func end(
    _ watch: Watch?, _ kind: FileOperation.Kind, _ id: OpenFileID, at offset: Int64 = 0, asked: Int = 0,
    by caller: Caller, _ result: Result<Int, Errno>, head: @autoclosure () -> UnsafeRawBufferPointer? = nil
  ) {
    guard let watch, let node = state.withLock({ $0.openFiles[id]?.node }) else { return }
    end(watch, kind, node, file: id, at: offset, asked: asked, by: caller, result, head: head())
  }

  /// Tells of an operation on `node`.
  func end(
    _ watch: Watch, _ kind: FileOperation.Kind, _ node: Node, file: OpenFileID? = nil, at offset: Int64 = 0,
    asked: Int = 0, by caller: Caller, _ result: Result<Int, Errno>, head: UnsafeRawBufferPointer? = nil
  ) {
    guard let path = visiblePath(of: node) else { return }
    var isText = false
    if case .text = node.content { isText = true }
    watch.watcher.ended(
      FileOperation(
        kind: kind, path: path, caller: caller, file: file?.rawValue ?? 0, offset: offset, asked: asked,
        result: result, head: isText ? head.map { [UInt8]($0.prefix(FileOperation.headLength)) } ?? [] : []),
      watch.place)
  }

  /// The names that lead to `node`; nil below a hidden directory.
  private func visiblePath(of node: Node) -> String? {
    state.withLock { state in
      var names: [String] = []
      var current: Node? = node
      while let step = current, step.id != .root {
        guard !step.isHidden else { return nil }
        names.append(step.name)
        current = state.nodes[step.parent]
      }
      return names.reversed().joined(separator: "/")
    }
  }
}
