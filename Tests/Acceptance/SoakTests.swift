import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// `tools/soak`, for a moment: that it still finds its way about, and leaves nothing behind. The long run is made by hand.
@Suite("The soak tool", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(10)))
struct SoakTests {
  /// What is mounted of the tool's.
  private func mounts() throws -> Int {
    try File.read("/proc/mounts").split(separator: "\n").count { $0.contains("tdxfs-soak.") }
  }

  private func soak(_ words: String...) async throws -> Finished {
    try await Command.run(
      [Tdxfs.sources + "/tools/soak"] + words, variables: ["TDXFS_BINARY": try Tdxfs.binary()], seconds: 120)
  }

  @Test("a second on two machines: counts what it did, and loses nothing")
  func moment() async throws {
    let finished = try await soak("--seconds", "1", "--round", "1", "--only", "v8,killed", "--seed", "1")
    #expect(finished.status == 0, "\(finished)")
    #expect(finished.output.hasSuffix("nothing lost\n"), "\(finished)")
    #expect(finished.output.contains("operations by 29 clients of 2 machines, 1 rounds"), "\(finished)")
    #expect(try mounts() == 0)
  }

  @Test("ended by a signal it unmounts, and its clients go with it")
  func ended() async throws {
    let files = try TemporaryDirectory()
    defer { files.remove() }
    let tool = Running(
      pid: try Command.spawn(
        ["env", "TDXFS_BINARY=\(try Tdxfs.binary())", Tdxfs.sources + "/tools/soak", "--only", "v8", "--seed", "1"],
        output: files.path + "/output", errors: "/dev/null"))
    let isRunning = try await eventually(within: 60) { try mounts() == 1 }
    #expect(isRunning)
    kill(tool.pid, SIGTERM)
    #expect(try await tool.end() == 128 + SIGTERM)
    #expect(try mounts() == 0)
  }

  @Test("wrong usage is told, with status 2", arguments: [["--seed"], ["--round", "x"], ["soon"]])
  func wrongUsage(words: [String]) async throws {
    let finished = try await Command.run([Tdxfs.sources + "/tools/soak"] + words)
    #expect(finished.status == 2 && finished.errors.contains("tools/soak: "), "\(finished)")
  }
}
