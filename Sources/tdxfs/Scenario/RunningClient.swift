import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// The client of a rehearsal while it runs, in a process group of its own, and what became of it.
final class RunningClient {
  private let pid: pid_t
  private let output: FilePath
  /// Its exit status, as a shell gives it.
  private(set) var status: Int32 = 0
  /// It did not end in time and was killed.
  private(set) var hasTimedOut = false
  /// The rehearsal has ended it, or tried to.
  private(set) var wasStopped = false

  /// Starts `words`; what it says goes to `output`.
  init(_ words: [String], scenario: Scenario, output: FilePath) throws(Failure) {
    self.output = output
    var prefix: [String] = []
    // util-linux is on every Debian.
    if scenario.withoutRawIO { prefix = ["setpriv", "--bounding-set", "-sys_rawio", "--inh-caps", "-sys_rawio", "--"] }
    if scenario.asNobody { prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"] }
    do {
      let file = try FileDescriptor.open(
        output, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
      defer { try? file.close() }
      pid = try CapturedCommand.spawn(prefix + words, output: file.rawValue, errors: file.rawValue, ownGroup: true)
    } catch {
      throw .refused("\(words.first ?? "the client") cannot be run (\(error))")
    }
  }

  /// Waits for its end, at most `seconds`, and calls `meanwhile` again and again.
  func wait(seconds: Int, _ meanwhile: () -> Void) {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGCHLD)
    let deadline = ContinuousClock.now + .seconds(seconds)
    var result: Int32 = 0
    while waitpid(pid, &result, WNOHANG) == 0 {
      if ContinuousClock.now >= deadline {
        hasTimedOut = true
        kill(SIGKILL)
      }
      meanwhile()
      var pause = timespec(tv_sec: 0, tv_nsec: 2_000_000)
      sigtimedwait(&signals, nil, &pause)
    }
    status = SupervisedCommand.exitStatus(ofWaitStatus: result)
    // Whatever it has left behind ends with it.
    Glibc.kill(-pid, SIGKILL)
  }

  /// Sends it a signal.
  func kill(_ signal: Int32) {
    wasStopped = true
    Glibc.kill(-pid, signal)
  }

  /// The last line that it has said, `-` for none.
  var lastLine: String {
    guard case .success(let text) = RehearsalMachine.read(output) else { return "-" }
    return text.split(separator: "\n").last.map(String.init) ?? "-"
  }
}

/// The client that a scenario has when it names none: what administrators type.
enum ShellFlow {
  static let script = """
    for device in /sys/class/firmware/*/; do
      [ -e "$device/loading" ] && cd "$device" && break
    done
    [ -e loading ] || { echo 'there is no /sys/class/firmware/*/loading'; exit 3; }
    echo 1 > loading && cat "$TDXFS_IMAGE" > data && echo 0 > loading || exit 1
    timeout "$TDXFS_PATIENCE" sh -c '
      while read -r status < status && [ "$status" != idle ]; do sleep 0.005; done; [ "$status" = idle ]' ||
      { echo "it does not end: $(cat status 2>&1)"; exit 1; }
    error=$(cat error) || exit 1
    [ -z "$error" ] || { echo "$error"; exit 1; }
    """
}
