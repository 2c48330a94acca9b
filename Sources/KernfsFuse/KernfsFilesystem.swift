import Basics
import FuseKit
import Kernfs
import SystemPackage

/// Serves a Kernfs tree over FUSE: each request becomes one operation of the tree (reference: fuse-limits.md).
///
/// Names and attributes that only change by a request or with notice are cached for ever. Notifications are sent by a
/// thread of their own (but for those that touch no page and no name), because the kernel may need an answer of the serving thread before it takes one; a write whose
/// effect includes such changes is answered behind them, so that who wrote finds the new state.
public final class KernfsFilesystem: FuseFilesystem {
  let tree: Tree
  let capabilities: CallerCapabilities
  let changes = ChangeNotices()

  /// Serves `tree`.
  public init(_ tree: Tree, capabilities: CallerCapabilities) {
    self.tree = tree
    self.capabilities = capabilities
  }

  /// Requests follow; changes of the tree are told to the kernel from now on.
  public func start(_ notifier: Notifier) {
    changes.start(notifier)
    tree.setObserver { [changes] in changes.announce($0) }
  }

  /// Answers a request by what `attempt` gives. Where it gives ERESTARTSYS, it is tried again when the node's queue is
  /// woken; the caller can be interrupted meanwhile.
  func answer<Operation, Value: Sendable>(
    _ request: consuming Request<Operation>, _ attempt: @escaping @Sendable () throws(Errno) -> Value,
    _ reply: @escaping @Sendable (consuming Request<Operation>, Result<Value, Errno>) -> Void
  ) {
    // Older than the attempt, so a wake-up in between is not lost.
    let ticket = WaitTicket.now()
    let node = request.treeNode
    do throws(Errno) {
      let value = try attempt()
      reply(request, .success(value))
    } catch {
      guard error == .restartSystemCall else {
        reply(request, .failure(error))
        return
      }
      guard let queue = tree.queue(of: node) else {
        reply(request, .failure(.interrupted))
        return
      }
      let parked = request.park()
      queue.park(since: ticket) { [self] in
        if let request = parked.take() { answer(request, attempt, reply) }
      }
    }
  }

  /// The mount is gone.
  public func stop() {
    tree.setObserver(nil)
    changes.stop()
  }
}

extension Request {
  /// Who asks, on the open file `handle`.
  func caller(on handle: FileHandle? = nil) -> Caller {
    let credentials = self.credentials
    return Caller(
      uid: credentials.uid, gid: credentials.gid, pid: credentials.pid, openFile: handle?.rawValue ?? 0)
  }

  /// The node of the tree that is asked about.
  var treeNode: Kernfs.NodeID { Kernfs.NodeID(rawValue: node.rawValue) }
}

extension FileHandle {
  /// The open file of the tree.
  var openFile: OpenFileID { OpenFileID(rawValue: rawValue) }
}
