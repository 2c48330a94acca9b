import Basics
import Glibc
import SystemPackage

@testable import FuseKit

/// A filesystem that is mounted in a directory of its own for the time of one test.
struct TestMount: Sendable {
  let filesystem: MemoryFilesystem
  let path: String
  let control: SessionControl
  fileprivate let ended: Ending

  func file(_ behaviour: MemoryFilesystem.Behaviour) -> FilePath { FilePath(path + "/" + behaviour.rawValue) }

  /// Waits until the session has ended; its error, if it had one.
  func waitForEnd() -> SessionError? { ended.wait() }
}

/// How serving ended.
private final class Ending: Sendable {
  private let lock = Lock()
  private nonisolated(unsafe) var outcome: SessionError??

  func set(_ error: SessionError?) {
    lock.withLock {
      outcome = .some(error)
      lock.wakeAll()
    }
  }

  func wait() -> SessionError? {
    lock.withLock {
      while true {
        if let outcome { return outcome }
        lock.wait()
      }
    }
  }
}

/// Runs `body` on a thread of its own: a test that blocks in a system call must not hold one of the pool's.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    _ = FuseKit.Thread { continuation.resume(with: Swift.Result { try body() }) }
  }
}

/// Mounts, runs `body` on a thread that doesn't serve, unmounts, waits for the end of serving and removes the directory.
func withMount<Result: Sendable>(
  _ configure: @escaping @Sendable (inout SessionOptions) -> Void = { _ in },
  _ body: @escaping @Sendable (TestMount) throws -> Result
) async throws -> Result {
  let path = try makeDirectory()
  let stopper = Guarded<SessionControl?>(nil)
  return try await withTaskCancellationHandler {
    try await onThread {
      defer { rmdir(path) }
      let filesystem = MemoryFilesystem()
      var options = SessionOptions(source: "fusekit-test", subtype: "fusekit")
      configure(&options)
      let started = Guarded<Swift.Result<SessionControl, SessionError>?>(nil)
      let ready = Lock()
      let ended = Ending()
      let settings = options
      let server = FuseKit.Thread {
        func tell(_ result: Swift.Result<SessionControl, SessionError>) {
          started.withLock { $0 = result }
          ready.withLock { ready.wakeAll() }
        }
        do throws(SessionError) {
          let session = try Session(mounting: filesystem, at: path, options: settings)
          tell(.success(session.control))
          try session.serve()
          ended.set(nil)
        } catch {
          tell(.failure(error))
          ended.set(error)
        }
      }
      ready.lock()
      while started.withLock({ $0 == nil }) { ready.wait() }
      ready.unlock()
      defer {
        run("/usr/bin/fusermount3", "-uzq", path)
        server.join()
      }
      guard let control = try started.withLock({ $0 })?.get() else { throw Errno.canceled }
      stopper.withLock { $0 = control }
      return try body(TestMount(filesystem: filesystem, path: path, control: control, ended: ended))
    }
  } onCancel: {
    stopper.withLock { $0 }?.stop()
  }
}

func makeDirectory() throws -> String {
  var template = Array("/tmp/fusekit.XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
  return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Starts a program with its output thrown away.
func start(_ arguments: String...) -> pid_t {
  var strings: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  defer { for string in strings { free(string) } }
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
  var process = pid_t()
  return posix_spawn(&process, arguments[0], &actions, nil, &strings, environ) == 0 ? process : -1
}

/// The wait status of a process once it ended.
@discardableResult
func finish(_ process: pid_t) -> Int32 {
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0, errno == EINTR {}
  return status
}

@discardableResult
func run(_ arguments: String...) -> Int32 {
  guard arguments.count == 3 else { return -1 }
  return finish(start(arguments[0], arguments[1], arguments[2]))
}

extension FileDescriptor {
  /// Up to `count` bytes at `offset`.
  func bytes(_ count: Int, at offset: Int64 = 0) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = try read(
        fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(buffer), retryOnInterrupt: false)
    }
  }

  /// One write(2) of `count` bytes.
  func write(ones count: Int) throws -> Int {
    try [UInt8](repeating: 1, count: count).withUnsafeBytes { try write($0, retryOnInterrupt: false) }
  }

  /// Up to `count` bytes at `offset`, as text.
  func text(_ count: Int = 4096, at offset: Int64 = 0) throws -> String {
    String(decoding: try bytes(count, at: offset), as: UTF8.self)
  }
}

/// The errno of a call that fails; nil when it succeeds.
func errnoOf(_ body: () throws -> Void) -> Errno? {
  do {
    try body()
    return nil
  } catch {
    return error as? Errno
  }
}

/// The errno of a C call that answers -1; nil when it succeeds.
func errnoOf(_ result: Int) -> Errno? { result < 0 ? Errno(rawValue: errno) : nil }

/// The calling thread's id, out of /proc/thread-self (`PID/task/TID`).
func threadID() throws -> String {
  var target = [CChar](repeating: 0, count: 64)
  let count = readlink("/proc/thread-self", &target, 64)
  guard count > 0, let last = target.prefix(count).map(UInt8.init).split(separator: UInt8(ascii: "/")).last else {
    throw Errno(rawValue: errno)
  }
  return String(decoding: last, as: UTF8.self)
}
