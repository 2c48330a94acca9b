import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A mount point, and a file that keeps its machine, for daemons that come to harm.
struct Ground {
  /// The mount point.
  let place: String
  /// A directory for whatever the test leaves behind.
  let files: String
  let machine: Machine

  /// `state=` for a file that outlives the daemons.
  var state: String { "state=\(files)/state" }

  /// Hands a ground to `body`, and unmounts whatever it has left there.
  static func prepared(_ body: (Ground) async throws -> Void) async throws {
    let place = try TemporaryDirectory()
    defer { place.remove() }
    let files = try TemporaryDirectory()
    defer { files.remove() }
    let ground = Ground(place: place.path, files: files.path, machine: Machine(root: place.path))
    let result = await Result { () async throws in try await body(ground) }
    while try ground.mounts > 0 { _ = try await Command.run(["umount", "-l", place.path]) }
    try result.get()
  }

  /// How many filesystems are mounted on the place, one over the other.
  var mounts: Int {
    get throws {
      try File.read("/proc/mounts").split(separator: "\n").count {
        $0.split(separator: " ").dropFirst().first == place[...]
      }
    }
  }

  /// The processes that have the place in their command line.
  func daemons() async throws -> [pid_t] {
    try await Command.run(["pgrep", "-f", "--", place]).output.split(separator: "\n").compactMap { pid_t($0) }
  }

  /// Unmounts as people do, and waits for the daemon's end. Tests that run beside this one may hold the mount for a moment, with
  /// descriptors that their commands inherit until exec.
  func unmount() async throws -> Bool {
    let isUnmounted = try await eventually(within: 20) {
      try await Command.run(["fusermount3", "-u", place]).status == 0
    }
    guard isUnmounted else { return false }
    return try await eventually(within: 20) { try await daemons().isEmpty }
  }

  /// Starts a daemon that stays in the foreground, with `options`, through the command `wrapper`.
  func start(_ options: String, through wrapper: [String] = []) throws -> Server {
    let errors = files + "/errors"
    if File.exists(errors) { unlink(errors) }
    let pid = try Command.spawn(
      wrapper + [try Tdxfs.binary(), place, "-f", "-o", options], output: "/dev/null", errors: errors)
    return Server(process: Running(pid: pid), errorFile: errors)
  }

  /// As ``start(_:through:)``, and waits until clients are served.
  func serve(_ options: String, through wrapper: [String] = [], sourceLocation: SourceLocation = #_sourceLocation)
    async throws -> Server
  {
    let server = try start(options, through: wrapper)
    let isServed = try await eventually(within: 30) {
      // What the kernel remembers of a dead mount is no answer.
      machine.errorOfReading("version") == nil || server.process.hasEnded
    }
    try #require(isServed && !server.process.hasEnded, "\(server.errors)", sourceLocation: sourceLocation)
    return server
  }

  /// Starts `script` with sh in the mount point.
  func client(_ script: String, output: String? = nil) throws -> Running {
    let output = output ?? files + "/client"
    if File.exists(output) { unlink(output) }
    return Running(
      pid: try Command.spawn(
        ["env", "-C", place, "sh", "-uc", script], output: output, errors: files + "/client-errors"))
  }

  /// The lines that the client has said.
  func said() throws -> [Substring] { try File.read(files + "/client").split(separator: "\n") }

  /// What the client has said on stderr.
  var clientErrors: String { (try? File.read(files + "/client-errors")) ?? "" }

  /// The number behind `key` in `.tdxfs/status`.
  func number(_ key: String) throws -> Int? { try machine.value(of: key, in: "status").flatMap { Int($0) } }
}

/// A daemon that a test has started.
struct Server {
  let process: Running
  fileprivate let errorFile: String

  init(process: Running, errorFile: String) {
    self.process = process
    self.errorFile = errorFile
  }

  /// What it has said on stderr.
  var errors: String { (try? File.read(errorFile)) ?? "" }

  /// Sends it `signal` and waits for its end; how it ended, nil when it did not.
  func end(by signal: Int32 = SIGTERM) async throws -> Int32? {
    kill(process.pid, signal)
    return try await process.end()
  }
}

/// A process that a test has started and that leads a group of its own.
final class Running {
  let pid: pid_t
  private var status: Int32?

  init(pid: pid_t) { self.pid = pid }

  /// Whether it has ended.
  var hasEnded: Bool {
    if status != nil { return true }
    var raw: Int32 = 0
    guard waitpid(pid, &raw, WNOHANG) == pid else { return false }
    let signal = raw & 0x7F
    status = signal == 0 ? (raw >> 8) & 0xFF : 128 + signal
    return true
  }

  /// Waits for its end: its status as a shell gives it. Nil when it hangs: it and its group are then killed.
  func end(within seconds: Int = 20) async throws -> Int32? {
    if try await eventually(within: seconds, { hasEnded }) { return status }
    kill(-pid, SIGKILL)
    waitpid(pid, nil, 0)
    return nil
  }
}

/// Chance that can be repeated: SplitMix64 from `TDXFS_FAULT_SEED`, else from a seed of the system's.
struct Chance {
  /// What repeats the run, for the comments of expectations.
  let name: Comment
  private var state: UInt64

  init() {
    state = Tdxfs.environment("TDXFS_FAULT_SEED").flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1_000_000)
    name = "TDXFS_FAULT_SEED=\(state)"
  }

  /// How many rounds to play: `count`, or so many times as many as `TDXFS_FAULT_ROUNDS` says.
  static func rounds(_ count: Int) -> Range<Int> {
    0..<(count * (Tdxfs.environment("TDXFS_FAULT_ROUNDS").flatMap { Int($0) } ?? 1))
  }

  /// A number below `bound`.
  mutating func number(below bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
  }

  /// Waits up to `milliseconds`.
  mutating func wait(upTo milliseconds: Int) async throws {
    try await Task.sleep(for: .microseconds(number(below: milliseconds * 1000)))
  }
}
