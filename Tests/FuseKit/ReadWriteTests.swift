import Glibc
import SystemPackage
import Testing

@testable import FuseKit

extension FuseKitTests {
  @Suite
  struct ReadWriteTests {
    @Test func `What is written is read back, and a read behind the end gives nothing`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.plain), .readWrite)
        #expect(try file.writeAll("hello, kernel".utf8) == 13)
        #expect(try file.text() == "hello, kernel")
        #expect(try file.text(5, at: 7) == "kerne")
        #expect(try file.bytes(10, at: 13) == [])
        var status = stat()
        #expect(fstat(file.rawValue, &status) == 0)
        #expect(status.st_size == 13)
        try file.close()
        mount.filesystem.wait { $0.openFiles.isEmpty }
      }
    }

    @Test func `With direct I/O text is longer than st_size says, and a short answer ends the read`() async throws {
      try await withMount { mount in
        mount.filesystem.with { $0.contents[mount.filesystem.node(.page)] = [UInt8](repeating: 7, count: 5000) }
        let file = try FileDescriptor.open(mount.file(.page), .readOnly)
        var status = stat()
        #expect(fstat(file.rawValue, &status) == 0)
        #expect(status.st_size == 0)
        #expect(try file.bytes(100_000) == [UInt8](repeating: 7, count: 4096))
        #expect(try file.bytes(100_000, at: 4096) == [UInt8](repeating: 7, count: 904))
        try file.close()
      }
    }

    @Test func `What is answered at once never reaches libfuse, and is answered the same`() async throws {
      try await withMount { mount in
        mount.filesystem.with { $0.contents[mount.filesystem.node(.atOnce)] = Array(0...255) + Array("end".utf8) }
        let file = try FileDescriptor.open(mount.file(.atOnce), .readOnly)
        #expect(try file.bytes(100_000) == Array(0...255) + Array("end".utf8))
        #expect(try file.text(2, at: 256) == "en")
        #expect(try file.bytes(10, at: 259) == [])
        #expect(throws: Errno.noData) { try file.bytes(10, at: 260) }
        #expect(throws: Errno.permissionDenied) { _ = try FileDescriptor.open(mount.file(.atOnce), .writeOnly) }
        // Others on the same mount go on through libfuse.
        let other = try FileDescriptor.open(mount.file(.late), .readOnly)
        #expect(try other.text() == "late")
        try other.close()
        try file.close()
        mount.filesystem.wait { $0.openFiles.isEmpty }
        // An open, four reads, a release.
        #expect(mount.filesystem.with { $0.answeredAtOnce } == 6)
      }
    }

    @Test func `stat shows every field of an answer at once`() async throws {
      try await withMount { mount in
        var status = stat()
        #expect(stat(mount.file(.atOnce).string, &status) == 0)
        #expect(status.st_ino == mount.filesystem.node(.atOnce).rawValue)
        #expect(status.st_mode == S_IFREG | 0o644)
        #expect(status.st_size == 1 << 40 | 7)
        #expect(status.st_blocks == 1 << 33)
        #expect(status.st_nlink == 9)
        #expect(status.st_blksize == 4096)
        #expect(status.st_atim.tv_sec == 1 << 33 && status.st_atim.tv_nsec == 999_999_999)
        #expect(status.st_mtim.tv_sec == -5 && status.st_mtim.tv_nsec == 1)
        #expect(status.st_ctim.tv_sec == 3 && status.st_ctim.tv_nsec == 4)
        let handles = mount.filesystem.with { $0.attributesAtOnce }
        #expect(!handles.isEmpty && handles.allSatisfy { $0 == nil })
      }
    }

    @Test func `A validity is told in seconds and nanoseconds, whatever it is`() {
      let told = [0, 1.5, -3, .infinity, .nan, 1e300, 0.999_999_999_9, 1e9].map { (seconds: Double) in
        let validity = Validity(seconds: seconds)
        return [validity.wholeSeconds, UInt64(validity.nanoseconds)]
      }
      #expect(
        told == [
          [0, 0], [1, 500_000_000], [0, 0], [.max, 0], [0, 0], [.max, 0], [0, 999_999_999], [1_000_000_000, 0],
        ])
    }

    @Test func `What does not fit into an answer at once comes through libfuse, and whole`() async throws {
      try await withMount { mount in
        let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        mount.filesystem.with { $0.contents[mount.filesystem.node(.atOnce)] = content }
        let file = try FileDescriptor.open(mount.file(.atOnce), .readOnly)
        #expect(try file.bytes(100_000) == content)
        #expect(try file.bytes(4097) == Array(content.prefix(4097)))
        #expect(mount.filesystem.with { $0.answeredAtOnce } == 1)
        #expect(try file.bytes(4096) == Array(content.prefix(4096)))
        #expect(try file.bytes(100_000, at: 10_000 - 4096) == Array(content.suffix(4096)))
        #expect(mount.filesystem.with { $0.answeredAtOnce } == 3)
        try file.close()
        mount.filesystem.wait { $0.openFiles.isEmpty }
      }
    }

    @Test func `An answer that takes less than was written is a short write`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.page), .writeOnly)
        #expect(try file.write(ones: 10_000) == 4096)
        #expect(try file.write(ones: 4096) == 4096)
        #expect(try file.write(ones: 1) == 1)
        try file.close()
      }
    }

    @Test func `Each request names its caller, and whether a process or the page cache reads`() async throws {
      try await withMount { mount in
        let file = try FileDescriptor.open(mount.file(.caller), .readOnly)
        #expect(try file.text() == "\(getuid()) \(getgid()) \(try threadID()) false")
        try file.close()
      }
    }

    @Test func `A thousand reads of eight threads each get their own answer`() async throws {
      try await withMount { mount in
        let content = (0..<4000).map { UInt8(truncatingIfNeeded: $0 / 16) }
        mount.filesystem.with { $0.contents[mount.filesystem.node(.plain)] = content }
        let file = try FileDescriptor.open(mount.file(.plain), .readOnly)
        let wrong = Counter()
        let threads = (0..<8).map { thread in
          FuseKit.Thread {
            for index in 0..<125 {
              let offset = (thread * 125 + index) % 250 * 16
              let bytes = try? file.bytes(16, at: Int64(offset))
              if bytes != [UInt8](repeating: UInt8(offset / 16), count: 16) { wrong.add() }
            }
          }
        }
        for thread in threads { thread.join() }
        #expect(wrong.count == 0)
        try file.close()
      }
    }

    @Test func `Truncation is a setattr of the size, and comes after the open`() async throws {
      try await withMount { mount in
        mount.filesystem.with { $0.contents[mount.filesystem.node(.plain)] = Array("longer".utf8) }
        let file = try FileDescriptor.open(mount.file(.plain), .readWrite, options: .truncate)
        #expect(mount.filesystem.with { $0.contents[mount.filesystem.node(.plain)] } == [])
        try file.close()
      }
    }

    @Test func `SEEK_DATA and SEEK_HOLE ask the filesystem`() async throws {
      try await withMount { mount in
        mount.filesystem.with { $0.contents[mount.filesystem.node(.plain)] = Array("12345".utf8) }
        let file = try FileDescriptor.open(mount.file(.plain), .readOnly)
        #expect(lseek(file.rawValue, 2, 3) == 2)
        #expect(lseek(file.rawValue, 2, 4) == 5)
        #expect(errnoOf(lseek(file.rawValue, 5, 3)) == Errno(rawValue: ENXIO))
        try file.close()
      }
    }
  }
}
