import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A program and what it has said, both streams together.
struct CapturedCommand {
  /// As a shell gives it.
  let status: Int32
  let output: String

  /// The last line that it has said, `-` for none.
  var lastLine: String { output.split(separator: "\n").last.map(String.init) ?? "-" }

  /// Runs `words`, found on PATH, to its end.
  static func run(_ words: [String]) -> CapturedCommand {
    do {
      let ends = try FileDescriptor.pipe()
      defer { try? ends.readEnd.close() }
      for end in [ends.readEnd, ends.writeEnd] { _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC) }
      let pid: pid_t
      do throws(Errno) {
        pid = try spawn(words, output: ends.writeEnd.rawValue, errors: ends.writeEnd.rawValue, ownGroup: false)
      } catch {
        try? ends.writeEnd.close()
        return CapturedCommand(status: 127, output: "\(words.first ?? ""): \(error)")
      }
      try? ends.writeEnd.close()
      var bytes: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 4096)
      while let count = try? buffer.withUnsafeMutableBytes({ try ends.readEnd.read(into: $0) }), count > 0 {
        bytes.append(contentsOf: buffer[..<count])
      }
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0, errno == EINTR {}
      return CapturedCommand(
        status: SupervisedCommand.exitStatus(ofWaitStatus: status), output: String(decoding: bytes, as: UTF8.self))
    } catch {
      return CapturedCommand(status: 126, output: "\(error)")
    }
  }

  /// Starts `words`, found on PATH, with nothing to read, and does not wait. With `ownGroup` it leads a process group.
  static func spawn(_ words: [String], output: Int32, errors: Int32, ownGroup: Bool) throws(Errno) -> pid_t {
    guard let name = words.first else { throw .invalidArgument }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, errors, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (mask, defaults) = (sigset_t(), sigset_t())
    sigemptyset(&mask)
    sigemptyset(&defaults)
    sigaddset(&defaults, SIGPIPE)
    posix_spawnattr_setsigmask(&attributes, &mask)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (ownGroup ? POSIX_SPAWN_SETPGROUP : 0)
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for text in arguments { free(text) } }
    var pid: pid_t = 0
    let error = posix_spawnp(&pid, name, &actions, &attributes, &arguments, environ)
    guard error == 0 else { throw Errno(rawValue: error) }
    return pid
  }
}
