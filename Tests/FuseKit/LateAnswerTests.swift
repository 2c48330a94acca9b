import Glibc
import SystemPackage
import Testing

@testable import FuseKit

extension FuseKitTests {
  @Suite
  struct LateAnswerTests {
    @Test func `A request can be answered by another thread`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.late), .readOnly)
        for _ in 0..<200 { #expect(try file.text() == "late") }
        try file.close()
      }
    }

    @Test func `While one write waits, the serving thread answers others`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.parked), .writeOnly)
        let plain = try FileDescriptor.open(mount.file(.plain), .readWrite)
        let writer = Counter()
        let thread = FuseKit.Thread { if (try? file.write(ones: 77)) == 77 { writer.add() } }
        mount.filesystem.wait { !$0.parkedWrites.isEmpty }
        #expect(try plain.writeAll("meanwhile".utf8) == 9)
        #expect(try plain.text() == "meanwhile")
        #expect(writer.count == 0)
        mount.filesystem.wakeParked()
        thread.join()
        #expect(writer.count == 1)
        try file.close()
        try plain.close()
      }
    }

    @Test func `A request dropped without an answer is EIO for its caller, who does not hang`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.dropped), .readWrite)
        #expect(errnoOf { _ = try file.bytes(10) } == .ioError)
        #expect(errnoOf { _ = try file.write(ones: 10) } == .ioError)
        try file.close()
      }
    }

    @Test func `A parked request that nobody takes is EIO when it is dropped`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.lost), .readOnly)
        #expect(errnoOf { _ = try file.bytes(10) } == .ioError)
        try file.close()
      }
    }

    @Test func `A signal interrupts the caller of a parked request with EINTR, once`() async throws {
      try await withMount { mount in
        WakeSignal.install()
        let file = try FileDescriptor.open(mount.file(.parked), .readOnly)
        let interrupted = Counter()
        let thread = Caller { if errnoOf({ _ = try file.bytes(10) }) == .interrupted { interrupted.add() } }
        mount.filesystem.wait { $0.parked.count == 1 }
        thread.signal(WakeSignal.number)
        thread.join()
        #expect(interrupted.count == 1)
        mount.filesystem.wait { $0.interrupts == 1 }
        // The answer that comes afterwards finds nobody.
        mount.filesystem.wakeParked()
        #expect(mount.filesystem.with { $0.interrupts } == 1)
        try file.close()
      }
    }

    @Test func `A process whose request is parked can be killed`() async throws {
      try await withMount { mount in
        let process = start("/bin/cat", mount.file(.parked).string)
        mount.filesystem.wait { $0.parked.count == 1 }
        kill(process, SIGKILL)
        let status = finish(process)
        #expect(status & 0x7f == SIGKILL)
        mount.filesystem.wait { $0.interrupts == 1 }
      }
    }

    @Test func `Answers and interrupts that race leave every caller with exactly one of them`() async throws {
      try await withMount { mount in
        WakeSignal.install()
        let file = try FileDescriptor.open(mount.file(.parked), .readOnly)
        let (woken, interrupted) = (Counter(), Counter())
        for _ in 0..<300 {
          let thread = Caller {
            switch Result(catching: { try file.text() }) {
            case .success("woken"): woken.add()
            case .failure(Errno.interrupted): interrupted.add()
            case .success, .failure: break
            }
          }
          mount.filesystem.wait { $0.parked.count == 1 }
          thread.signal(WakeSignal.number)
          mount.filesystem.wakeParked()
          thread.join()
        }
        #expect(woken.count + interrupted.count == 300)
        try file.close()
      }
    }

    @Test func `A request that is still parked at unmount is aborted, and a later answer does no harm`() async throws {
      let parked = try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.parked), .readOnly)
        let aborted = Counter()
        let thread = FuseKit.Thread { if errnoOf({ _ = try file.bytes(10) }) != nil { aborted.add() } }
        mount.filesystem.wait { $0.parked.count == 1 }
        mount.control.stop()
        #expect(mount.waitForEnd() == nil)
        thread.join()
        #expect(aborted.count == 1)
        try? file.close()
        return mount.filesystem.with { $0.parked }
      }
      #expect(parked.count == 1)
      for request in parked { request.take()?.reply(bytes: [1, 2, 3]) }
    }
  }
}

/// A thread that can be signalled.
final class Caller: Sendable {
  private let identifier = Identifier()
  private let thread: FuseKit.Thread

  private final class Identifier: @unchecked Sendable {
    var value: pthread_t?
  }

  init(_ body: @escaping @Sendable () -> Void) {
    let identifier = self.identifier
    thread = FuseKit.Thread {
      _ = WakeSignal.unblock()
      identifier.value = pthread_self()
      body()
    }
  }

  /// To be called when the body is known to run.
  func signal(_ number: Int32) {
    if let thread = identifier.value { pthread_kill(thread, number) }
  }

  func join() { thread.join() }
}
