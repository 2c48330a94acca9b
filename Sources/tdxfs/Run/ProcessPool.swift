import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// Runs programs, several at once, each in a process group of its own that is killed when its time is over.
struct ProcessPool {
  /// A program and the file that gets its output; `.errors` is added for what it says on standard error.
  struct Job {
    let words: [String]
    let output: String
  }

  /// How a job ended.
  struct Result {
    /// As a shell gives it; nil when its time was over.
    let status: Int32?
    let output: String
    let errors: String
    let milliseconds: Int
  }

  /// The most that a job may take.
  let seconds: Int
  /// Who runs them, for messages.
  let name: String

  private struct Running {
    let index: Int
    let pid: pid_t
    let start: ContinuousClock.Instant
    let output: String
  }

  /// The results in the order of `jobs`.
  func run(_ jobs: [Job]) throws(Failure) -> [Result] {
    let atOnce = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)) + 2)
    var results = [Result?](repeating: nil, count: jobs.count)
    var running: [Running] = []
    var next = jobs.startIndex
    var watched = Self.watchedSignals()
    var before = sigset_t()
    signal(SIGCHLD, SIG_DFL)
    pthread_sigmask(SIG_BLOCK, &watched, &before)
    defer {
      for job in running {
        kill(-job.pid, SIGKILL)
        waitpid(job.pid, nil, 0)
      }
      pthread_sigmask(SIG_SETMASK, &before, nil)
    }
    while next < jobs.endIndex || !running.isEmpty {
      while next < jobs.endIndex, running.count < atOnce {
        running.append(try start(jobs[next], index: next))
        next += 1
      }
      var pause = timespec(tv_sec: 0, tv_nsec: 20_000_000)
      let arrived = sigtimedwait(&watched, nil, &pause)
      if arrived > 0, arrived != SIGCHLD { throw Failure(status: 128 &+ arrived, description: "\(name): stopped") }
      running.removeAll { job in
        guard let result = ended(job) else { return false }
        results[job.index] = result
        return true
      }
    }
    return results.compactMap { $0 }
  }

  private func start(_ job: Job, index: Int) throws(Failure) -> Running {
    do {
      let files = try [job.output, job.output + ".errors"].map { path in
        try FileDescriptor.open(
          FilePath(path), .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
      }
      defer { for file in files { try? file.close() } }
      let pid = try CapturedCommand.spawn(
        job.words, output: files[0].rawValue, errors: files[1].rawValue, ownGroup: true)
      return Running(index: index, pid: pid, start: .now, output: job.output)
    } catch {
      throw .refused("\(name): a process cannot be started (\(error))")
    }
  }

  private func ended(_ job: Running) -> Result? {
    var information = siginfo_t()
    waitid(P_PID, id_t(job.pid), &information, WEXITED | WNOHANG | WNOWAIT)
    let hasEnded = information.si_signo == SIGCHLD
    let elapsed = ContinuousClock.now - job.start
    guard hasEnded || elapsed > .seconds(seconds) else { return nil }
    // Before it is waited for, so that its group cannot be anybody else's yet. Whatever it has left behind ends with it.
    kill(-job.pid, SIGKILL)
    var status: Int32 = 0
    waitpid(job.pid, &status, 0)
    func text(_ path: String) -> String {
      (try? MountedMachine.readFile(FilePath(path))).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
    return Result(
      status: hasEnded ? SupervisedCommand.exitStatus(ofWaitStatus: status) : nil, output: text(job.output),
      errors: text(job.output + ".errors"), milliseconds: Int(elapsed / .milliseconds(1)))
  }

  private static func watchedSignals() -> sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGCHLD, SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
    return signals
  }
}
