import Basics
import SystemPackage

/// The turn of one process to look at a mount point, remove a dead mount there, and mount: mount(2) takes a second mount over
/// the first without a word, so of two that start at the same time the second has to wait, and then sees the mount of the first.
///
/// It is a lock on the directory that holds the mount point, which is there and answers whatever is mounted.
struct MountTurn: ~Copyable {
  private let directory: FileDescriptor?

  /// How long to wait. Mounting takes milliseconds: who holds the lock for longer is no tdxfs that mounts.
  private static let patience = Duration.seconds(5)

  /// Waits for the turn at `mountPoint`, an absolute path. Where the directory cannot be opened there is none to wait for.
  init(at mountPoint: FilePath?) {
    guard let parent = mountPoint?.removingLastComponent(),
      let directory = try? FileDescriptor.open(parent, .readOnly, options: [.directory, .closeOnExec])
    else {
      self.directory = nil
      return
    }
    self.directory = directory
    _ = FileLock.take(directory.rawValue, within: Self.patience)
  }

  deinit { try? directory?.close() }
}
