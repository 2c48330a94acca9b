import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A command that runs in our place: it gets our signals, and its end is ours.
enum SupervisedCommand {
  /// Signals that ask a program to end; they are handed on.
  private static let forwarded = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

  /// Holds back the signals that ``run(_:environment:)`` hands on. Threads inherit it, so it comes before any is made:
  /// otherwise a signal might end the process in one of them.
  static func holdSignals() -> sigset_t {
    // A parent may have left SIGCHLD ignored; then nobody could wait for the command.
    signal(SIGCHLD, SIG_DFL)
    var held = watched()
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, &held, &before)
    return before
  }

  /// Runs `command`, looked up on PATH, with the variables `environment` and the signal mask `mask`, and waits for it.
  ///
  /// Returns an exit status as a shell would give it: the command's own, 128+n when signal n ended it, 127 when there is
  /// no such command, 126 when it cannot be run.
  static func run(_ command: [String], environment: [String], mask: sigset_t) throws(Failure) -> Int32 {
    guard let name = command.first else { throw .usage("run: no command was given") }
    var pid: pid_t = 0
    let error = spawn(&pid, name, command, environment, mask)
    switch error {
    case 0: return wait(for: pid)
    case ENOENT: throw Failure(status: 127, description: "\(name): command not found")
    default: throw Failure(status: 126, description: "\(name): cannot be run (\(Errno(rawValue: error)))")
    }
  }

  /// The exit status that a shell gives for a status of waitpid(2).
  static func exitStatus(ofWaitStatus status: Int32) -> Int32 {
    let signal = status & 0x7F
    return signal == 0 ? (status >> 8) & 0xFF : 128 &+ signal
  }

  private static func spawn(
    _ pid: inout pid_t, _ name: String, _ command: [String], _ environment: [String], _ mask: sigset_t
  ) -> Int32 {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var mask = mask
    // We ignore SIGPIPE; commands expect that it ends them.
    var defaults = sigset_t()
    sigemptyset(&defaults)
    sigaddset(&defaults, SIGPIPE)
    posix_spawnattr_setsigmask(&attributes, &mask)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for text in arguments + variables { free(text) } }
    return posix_spawnp(&pid, name, nil, &attributes, &arguments, &variables)
  }

  private static func wait(for pid: pid_t) -> Int32 {
    var signals = watched()
    while true {
      var status: Int32 = 0
      if waitpid(pid, &status, WNOHANG) == pid { return exitStatus(ofWaitStatus: status) }
      var information = siginfo_t()
      let signal = sigwaitinfo(&signals, &information)
      // The terminal's own signals have reached the command already: it is in the same process group.
      if signal > 0, signal != SIGCHLD, information.si_code != SI_KERNEL { kill(pid, signal) }
    }
  }

  private static func watched() -> sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in forwarded + [SIGCHLD] { sigaddset(&signals, signal) }
    return signals
  }
}
