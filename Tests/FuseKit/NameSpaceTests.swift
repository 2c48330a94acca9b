import Glibc
import SystemPackage
import Testing

@testable import FuseKit

extension FuseKitTests {
  @Suite
  struct NameSpaceTests {
    private static let names = MemoryFilesystem.Behaviour.allCases.map(\.rawValue)

    @Test func `A listing has the entries in the filesystem's order, with their inodes and kinds`() async throws {
      try await withMount { mount in
        let entries = list(mount.path)
        #expect(entries.map(\.name) == Self.names)
        #expect(entries.map(\.inode) == Self.names.indices.map { UInt64($0 + 2) })
        #expect(Set(entries.map(\.type)) == [8])
        #expect(entries.map(\.next) == Self.names.indices.map { $0 + 1 })
      }
    }

    @Test func `A directory buffer takes entries as long as there is room`() {
      // struct fuse_dirent: 24 bytes and the name, rounded up to 8.
      var buffer = DirectoryBuffer(capacity: 32 + 40)
      let first = buffer.append(name: "12345678", inode: 5, type: .directory, next: 1)
      let afterFirst = buffer.bytes.count
      let second = buffer.append(name: "123456789", inode: 6, type: .regular, next: 2)
      let third = buffer.append(name: "x", inode: 7, type: .regular, next: 3)
      #expect([first, second, third] == [true, true, false])
      #expect(afterFirst == 32)
      let bytes = Array(buffer.bytes)
      #expect(bytes.count == 72)
      let header: [UInt8] = [5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0]
      #expect(Array(bytes.prefix(32)) == header + Array("12345678".utf8))
    }

    @Test func `What the filesystem does not have is refused as by the kernel`() async throws {
      try await withMount { mount in
        let new = mount.path + "/new"
        let plain = mount.file(.plain).string
        #expect(errnoOf(Int(mkdir(new, 0o755))) == .notPermitted)
        #expect(errnoOf(Int(unlink(plain))) == .notPermitted)
        #expect(errnoOf(Int(rename(plain, new))) == .notPermitted)
        #expect(errnoOf(Int(symlink("x", new))) == .notPermitted)
        #expect(errnoOf(Int(link(plain, new))) == .notPermitted)
        #expect(errnoOf(Int(mkfifo(new, 0o644))) == .notPermitted)
        #expect(
          errnoOf { _ = try FileDescriptor.open(new, .writeOnly, options: .create, permissions: .ownerReadWrite) }
            == .permissionDenied)
        #expect(errnoOf { _ = try FileDescriptor.open(new, .readOnly) } == .noSuchFileOrDirectory)
        // O_TMPFILE on a directory: fuse-limits.md row 9.
        #expect(errnoOf(Int(Glibc.open(mount.path, 0o20200000 | O_RDWR, 0o600))) == .notSupportedOnSocket)
        #expect(errnoOf(Int(truncate(mount.path, 0))) == .isDirectory)
        let directory = Glibc.open(mount.path, O_RDONLY)
        #expect(errnoOf(Int(fsync(directory))) == .invalidArgument)
        Glibc.close(directory)
        let file = try FileDescriptor.open(plain, .readWrite)
        #expect(fsync(file.rawValue) == 0)
        #expect(flock(file.rawValue, LOCK_EX) == 0)
        try file.close()
      }
    }

    @Test func `chmod and chown reach the filesystem and stick`() async throws {
      try await withMount { mount in
        let path = mount.file(.plain).string
        #expect(chmod(path, 0o4712) == 0)
        // chown(2) takes the set-user-id bit away.
        #expect(chown(path, 12, 34) == 0)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode == 0o100712)
        #expect(status.st_uid == 12)
        #expect(status.st_gid == 34)
        let file = try FileDescriptor.open(path, .readOnly)
        #expect(fchown(file.rawValue, ~0, ~0) == 0)
        try file.close()
      }
    }

    @Test func `Extended attributes have a size, a value, a list and an end`() async throws {
      try await withMount { mount in
        let path = mount.file(.plain).string
        #expect(setxattr(path, "trusted.one", "value", 5, 0) == 0)
        #expect(setxattr(path, "trusted.two", "", 0, 0) == 0)
        #expect(getxattr(path, "trusted.one", nil, 0) == 5)
        var value = [UInt8](repeating: 0, count: 16)
        #expect(getxattr(path, "trusted.one", &value, 16) == 5)
        #expect(value.prefix(5) == Array("value".utf8)[...])
        #expect(errnoOf(getxattr(path, "trusted.one", &value, 4)) == Errno(rawValue: ERANGE))
        #expect(errnoOf(getxattr(path, "trusted.none", &value, 16)) == .noData)
        var list = [CChar](repeating: 0, count: 64)
        let count = listxattr(path, &list, 64)
        #expect(list.prefix(max(0, count)) == "trusted.one\0trusted.two\0".utf8CString.dropLast()[...])
        #expect(removexattr(path, "trusted.one") == 0)
        #expect(errnoOf(Int(removexattr(path, "trusted.one"))) == .noData)
        // The largest value there is fits through, although writes are cut much smaller.
        let large = [UInt8](repeating: 9, count: 65536)
        #expect(setxattr(path, "trusted.large", large, large.count, 0) == 0)
        #expect(mount.filesystem.with { $0.values["trusted.large"] } == large)
      }
    }

    @Test func `statfs and /proc/mounts say what the filesystem says`() async throws {
      try await withMount { mount in
        var status = statvfs()
        #expect(statvfs(mount.path, &status) == 0)
        #expect(status.f_blocks == 11)
        #expect(status.f_bfree == 7)
        #expect(status.f_bavail == 5)
        #expect(status.f_files == 3)
        #expect(status.f_namemax == 255)
        // Neither ST_NOSUID (2) nor ST_NODEV (4).
        #expect(status.f_flag & 6 == 0)
        let mounts = try FileDescriptor.open("/proc/self/mounts", .readOnly)
        var text = ""
        while case let more = try mounts.text(65536, at: Int64(text.utf8.count)), !more.isEmpty { text += more }
        try mounts.close()
        let line = text.split(separator: "\n").first { $0.contains(mount.path) }
        #expect(line?.hasPrefix("fusekit-test \(mount.path) fuse.fusekit rw,") == true)
        #expect(line?.contains("default_permissions,allow_other") == true)
      }
    }

    @Test func `The kernel gives back every lookup by the time it is unmounted`() async throws {
      let counts = try await withMount { mount in
        var status = stat()
        for name in Self.names { #expect(stat(mount.path + "/" + name, &status) == 0) }
        #expect(mount.filesystem.with { $0.lookups.count } == Self.names.count)
        // Dropping a name drops the kernel's only use of the node.
        let notifier = mount.filesystem.with { $0.notifier }
        for name in Self.names { notifier?.invalidate(name, in: .root) }
        mount.filesystem.wait { $0.lookups.values.allSatisfy { $0 == 0 } }
        return mount.filesystem.with { $0.lookups.values.map(\.self) }
      }
      #expect(counts == [Int](repeating: 0, count: Self.names.count))
    }

    private func list(_ path: String) -> [(name: String, inode: UInt64, type: UInt8, next: Int)] {
      guard let directory = opendir(path) else { return [] }
      defer { closedir(directory) }
      var result: [(name: String, inode: UInt64, type: UInt8, next: Int)] = []
      while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        result.append((name, UInt64(entry.pointee.d_ino), entry.pointee.d_type, Int(entry.pointee.d_off)))
      }
      return result
    }
  }
}
