import Glibc
import SystemPackage
import Testing

@testable import FuseKit

extension FuseKitTests {
  /// fuse-limits.md rows 26 to 28 for every size of a write request that may be agreed: what a file that takes 4096
  /// bytes a call sees of large and of scattered writes.
  @Suite
  struct WriteSizeTests {
    static let sizes = [1, 4097, 8192, 65536, 1 << 20, 1 << 24]

    @Test(arguments: sizes)
    func `One write of any size takes 4096 bytes in one request`(maximum: Int) async throws {
      try await withMount({ $0.maximumWrite = maximum }) { mount in
        let file = try FileDescriptor.open(mount.file(.page), .writeOnly)
        for count in [4096, 4097, 8192, 100_000, 8 << 20] {
          #expect(try file.write(ones: count) == 4096)
        }
        #expect(mount.filesystem.with { $0.written.count } == 5)
        try file.close()
      }
    }

    @Test(arguments: sizes)
    func `writev of three times 3000 bytes is one request`(maximum: Int) async throws {
      try await withMount({ $0.maximumWrite = maximum }) { mount in
        let file = try FileDescriptor.open(mount.file(.page), .writeOnly)
        #expect(scatter(file, segments: 3, of: 3000) == 4096)
        #expect(mount.filesystem.with { $0.written.count } == 1)
        try file.close()
      }
    }

    @Test(arguments: sizes)
    func `writev of 256 segments is one request, of 300 two`(maximum: Int) async throws {
      try await withMount({ $0.maximumWrite = maximum }) { mount in
        let file = try FileDescriptor.open(mount.file(.page), .writeOnly)
        #expect(scatter(file, segments: 256, of: 1) == 256)
        #expect(mount.filesystem.with { $0.written } == [256])
        #expect(scatter(file, segments: 300, of: 1) == 300)
        #expect(mount.filesystem.with { $0.written } == [256, 256, 44])
        #expect(scatter(file, segments: 128, of: 32) == 4096)
        #expect(mount.filesystem.with { $0.written.last } == 4096)
        try file.close()
      }
    }

    @Test(arguments: sizes)
    func `sendfile brings 10000 bytes in one call`(maximum: Int) async throws {
      try await withMount({ $0.maximumWrite = maximum }) { mount in
        let path = try makeDirectory()
        defer { rmdir(path) }
        let source = try FileDescriptor.open(
          FilePath(path + "/source"), .readWrite, options: .create, permissions: .ownerReadWrite)
        defer { unlink(path + "/source") }
        _ = try source.write(ones: 10_000)
        let file = try FileDescriptor.open(mount.file(.page), .writeOnly)
        var offset = off_t(0)
        #expect(sendfile(file.rawValue, source.rawValue, &offset, 10_000) == 10_000)
        try file.close()
        try source.close()
      }
    }

    /// Each segment begins so near the end of a page that it reaches into the next, if it has two bytes.
    private func scatter(_ file: FileDescriptor, segments: Int, of size: Int) -> Int {
      let stride = 8192
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: segments * stride, alignment: 4096)
      defer { memory.deallocate() }
      guard let base = memory.baseAddress else { return -1 }
      memory.initializeMemory(as: UInt8.self, repeating: 1)
      let start = 4096 - (size + 1) / 2
      var vector = (0..<segments).map { iovec(iov_base: base + $0 * stride + start, iov_len: size) }
      return writev(file.rawValue, &vector, Int32(segments))
    }
  }
}

@_silgen_name("sendfile")
private func sendfile(_ out: Int32, _ in: Int32, _ offset: UnsafeMutablePointer<off_t>, _ count: Int) -> Int
