import Glibc
import SystemPackage
import Testing

@testable import FuseKit

extension FuseKitTests {
  @Suite
  struct NotifierTests {
    @Test func `An expired or dropped name is looked up anew, and no other`() async throws {
      try await withMount { mount in
        let asked = Counter()
        mount.filesystem.onLookup.withLock { $0 = { asked.add() } }
        let path = mount.file(.plain).string
        mount.filesystem.wait { $0.notifier != nil }
        let notifier = try #require(mount.filesystem.with { $0.notifier })
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(stat(path, &status) == 0)
        #expect(asked.count == 1)
        notifier.expire("plain", in: .root)
        #expect(stat(path, &status) == 0)
        #expect(asked.count == 2)
        notifier.invalidate("plain", in: .root)
        #expect(stat(path, &status) == 0)
        #expect(asked.count == 3)
        notifier.expire("page", in: .root)
        #expect(stat(path, &status) == 0)
        #expect(asked.count == 3)
      }
    }

    @Test func `Cached pages stay until they are invalidated, and can be stored`() async throws {
      try await withMount { mount in
        let node = mount.filesystem.node(.cached)
        mount.filesystem.with { $0.contents[node] = Array("first".utf8) }
        mount.filesystem.wait { $0.notifier != nil }
        let notifier = try #require(mount.filesystem.with { $0.notifier })
        let file = try FileDescriptor.open(mount.file(.cached), .readOnly)
        #expect(try file.text() == "first")
        mount.filesystem.with { $0.contents[node] = Array("other".utf8) }
        #expect(try file.text() == "first")
        notifier.invalidate(node)
        #expect(try file.text() == "other")
        notifier.store(Array("third".utf8), in: node, at: 0)
        #expect(try file.text() == "third")
        try file.close()
      }
    }

    @Test func `A notifier outlives its mount without harm`() async throws {
      let notifier = try await withMount { mount in
        _ = access(mount.file(.plain).string, F_OK)
        return try #require(mount.filesystem.with { $0.notifier })
      }
      notifier.invalidate("plain", in: .root)
      notifier.expire("plain", in: .root)
      notifier.invalidate(.root)
      notifier.store([1], in: .root, at: 0)
    }
  }
}
