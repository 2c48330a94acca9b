import ModuleImage
import SystemPackage
import Testing

@testable import Platform

#if canImport(Glibc)
  import Glibc
#endif

/// `state=FILE`, without a mount around it.
@Suite("The state file", .timeLimit(.minutes(20)))
struct StateFileTests {
  /// A directory for one test.
  private func withDirectory(_ body: (FilePath) throws -> Void) throws {
    var template = Array("/tmp/tdxfs-state.XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&template).map { FilePath(platformString: $0) })
    defer { for name in ["state", "state.lock", "state.new", ""] { _ = remove(path.appending(name).string) } }
    try body(path)
  }

  private func contents(_ path: FilePath) throws -> [UInt8] {
    let file = try FileDescriptor.open(path, .readOnly)
    defer { try? file.close() }
    var bytes = [UInt8](repeating: 0, count: 1 << 24)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0) }
    return Array(bytes.prefix(count))
  }

  @Test("a machine that was kept goes on, and its log says from where")
  func kept() throws {
    try withDirectory { directory in
      let path = directory.appending("state")
      let bench = try Bench(SnapshotTests.options)
      do {
        let file = try StateFile(path: path)
        #expect(try !file.load(into: bench.machine))
        file.save(bench.machine)
        bench.machine.onSettled = { [unowned machine = bench.machine] in file.save(machine) }
        #expect(try bench.update(to: Images.forge("1.5.28")).isEmpty)
        bench.machine.onSettled = nil
      }
      let other = try Bench(SnapshotTests.options)
      let file = try StateFile(path: path)
      #expect(try file.load(into: other.machine))
      other.machine.worker.drain()
      #expect(try other.read("version") == "1.5.28\n")
      #expect(try other.read("\(other.upload)/status") == "idle\n")
      #expect(other.status("remaining_updates") == "14")
      #expect(other.log.contains { $0.hasPrefix("tdxfs: restored from \(path), saved at 20") }, "\(other.log)")
    }
  }

  @Test("nothing is written when nothing has happened")
  func unchanged() throws {
    try withDirectory { directory in
      let path = directory.appending("state")
      let bench = try Bench(SnapshotTests.options)
      let file = try StateFile(path: path)
      file.save(bench.machine)
      #expect(unlink(path.string) == 0)
      file.save(bench.machine)
      #expect(access(path.string, F_OK) != 0)
      _ = try bench.machine.power(.reboot)
      file.save(bench.machine)
      #expect(access(path.string, F_OK) == 0)
    }
  }

  @Test("a second user of the file is refused, as long as there is a first")
  func locked() throws {
    try withDirectory { directory in
      let path = directory.appending("state")
      do {
        let first = try StateFile(path: path)
        #expect(throws: SnapshotError.self) { try StateFile(path: path) }
        withExtendedLifetime(first) {}
      }
      _ = try StateFile(path: path)
    }
  }

  @Test("a file that is no state is refused and stays as it is")
  func refused() throws {
    try withDirectory { directory in
      let path = directory.appending("state")
      let junk = Array("something else\n".utf8)
      let made = try FileDescriptor.open(path, .writeOnly, options: [.create], permissions: [.ownerReadWrite])
      _ = try made.writeAll(junk)
      try made.close()
      let bench = try Bench(SnapshotTests.options)
      let file = try StateFile(path: path)
      do throws(SnapshotError) {
        _ = try file.load(into: bench.machine)
        Issue.record("taken")
      } catch {
        #expect(error.description.hasPrefix("state=\(path): this is no snapshot of tdxfs"))
      }
      #expect(try contents(path) == junk)
    }
  }

  @Test("a directory that takes no new file: the log and last_error say so, and the old file stays whole")
  func unwritable() throws {
    try withDirectory { directory in
      let path = directory.appending("state")
      let bench = try Bench(SnapshotTests.options)
      let file = try StateFile(path: path)
      file.save(bench.machine)
      let old = try contents(path)
      // In the way of the new file, also for root.
      #expect(mkdir(path.string + ".new", 0o700) == 0)
      defer { rmdir(path.string + ".new") }
      for _ in 0..<2 {
        _ = try bench.machine.power(.reboot)
        file.save(bench.machine)
        #expect(bench.machine.lastControlError().contains("could not be saved to \(path)"))
      }
      #expect(try contents(path) == old)
      #expect(rmdir(path.string + ".new") == 0)
      file.save(bench.machine)
      #expect(try contents(path) != old)
    }
  }
}
