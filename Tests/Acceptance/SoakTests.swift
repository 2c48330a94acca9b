import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// `tools/soak`, for a moment: that it still finds its way about, and leaves nothing behind. The long run is made by hand.
@Suite("The soak tool", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct SoakTests {
  /// Hands `body` the words of the tool, which works in a directory of its own, and how much it has mounted there.
  private func withTool(_ body: ([String], () throws -> Int) async throws -> Void) async throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let words = [
      "env", "TDXFS_BINARY=\(try Tdxfs.binary())", "TMPDIR=\(directory.path)", Tdxfs.sources + "/tools/soak",
    ]
    try await body(words) {
      try File.read("/proc/mounts").split(separator: "\n").count { $0.contains(directory.path) }
    }
  }

  @Test("a second on two machines: counts what it did, and loses nothing")
  func moment() async throws {
    try await withTool { tool, mounts in
      let finished = try await Command.run(
        tool + ["--seconds", "1", "--round", "1", "--only", "v8,killed", "--seed", "1"], seconds: 200)
      #expect(finished.status == 0, "\(finished)")
      #expect(finished.output.hasSuffix("nothing lost\n"), "\(finished)")
      #expect(finished.output.contains("clients of 2 machines, 1 rounds"), "\(finished)")
      #expect(try mounts() == 0)
    }
  }

  @Test("a daemon that ends is told as lost, with status 1")
  func loss() async throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let output = directory.path + "/said"
    let running = Running(
      pid: try Command.spawn(
        [
          "env", "TDXFS_BINARY=\(try Tdxfs.binary())", "TMPDIR=\(directory.path)", Tdxfs.sources + "/tools/soak",
          "--only", "v9", "--round", "2", "--seconds", "20", "--seed", "1",
        ], output: output, errors: "/dev/null"))
    // From then on the machine's updates are counted.
    let files = "\(directory.path)/tdxfs-soak.*/v9"
    let daemon = try await Command.run([
      "timeout", "100", "sh", "-uc", "until [ -s \(files)/book ]; do sleep 0.1; done; cat \(files)/pid",
    ])
    let pid = try #require(pid_t(daemon.output.filter(\.isNumber)), "\(daemon)")
    kill(pid, SIGKILL)
    #expect(try await running.end(within: 100) == 1)
    let said = try File.read(output)
    #expect(said.contains("LOST  v9") && said.contains(" v9: the daemon was \(pid), and is []"), "\(said)")
    #expect(said.contains("\nlost:\n") && !said.contains("nothing lost"), "\(said)")
    #expect(try !File.read("/proc/mounts").contains(directory.path))
  }

  @Test("ended by a signal it unmounts, and its clients go with it")
  func ended() async throws {
    try await withTool { tool, mounts in
      let running = Running(
        pid: try Command.spawn(tool + ["--only", "v8", "--seed", "1"], output: "/dev/null", errors: "/dev/null"))
      let isMounted = try await eventually(within: 60) { try mounts() == 1 }
      #expect(isMounted)
      kill(running.pid, SIGTERM)
      #expect(try await running.end() == 128 + SIGTERM)
      #expect(try mounts() == 0)
      // Its group is its clients'.
      let isAlone = try await eventually { kill(-running.pid, 0) != 0 }
      #expect(isAlone)
    }
  }

  @Test("wrong usage is told, with status 2", arguments: [["--seed"], ["--round", "x"], ["soon"]])
  func wrongUsage(words: [String]) async throws {
    let finished = try await Command.run([Tdxfs.sources + "/tools/soak"] + words)
    #expect(finished.status == 2 && finished.errors.contains("tools/soak: "), "\(finished)")
  }
}
