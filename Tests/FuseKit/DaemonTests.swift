import Glibc
import SystemPackage
import Testing

@testable import FuseKit

extension FuseKitTests {
  /// `Daemon.fork` in a process of its own; that process has threads, which `detach` refuses.
  @Suite
  struct DaemonTests {
    @Test func `With threads running nobody goes into the background`() {
      #expect(throws: Daemon.Failure.threadsAreRunning) { try Self.outcome { try Daemon.detach() } }
    }

    @Test func `The parent gets the child's reason`() async {
      await #expect(processExitsWith: .success) {
        switch try Daemon.fork() {
        case .child(let report):
          report.failed("the reason")
          _exit(0)
        case .parent(let outcome):
          _exit(outcome == .failed("the reason") ? 0 : 1)
        }
      }
    }

    @Test func `A child that ends without a word has failed`() async {
      await #expect(processExitsWith: .success) {
        switch try Daemon.fork() {
        case .child: _exit(0)
        case .parent(let outcome):
          _exit(outcome == .failed("the daemon ended before the mount was usable") ? 0 : 1)
        }
      }
    }

    @Test func `The parent returns when the mount is usable; SIGTERM to the child unmounts`() async {
      await #expect(processExitsWith: .success) {
        let path = try makeDirectory()
        switch try Daemon.fork() {
        case .child(let report):
          do throws(SessionError) {
            let session = try Session(
              mounting: MemoryFilesystem(), at: path, options: SessionOptions(source: "a", subtype: "fusekit"))
            report.ready()
            try session.serve(stoppingOnSignals: true)
            _exit(0)
          } catch {
            _exit(1)
          }
        case .parent(let outcome):
          guard outcome == .ready else { _exit(2) }
          // The child leads a session of its own, and answers.
          guard access(path + "/caller", F_OK) == 0 else { _exit(3) }
          let child = Self.onlyChild()
          guard getsid(child) == child, kill(child, SIGTERM) == 0 else { _exit(4) }
          guard finish(child) == 0 else { _exit(5) }
          _exit(rmdir(path) == 0 ? 0 : 6)
        }
      }
    }

    private static func outcome(_ body: () throws -> Daemon.Side) throws {
      switch try body() {
      case .parent: return
      case .child: _exit(0)
      }
    }

    /// Out of /proc/self/task/TID/children, of every thread.
    static func onlyChild() -> pid_t {
      guard let directory = opendir("/proc/self/task") else { return -1 }
      defer { closedir(directory) }
      while let entry = readdir(directory) {
        let thread = withUnsafeBytes(of: &entry.pointee.d_name) {
          String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        guard let file = try? FileDescriptor.open("/proc/self/task/\(thread)/children", .readOnly) else { continue }
        let text = (try? file.text()) ?? ""
        try? file.close()
        if let child = text.split(separator: " ").first.flatMap({ pid_t($0) }) { return child }
      }
      return -1
    }
  }
}
