import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A tried cell.
struct MatrixResult {
  let cell: MatrixCell
  let word: CellWord
  let reason: String
  /// What was found; nil when the cell did not get so far.
  let report: CellReport?
  let milliseconds: Int
}

/// Tries cells, several at once, each in a process group of its own that is killed when its time is over.
struct MatrixRunner {
  let scratch: MatrixScratch
  let executable: String
  /// The most that a cell may take.
  let seconds: Int

  private struct Running {
    let index: Int
    let pid: pid_t
    let start: ContinuousClock.Instant
    let output: String
  }

  /// The results in the order of `cells`.
  func run(_ cells: [MatrixCell]) throws(Failure) -> [MatrixResult] {
    let atOnce = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)) + 1)
    var results = [MatrixResult?](repeating: nil, count: cells.count)
    var running: [Running] = []
    var next = cells.startIndex
    var watched = Self.watchedSignals()
    var before = sigset_t()
    signal(SIGCHLD, SIG_DFL)
    pthread_sigmask(SIG_BLOCK, &watched, &before)
    defer {
      for cell in running {
        kill(-cell.pid, SIGKILL)
        waitpid(cell.pid, nil, 0)
      }
      pthread_sigmask(SIG_SETMASK, &before, nil)
    }
    while next < cells.endIndex || !running.isEmpty {
      while next < cells.endIndex, running.count < atOnce {
        running.append(try start(cells[next], index: next))
        next += 1
      }
      var pause = timespec(tv_sec: 0, tv_nsec: 50_000_000)
      let arrived = sigtimedwait(&watched, nil, &pause)
      if arrived > 0, arrived != SIGCHLD { throw Failure(status: 128 &+ arrived, description: "matrix: stopped") }
      running.removeAll { cell in
        guard let result = ended(cell, cells[cell.index]) else { return false }
        results[cell.index] = result
        return true
      }
    }
    return results.compactMap { $0 }
  }

  private func start(_ cell: MatrixCell, index: Int) throws(Failure) -> Running {
    let output = "\(scratch.path)/cell-\(index)"
    do {
      let file = try FileDescriptor.open(
        FilePath(output), .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
      let errors = try FileDescriptor.open(
        FilePath(output + ".errors"), .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: .ownerReadWrite)
      defer {
        try? file.close()
        try? errors.close()
      }
      let pid = try CapturedCommand.spawn(
        cell.words(executable: executable), output: file.rawValue, errors: errors.rawValue, ownGroup: true)
      return Running(index: index, pid: pid, start: .now, output: output)
    } catch {
      throw .refused("a cell of the matrix cannot be started (\(error))")
    }
  }

  /// The result of a cell that has ended, or whose time is over.
  private func ended(_ running: Running, _ cell: MatrixCell) -> MatrixResult? {
    let elapsed = ContinuousClock.now - running.start
    let milliseconds = Int(elapsed / .milliseconds(1))
    func result(_ word: CellWord, _ reason: String, _ report: CellReport? = nil) -> MatrixResult {
      MatrixResult(cell: cell, word: word, reason: reason, report: report, milliseconds: milliseconds)
    }
    var information = siginfo_t()
    waitid(P_PID, id_t(running.pid), &information, WEXITED | WNOHANG | WNOWAIT)
    let hasEnded = information.si_signo == SIGCHLD
    guard hasEnded || elapsed > .seconds(seconds) else { return nil }
    // Before the cell is waited for, so that its group cannot be anybody else's yet. Whatever a client has left behind
    // ends with it.
    kill(-running.pid, SIGKILL)
    var status: Int32 = 0
    waitpid(running.pid, &status, 0)
    guard hasEnded else { return result(.timeout, "it did not end within \(seconds) seconds") }
    guard let report = CellReport(lines: Self.text(running.output)) else {
      let said = Self.text(running.output + ".errors").split(separator: "\n").last.map(String.init)
      return result(
        .untried, said ?? "it ended with status \(SupervisedCommand.exitStatus(ofWaitStatus: status))")
    }
    let (word, reason) = report.outcome(expecting: cell.image.version)
    return result(word, reason, report)
  }

  private static func text(_ path: String) -> String {
    (try? MountedMachine.readFile(FilePath(path))).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  private static func watchedSignals() -> sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGCHLD, SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
    return signals
  }
}
