import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What a finished command has said.
struct Finished: CustomStringConvertible {
  let words: [String]
  /// As a shell gives it: 128+n when signal n ended it.
  let status: Int32
  let output: String
  let errors: String

  var description: String { "\(words.joined(separator: " "))\n→ \(status)\n\(output)\(errors)" }
}

/// Runs programs with a time limit, without a shell in between.
enum Command {
  struct TookTooLong: Error {
    let words: [String]
  }

  /// Runs `words`, found on PATH, in `directory`, with `variables` added to the environment. Its whole process group is
  /// killed when it has not ended after `seconds`.
  static func run(
    _ words: [String], in directory: String? = nil, variables: [String: String] = [:], seconds: Int = 30
  ) async throws -> Finished {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let (output, errors) = (scratch.path + "/output", scratch.path + "/errors")
    let prefix = ["env"] + (directory.map { ["-C", $0] } ?? []) + variables.map { "\($0)=\($1)" }
    let pid = try spawn(prefix + words, output: output, errors: errors)
    let deadline = ContinuousClock.now + .seconds(seconds)
    var status: Int32 = 0
    while true {
      let ended = waitpid(pid, &status, WNOHANG)
      if ended == pid { break }
      guard ended == 0 else { throw Errno(rawValue: errno) }
      guard ContinuousClock.now < deadline else {
        kill(-pid, SIGKILL)
        waitpid(pid, &status, 0)
        throw TookTooLong(words: words)
      }
      try await Task.sleep(for: .milliseconds(2))
    }
    let signal = status & 0x7F
    return Finished(
      words: words, status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output: try File.read(output),
      errors: try File.read(errors))
  }

  /// Starts `words` in a process group of its own and does not wait.
  static func spawn(_ words: [String], output: String, errors: String) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setpgroup(&attributes, 0)
    // Swift's threads block signals, and commands would inherit that.
    var nothing = sigset_t()
    sigemptyset(&nothing)
    posix_spawnattr_setsigmask(&attributes, &nothing)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    var environment: [UnsafeMutablePointer<CChar>?] = try ownEnvironment().map { strdup($0) } + [nil]
    defer { for text in arguments + environment { free(text) } }
    var pid: pid_t = 0
    let error = posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, &environment)
    guard error == 0 else { throw Errno(rawValue: error) }
    return pid
  }

  private static func ownEnvironment() throws -> [String] {
    try File.read("/proc/self/environ").split(separator: "\0").map(String.init)
  }
}

/// Waits until `condition` holds, asking again and again.
func eventually(within seconds: Int = 10, _ condition: () async throws -> Bool) async throws -> Bool {
  let deadline = ContinuousClock.now + .seconds(seconds)
  while ContinuousClock.now < deadline {
    if try await condition() { return true }
    try await Task.sleep(for: .milliseconds(1))
  }
  return try await condition()
}
