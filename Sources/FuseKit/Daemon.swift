import Basics
import CFuse3
import Glibc
import SystemPackage

/// Going into the background: a child serves, and the parent returns when the child has said how it went.
///
/// The child executes the program anew. One that only forks must not have a second thread: Swift's runtime remembers the
/// number of a thread and does not notice fork(2), so whoever meets a lock of the runtime (`swift_once`, a PI futex) that such
/// a child's first thread holds finds no owner, and waits for it for ever.
public enum Daemon {
  /// Which of the two processes this is.
  public enum Side: ~Copyable {
    /// The process that was started; the child has reported.
    case parent(Outcome)
    /// The process that stays. It mounts, then reports.
    case child(Report)
  }

  /// How the child's start went.
  public enum Outcome: Hashable, Sendable {
    /// The mount is usable.
    case ready
    /// It is not, for this reason: one line for the user.
    case failed(String)
  }

  /// Why there is no child.
  public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Only the calling thread would live on in the child, and locks of the others would stay held.
    case threadsAreRunning
    /// pipe(2) or fork(2) failed.
    case noProcess(Errno)

    /// One line for the user.
    public var description: String {
      switch self {
      case .threadsAreRunning: "can't go into the background: threads are running already"
      case .noProcess(let error): "can't go into the background: \(error)"
      }
    }
  }

  /// Starts this program with the same words a second time, in a session of its own (setsid(2)), and returns here after that
  /// one's report; returns there at once, when it comes to the same call. To be called before any thread is started, and
  /// after nothing that must not be done twice.
  public static func detach() throws(Failure) -> Side {
    if let report = Report.inherited() { return .child(report) }
    guard ThreadCount.now <= 1 else { throw .threadsAreRunning }
    switch try fork() {
    case .parent(let outcome): return .parent(outcome)
    case .child(let report): report.executeProgram()
    }
  }

  static func fork() throws(Failure) -> Side {
    var ends: [Int32] = [-1, -1]
    guard cfuse3_pipe(&ends) == 0 else { throw .noProcess(Errno(rawValue: errno)) }
    let (read, write) = (ends[0], ends[1])
    let child = cfuse3_fork()
    switch child {
    case -1:
      let error = Errno(rawValue: errno)
      close(read)
      close(write)
      throw .noProcess(error)
    case 0:
      close(read)
      setsid()
      return .child(Report(pipe: write))
    default:
      close(write)
      defer { close(read) }
      return .parent(wait(for: read))
    }
  }

  private static func wait(for pipe: Int32) -> Outcome {
    guard let first = nextByte(pipe) else { return .failed("the daemon ended before the mount was usable") }
    if first == Report.readyByte { return .ready }
    var reason: [UInt8] = []
    while reason.count < 4096, let byte = nextByte(pipe) { reason.append(byte) }
    return .failed(String(decoding: reason, as: UTF8.self))
  }

  private static func nextByte(_ pipe: Int32) -> UInt8? {
    var byte: UInt8 = 0
    while true {
      let count = Glibc.read(pipe, &byte, 1)
      if count == 1 { return byte }
      if count < 0, errno == EINTR { continue }
      return nil
    }
  }
}

extension Daemon {
  /// The child's obligation to tell its parent how the start went. Dropped, it tells that it failed.
  public struct Report: ~Copyable {
    static let readyByte: UInt8 = 0
    static let failedByte: UInt8 = 1

    private let pipe: Int32
    /// /dev/null, opened before the process gives up the right to.
    private let null: Int32

    /// Tells the program that was executed where to report.
    private static let variable = "TDXFS_DAEMON_REPORT"

    init(pipe: Int32) {
      self.pipe = pipe
      null = Glibc.open("/dev/null", O_RDWR | O_CLOEXEC)
    }

    /// What the process that executed this one wants to hear; nil when it wants nothing.
    static func inherited() -> Report? {
      guard let value = getenv(variable), let pipe = Int32(String(cString: value)) else { return nil }
      unsetenv(variable)
      var status = stat()
      guard pipe > 2, fstat(pipe, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else { return nil }
      _ = fcntl(pipe, F_SETFD, FD_CLOEXEC)
      // Else it would be "exe".
      if let name = CommandLine.arguments.first.flatMap({ FilePath($0).lastComponent?.string }) {
        _ = cfuse3_name_process(name)
      }
      return Report(pipe: pipe)
    }

    /// Executes this program with the same words; the one that runs then finds the report by ``inherited()``.
    consuming func executeProgram() -> Never {
      _ = fcntl(pipe, F_SETFD, 0)
      setenv(Self.variable, "\(pipe)", 1)
      execv("/proc/self/exe", CommandLine.unsafeArgv)
      failed("can't go into the background: /proc/self/exe: \(Errno(rawValue: errno))")
      _exit(1)
    }

    /// The mount is usable: leaves the working directory and the terminal, and lets the parent return. False when the parent
    /// has gone: somebody has stopped it, and nobody will be told of the mount.
    @discardableResult
    public consuming func ready() -> Bool {
      _ = chdir("/")
      if null >= 0 {
        for descriptor in 0...2 as ClosedRange<Int32> { dup2(null, descriptor) }
        if null > 2 { close(null) }
      }
      let pipe = self.pipe
      discard self
      return Self.send([Self.readyByte], pipe)
    }

    /// It failed; the parent gets `reason`, one line for the user.
    public consuming func failed(_ reason: String) {
      let pipe = self.pipe
      close(null)
      discard self
      _ = Self.send([Self.failedByte] + Array(reason.utf8), pipe)
    }

    deinit {
      close(null)
      _ = Self.send([Self.failedByte] + Array("the daemon gave up".utf8), pipe)
    }

    private static func send(_ bytes: [UInt8], _ pipe: Int32) -> Bool {
      // A parent that has gone is no reason to be killed.
      signal(SIGPIPE, SIG_IGN)
      let count = write(pipe, bytes, bytes.count)
      close(pipe)
      return count == bytes.count
    }
  }
}
