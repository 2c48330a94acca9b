import Basics
import Glibc
import SystemPackage
import Testing

@testable import FuseKit

extension FuseKitTests {
  @Suite
  struct SessionTests {
    @Test func `Unmounting from outside ends serving`() async throws {
      try await withMount { mount in
        // The first request says that the session runs.
        #expect(access(mount.file(.plain).string, F_OK) == 0)
        run("/usr/bin/fusermount3", "-u", mount.path)
        #expect(mount.waitForEnd() == nil)
        #expect(mount.filesystem.with { $0.stops } == 1)
      }
    }

    @Test func `Stopping ends serving without a request and unmounts, also with a file open`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.plain), .readOnly)
        mount.control.stop()
        mount.control.stop()
        #expect(mount.waitForEnd() == nil)
        #expect(mount.filesystem.with { $0.stops } == 1)
        #expect(errnoOf(Int(access(mount.file(.plain).string, F_OK))) == .noSuchFileOrDirectory)
        #expect(errnoOf { _ = try file.bytes(1) } == Errno(rawValue: ENOTCONN))
        try? file.close()
      }
    }

    @Test func `Stopping works at any moment of many`() async throws {
      for _ in 0..<30 {
        try await withMount { mount in
          mount.control.stop()
          #expect(mount.waitForEnd() == nil)
        }
      }
    }

    @Test func `A handler may stop the session that it serves`() async throws {
      try await withMount { mount in
        let control = mount.control
        mount.filesystem.onLookup.withLock { $0 = { control.stop() } }
        _ = access(mount.file(.plain).string, F_OK)
        #expect(mount.waitForEnd() == nil)
      }
    }

    @Test func `A session that is never served is unmounted when it is dropped`() async throws {
      try await onThread {
        let path = try makeDirectory()
        defer { rmdir(path) }
        do {
          let session = try Session(
            mounting: MemoryFilesystem(), at: path, options: SessionOptions(source: "a", subtype: "fusekit"))
          _ = session.control
        }
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(rmdir(path) == 0)
      }
    }

    @Test func `What is mounted over the place later is left alone`() async throws {
      try await withMount { mount in
        // An open file keeps the detached mount alive.
        let file = try FileDescriptor.open(mount.file(.plain), .readOnly)
        run("/usr/bin/fusermount3", "-uzq", mount.path)
        #expect(Glibc.mount("later", mount.path, "tmpfs", 0, nil) == 0)
        #expect(mkdir(mount.path + "/mark", 0o755) == 0)
        mount.control.stop()
        #expect(mount.waitForEnd() == nil)
        #expect(access(mount.path + "/mark", F_OK) == 0)
        #expect(umount2(mount.path, 0) == 0)
        try? file.close()
      }
    }

    @Test func `SIGTERM, SIGINT and SIGHUP end serving, whichever thread they hit`() async throws {
      for number in [SIGTERM, SIGINT, SIGHUP] {
        let path = try makeDirectory()
        try await onThread {
          defer { rmdir(path) }
          let filesystem = MemoryFilesystem()
          let server = FuseKit.Thread {
            guard
              let session = try? Session(
                mounting: filesystem, at: path, options: SessionOptions(source: "a", subtype: "fusekit"))
            else { return }
            try? session.serve(stoppingOnSignals: true)
          }
          filesystem.wait { $0.notifier != nil }
          kill(getpid(), number)
          server.join()
          #expect(filesystem.with { $0.stops } == 1)
          // The previous handlers are back.
          var action = sigaction()
          #expect(sigaction(number, nil, &action) == 0)
          #expect(action.__sigaction_handler.sa_handler == nil)
        }
      }
    }

    @Test func `Each thing that can be wrong with a mount has its own line`() async throws {
      let options = SessionOptions(source: "a", subtype: "fusekit")
      func attempt(_ path: String, _ options: SessionOptions) -> SessionError? {
        do throws(SessionError) {
          _ = try Session(mounting: MemoryFilesystem(), at: path, options: options)
          return nil
        } catch {
          return error
        }
      }
      let path = try makeDirectory()
      defer { rmdir(path) }
      #expect(attempt(path + "/none", options) == .mountPointMissing(path + "/none"))
      #expect(attempt("/proc/self/status", options) == .mountPointNotDirectory("/proc/self/status"))
      #expect(attempt("/proc/self/status/x", options) == .mountPointNotDirectory("/proc/self/status/x"))
      var wrong = options
      wrong.mountOptions = ["suid", "frobnicate=1"]
      #expect(attempt(path, wrong) == .optionRefused(reason: "unknown option(s): `-o frobnicate=1'"))
      #expect(
        attempt(path, wrong)?.description == "mount option refused: unknown option(s): `-o frobnicate=1'")
      wrong.mountOptions = ["blksize=4096"]
      #expect(attempt(path, wrong) == .optionRefused(reason: "mount failed: Invalid argument"))
    }
  }
}
