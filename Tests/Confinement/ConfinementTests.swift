import Glibc
import Testing

@testable import Confinement

/// What a confined thread meets; each in a process of its own, as nobody gets back what was given up. A process ends with the
/// number of what went through that should not have, or the other way round.
@Suite("Confinement", .serialized, .timeLimit(.minutes(20)))
struct ConfinementTests {
  @Test("A process with threads is not confined, and keeps what it has")
  func threads() throws {
    let before = try Self.status()
    #expect(throws: ConfinementError(call: "threads are running", code: EBUSY)) { try Confinement.confine(keeping: []) }
    #expect(try Self.status() == before)
  }

  @Test("There are no sockets, no programs, no other processes, and nothing to write but what is open")
  func refused() async {
    await #expect(processExitsWith: .success) {
      let open = Glibc.open("/dev/null", O_WRONLY)
      // O_TMPFILE, which glibc only has for _GNU_SOURCE.
      let temporary: Int32 = 0o20_200_000
      try Confinement.confineThread(keeping: [])
      Self.mustFail(1) { socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0) }
      Self.mustFail(2) { execv("/bin/true", CommandLine.unsafeArgv) }
      Self.mustFail(3) { Glibc.open("/tmp", temporary | O_WRONLY, 0o600) }
      Self.mustFail(4) { Glibc.open("/tmp/tdxfs-confinement", O_CREAT | O_RDONLY, 0o600) }
      Self.mustFail(5) { Glibc.open("/dev/null", O_WRONLY) }
      Self.mustFail(6) { Glibc.open("/dev/null", O_RDWR) }
      Self.mustFail(7) { Glibc.open("/dev/null", O_RDONLY | O_TRUNC) }
      Self.mustFail(8) { kill(getppid(), 0) }
      Self.mustFail(9) { chmod("/tmp/tdxfs-confinement", 0o600) }
      Self.mustFail(10) { unlink("/tmp/tdxfs-confinement") }
      Self.mustFail(11) { rename("/tmp/tdxfs-confinement", "/tmp/tdxfs-confinement-2") }
      Self.mustFail(12) { mkdir("/tmp/tdxfs-confinement", 0o700) }
      Self.mustFail(13) { mount("none", "/mnt", "tmpfs", 0, nil) }
      guard write(open, "x", 1) == 1 else { _exit(30) }
      let file = Glibc.open("/proc/thread-self/status", O_RDONLY)
      guard file >= 0, lseek(file, 0, SEEK_SET) == 0, close(file) == 0 else { _exit(31) }
      _exit(0)
    }
  }

  @Test("Who keeps a state file can replace it, and nothing more")
  func stateFile() async {
    await #expect(processExitsWith: .success) {
      try Confinement.confineThread(keeping: [], writingFiles: true)
      let path = "/tmp/tdxfs-confinement-\(getpid())"
      let file = Glibc.open(path + ".new", O_CREAT | O_EXCL | O_WRONLY, 0o600)
      guard file >= 0, write(file, "x", 1) == 1, fsync(file) == 0, close(file) == 0 else { _exit(30) }
      guard rename(path + ".new", path) == 0, unlink(path) == 0 else { _exit(31) }
      Self.mustFail(1) { socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0) }
      Self.mustFail(2) { execv("/bin/true", CommandLine.unsafeArgv) }
      Self.mustFail(3) { kill(getppid(), 0) }
      Self.mustFail(4) { mkdir(path, 0o700) }
      _exit(0)
    }
  }

  @Test("It and the threads that it starts have what was kept, and can get no more")
  func status() async {
    await #expect(processExitsWith: .success) {
      let isRoot = geteuid() == 0
      try Confinement.confineThread(keeping: isRoot ? [.readSearch, .admin] : [])
      let kept = isRoot ? "0000000000200004" : "0000000000000000"
      let expected = ["NoNewPrivs": "1", "Seccomp": "2", "CapEff": kept, "CapPrm": kept, "CapInh": "0000000000000000"]
      let own = try Self.status()
      guard expected.allSatisfy({ own[$0] == $1 }) else { _exit(1) }
      guard !isRoot || own["CapBnd"] == "0000000000000000" else { _exit(2) }
      var thread = pthread_t()
      pthread_create(
        &thread, nil,
        { _ in
          let status = try? Self.status()
          for (key, value) in [("NoNewPrivs", "1"), ("Seccomp", "2")] where status?[key] != value { _exit(3) }
          if geteuid() == 0, status?["CapEff"] != "0000000000200004" { _exit(4) }
          return nil
        }, nil)
      pthread_join(thread, nil)
      _exit(0)
    }
  }

  /// Ends the process with `number` unless `call` fails with EPERM.
  private static func mustFail(_ number: Int32, _ call: () -> Int32) {
    errno = 0
    guard call() == -1, errno == EPERM else { _exit(number) }
  }

  /// The calling thread's lines of proc_pid_status(5).
  private static func status() throws -> [String: String] {
    let file = try #require(fopen("/proc/thread-self/status", "re"))
    defer { fclose(file) }
    var lines: [String: String] = [:]
    var line: UnsafeMutablePointer<CChar>?
    var room = 0
    defer { free(line) }
    while getline(&line, &room, file) > 0, let text = line.map({ String(cString: $0) }) {
      let parts = text.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { lines[String(parts[0])] = String(parts[1].filter { !$0.isWhitespace }) }
    }
    return lines.filter { ["NoNewPrivs", "Seccomp"].contains($0.key) || $0.key.hasPrefix("Cap") }
  }
}
