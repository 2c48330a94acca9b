import Glibc
import SystemPackage
import Testing

@testable import FuseKit

extension FuseKitTests {
  @Suite
  struct PollTests {
    @Test func `poll gets the events that hold out of those it asked for`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.plain), .readOnly)
        mount.filesystem.setEvents([.readable, .writable, .priority, .error])
        #expect(poll(file, asking: POLLIN | POLLPRI, timeout: 0) == POLLIN | POLLPRI | POLLERR)
        mount.filesystem.setEvents([.readable, .writable])
        #expect(poll(file, asking: POLLIN | POLLPRI, timeout: 0) == POLLIN)
        try file.close()
      }
    }

    @Test func `A sleeping poll is woken from another thread, time and again`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.plain), .readOnly)
        for _ in 0..<50 {
          mount.filesystem.setEvents([.readable])
          let waker = FuseKit.Thread {
            mount.filesystem.waitForSleeper()
            mount.filesystem.setEvents([.readable, .priority, .error])
          }
          #expect(poll(file, asking: POLLPRI, timeout: 20_000) == POLLPRI | POLLERR)
          waker.join()
        }
        try file.close()
      }
    }

    private func poll(_ file: FileDescriptor, asking events: Int32, timeout: Int32) -> Int32 {
      var descriptor = pollfd(fd: file.rawValue, events: Int16(events), revents: 0)
      _ = Glibc.poll(&descriptor, 1, timeout)
      return Int32(descriptor.revents)
    }
  }
}
