import Basics
import FuseKit
import Kernfs

/// Tells the kernel of changes in the tree that no request made (fuse-limits rows 22, 53, 54, pitfall P3).
final class ChangeNotices: Sendable {
  /// Who sleeps in poll(2) on an open file.
  private final class Sleeper: Sendable {
    let handle: PollHandle

    init(_ handle: consuming PollHandle) {
      self.handle = handle
    }
  }

  private struct State {
    var notifier: Notifier?
    var sleepers: [OpenFileID: Sleeper] = [:]
    var unsent = 0
  }

  private let state = Guarded(State())
  private let thread = Worker()

  func start(_ notifier: Notifier) { state.withLock { $0.notifier = notifier } }

  func stop() {
    // Dropped outside the lock: freeing a poll handle calls libfuse.
    let sleepers = state.withLock { state in
      state.notifier = nil
      defer { state.sleepers = [:] }
      return state.sleepers
    }
    _ = sleepers
  }

  /// Sends the notice of `change` soon, on another thread.
  func announce(_ change: TreeChange) {
    state.withLock { $0.unsent += 1 }
    thread.schedule { [self] in
      send(change)
      state.withLock { $0.unsent -= 1 }
    }
  }

  /// Whether notices are on their way.
  var areUnsent: Bool { state.withLock { $0.unsent > 0 } }

  /// Runs `body` behind all notices that were announced before.
  func afterwards(_ body: @escaping @Sendable () -> Void) { thread.schedule(body) }

  /// `handle` sleeps on `file`; the sleeper before it is forgotten.
  func sleep(on file: OpenFileID, _ handle: consuming PollHandle) {
    let sleeper = Sleeper(handle)
    let old = state.withLock { $0.sleepers.updateValue(sleeper, forKey: file) }
    _ = old
  }

  /// Nobody can sleep on `file` any more.
  func forget(_ file: OpenFileID) {
    let old = state.withLock { $0.sleepers.isEmpty ? nil : $0.sleepers.removeValue(forKey: file) }
    _ = old
  }

  /// Makes the kernel believe that `node` has `length` bytes, until somebody asks for its attributes. The one byte that
  /// this stores is dropped by the open that follows.
  func raiseSize(of node: FuseKit.NodeID, to length: Int64) {
    notifier?.store([0], in: node, at: length - 1)
  }

  /// Keeps the next answer to getattr out of the inode.
  func keepSize(of node: FuseKit.NodeID) {
    notifier?.invalidate(node, offset: -1, count: 0)
  }

  /// Nil also on the serving thread, where notices run when no other thread is to be had: the kernel may hold what they are
  /// about until that one has answered. The kernel then remembers longer than it should.
  private var notifier: Notifier? {
    thread.isWithoutThread ? nil : state.withLock { $0.notifier }
  }

  private func send(_ change: TreeChange) {
    let notifier = notifier
    switch change {
    case .added(let parent, _, _):
      // Absent names are never cached, but the directory's link count is.
      notifier?.invalidate(FuseKit.NodeID(rawValue: parent.rawValue), offset: -1, count: 0)
    case .removed(let parent, let name, _, let kind):
      let directory = FuseKit.NodeID(rawValue: parent.rawValue)
      notifier?.invalidate(directory, offset: -1, count: 0)
      switch kind {
      case .directory: notifier?.expire(name, in: directory)
      case .symlink: notifier?.invalidate(name, in: directory)
      // Open answers ESTALE, and the kernel walks the path once more.
      case .regular: notifier?.expire(name, in: directory)
      }
    case .pollable(let file):
      state.withLock { $0.sleepers[file] }?.handle.wake()
    }
  }
}
