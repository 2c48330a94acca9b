import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A daemon without room, descriptors, memory or standard streams: it is refused with a reason, or it works.
@Suite(
  "Limits of the daemon", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct ProcessLimitTests {
  // MARK: Room

  @Test("a disk that is full at the mount: the machine runs, says so, and is saved once there is room")
  func fullDisk() async throws {
    try await Ground.prepared { ground in
      let mounted = try await Command.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", ground.files])
      try #require(mounted.status == 0, "\(mounted)")
      let result = await Result { () async throws in
        let filled = try await Command.run(
          [
            "sh", "-c",
            ": > \(ground.files)/state.lock; dd if=/dev/zero of=\(ground.files)/full bs=4k 2> /dev/null; true",
          ])
        try #require(filled.status == 0)
        let first = try await Tdxfs.run([ground.place, "-o", "lps=2,\(ground.state)"])
        try #require(first.status == 0, "\(first)")
        #expect(try ground.machine.read(".tdxfs/log").contains("tdxfs: the machine could not be saved to"))
        #expect(try ground.machine.read(".tdxfs/last_error").contains("No space left"))
        #expect(!File.exists(ground.files + "/state"))
        try await ground.machine.shell("rm \(ground.files)/full; mkdir .tdxfs/td/a")
        #expect(try ground.machine.read(".tdxfs/last_error") == "")
        #expect(File.exists(ground.files + "/state"))
        let isGone = try await ground.unmount()
        #expect(isGone)
        let second = try await Tdxfs.run([ground.place, "-o", "lps=2,\(ground.state)"])
        #expect(second.status == 0, "\(second)")
        #expect(try ground.number("tds") == 1)
        if try ground.mounts > 0 { _ = try await ground.unmount() }
      }
      _ = try await Command.run(["umount", "-l", ground.files])
      try result.get()
    }
  }

  @Test("where not even the lock file has room the mount is refused, with the reason")
  func noRoomForLock() async throws {
    try await Ground.prepared { ground in
      // The directory takes the only inode.
      let mounted = try await Command.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs", ground.files])
      try #require(mounted.status == 0, "\(mounted)")
      let finished = try await Tdxfs.run([ground.place, "-o", "lps=2,\(ground.state)"])
      #expect(finished.status == 1 && finished.errors.contains("state.lock cannot be made"), "\(finished)")
      #expect(try ground.mounts == 0)
      _ = try await Command.run(["umount", "-l", ground.files])
    }
  }

  @Test("a snapshot on a full disk is refused, leaves the old one whole and nothing beside it")
  func snapshotOnFullDisk() async throws {
    let disk = try TemporaryDirectory()
    defer { disk.remove() }
    let mounted = try await Command.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk.path])
    try #require(mounted.status == 0, "\(mounted)")
    let result = await Result { () async throws in
      try await Machine.mounted("lps=2") { machine in
        let file = disk.path + "/saved"
        #expect(try await Tdxfs.run(["snapshot", "save", file, "--at", machine.root]).status == 0)
        let old = try File.bytes(file)
        _ = try await Command.run(["sh", "-c", "dd if=/dev/zero of=\(disk.path)/full bs=4k 2> /dev/null; true"])
        let refused = try await Tdxfs.run(["snapshot", "save", file, "--at", machine.root])
        #expect(refused.status == 1 && refused.errors.contains("No space left"), "\(refused)")
        #expect(try File.bytes(file) == old)
        #expect(!File.exists(file + ".new"))
      }
    }
    _ = try await Command.run(["umount", "-l", disk.path])
    try result.get()
  }

  @Test("a limit on the size of files (RLIMIT_FSIZE) is told, and neither ends the daemon nor a save")
  func fileSize() async throws {
    try await Ground.prepared { ground in
      let server = try await ground.serve("lps=2,\(ground.state)", through: ["prlimit", "--fsize=4096"])
      try await ground.machine.shell("mkdir .tdxfs/td/a")
      #expect(try ground.machine.read(".tdxfs/last_error").contains("File too large"))
      #expect(!File.exists(ground.files + "/state"))
      #expect(!File.exists(ground.files + "/state.new"))
      let file = ground.files + "/saved"
      let saved = try await Command.run(
        ["prlimit", "--fsize=4096", try Tdxfs.binary(), "snapshot", "save", file, "--at", ground.place])
      #expect(saved.status == 1 && saved.errors.contains("File too large"), "\(saved)")
      #expect(!File.exists(file) && !File.exists(file + ".new"))
      #expect(try await server.end() == 0)
      #expect(try ground.mounts == 0)
    }
  }

  @Test(
    "a state file that is none: a device, a FIFO, a directory, one that is endless",
    arguments: ["/dev/full", "/dev/zero", "FILES/fifo", "FILES/directory"])
  func irregularState(path: String) async throws {
    try await Ground.prepared { ground in
      _ = try await Command.run(["sh", "-c", "cd \(ground.files); mkfifo fifo; mkdir directory"])
      let path = path.replacing("FILES", with: ground.files)
      let refused = try await Tdxfs.run([ground.place, "-o", "state=\(path)"])
      #expect(refused.status == 1, "\(refused)")
      #expect(refused.errors == "tdxfs: state=\(path) is no regular file; name one, or a place for a new one\n")
      #expect(!File.exists(path + ".lock"))
    }
  }

  @Test("a state file of many GiB that holds nothing is refused without being read to its end")
  func hugeState() async throws {
    try await Ground.prepared { ground in
      _ = try await Command.run(["truncate", "-s", "1T", ground.files + "/state"])
      let refused = try await Tdxfs.run([ground.place, "-o", "memory=1,\(ground.state)"], seconds: 10)
      #expect(refused.status == 1 && refused.errors.contains("no snapshot of tdxfs"), "\(refused)")
    }
  }

  // MARK: Descriptors and memory

  /// Those of the tests' own process would count.
  private static let withoutInheritedFiles = [
    "python3", "-c", "import os, sys; os.closerange(3, 4096); os.execvp(sys.argv[1], sys.argv[1:])",
  ]

  /// Mounts with `limit`, a word of prlimit(1). Either it is refused in a line, and nothing is mounted; or an update works, and
  /// so does the end. Gives whether it worked.
  private func attempt(_ limit: String, canDie: Bool = false) async throws -> Bool {
    let image = try await Catalog.shared.image("1.5.28")
    var works = false
    try await Ground.prepared { ground in
      let options = "lps=2,\(ground.state)"
      let mounted = try await Command.run(
        Self.withoutInheritedFiles + ["prlimit", limit, try Tdxfs.binary(), ground.place, "-o", options], seconds: 30)
      guard mounted.status == 0 else {
        // Memory may end before it can say so, and then a signal says it.
        #expect(!mounted.errors.isEmpty || canDie && mounted.status > 128, "\(limit): \(mounted)")
        #expect(try ground.mounts == 0, "\(limit): \(mounted)")
        return
      }
      let client = try ground.client(
        """
        cat version || exit 1; cd firmware/tdx_module
        echo 1 > loading && cat '\(image)' > data && echo 0 > loading || exit 2
        while status=$(cat status) || exit 3; [ "$status" != idle ]; do :; done
        cat error ../../version
        """)
      let end = try await client.end()
      #expect(end != nil, "\(limit): a client hangs")
      if try await ground.daemons().isEmpty {
        // It ran out of memory, which ends it as SIGKILL would.
        #expect(canDie && end != 0, "\(limit)")
      } else {
        works = true
        let said = try ground.said()
        #expect(end == 0 && said == ["1.5.24", "1.5.28"], "\(limit): \(said)")
        for pid in try await ground.daemons() { kill(pid, SIGTERM) }
        let isGone = try await eventually(within: 20) { try await ground.daemons().isEmpty }
        #expect(isGone, "\(limit)")
        #expect(try ground.mounts == 0, "\(limit)")
      }
      // Whatever it was, the next one works.
      let next = try await ground.serve(options)
      #expect(try await next.end() == 0)
    }
    return works
  }

  @Test("few descriptors (RLIMIT_NOFILE)")
  func descriptors() async throws {
    var working: [Int] = []
    for count in 3...14 where try await attempt("--nofile=\(count)") { working.append(count) }
    let fewest = try #require(working.first)
    #expect(fewest > 3 && working.elementsEqual(fewest...14), "\(working)")
  }

  @Test("little memory (RLIMIT_AS)")
  func memory() async throws {
    var working: [Int] = []
    for megabytes in [8, 16, 32, 48, 64, 96, 128, 192, 512] {
      if try await attempt("--as=\(megabytes << 20)", canDie: true) { working.append(megabytes) }
    }
    #expect(working.last == 512, "\(working)")
  }

  // MARK: Streams

  @Test(
    "closed and full standard streams: mounts, keeps its state and unmounts",
    arguments: [
      "<&- >&- 2>&-", "<&-", ">&-", "2>&-", ">/dev/full 2>/dev/full", "<&- >&- 2>&- -f", ">/dev/full 2>/dev/full -f",
    ])
  func streams(streams: String) async throws {
    try await Ground.prepared { ground in
      let foreground = streams.hasSuffix("-f")
      let redirections = foreground ? String(streams.dropLast(3)) : streams
      let script =
        "exec '\(try Tdxfs.binary())' '\(ground.place)' -o 'lps=2,\(ground.state)'\(foreground ? " -f" : "") \(redirections)"
      let command = Running(pid: try Command.spawn(["sh", "-c", script], output: "/dev/null", errors: "/dev/null"))
      let isServed = try await eventually(within: 20) { File.exists(ground.place + "/version") }
      try #require(isServed)
      if !foreground { #expect(try await command.end() == 0) }
      try await ground.machine.shell("mkdir .tdxfs/td/a; echo vcpu > .tdxfs/td/a/step")
      #expect(try ground.machine.read(".tdxfs/last_error") == "")
      // The file is still locked: no stream has taken the place of its descriptor.
      let lock = try await Command.run(["flock", "--nonblock", ground.files + "/state.lock", "true"])
      #expect(lock.status == 1, "\(lock)")
      if foreground { kill(command.pid, SIGTERM) }
      if foreground { #expect(try await command.end() == 0) }
      if !foreground { #expect(try await ground.unmount()) }
      let again = try await ground.serve("lps=2,\(ground.state)")
      #expect(try ground.machine.value(of: "open_builds", in: "status") == "1")
      #expect(try await again.end() == 0)
    }
  }

  @Test("a verb that cannot print says so and fails; one whose reader has gone does not")
  func output() async throws {
    try await Machine.mounted("lps=2") { machine in
      let tdxfs = "'\(try Tdxfs.binary())'"
      try await machine.shell("mkdir .tdxfs/td/a; echo 'stage=install busy' > .tdxfs/fault/a")
      for words in ["status", "log", "trace", "td list", "fault list"] {
        let full = try await Command.run(["sh", "-c", "\(tdxfs) \(words) --at '\(machine.root)' > /dev/full"])
        #expect(full.status == 1, "\(full)")
        #expect(full.errors == "tdxfs: cannot write to standard output: No space left on device\n")
        let closed = try await Command.run(["sh", "-c", "\(tdxfs) \(words) --at '\(machine.root)' >&-"])
        #expect(closed.status == 1, "\(closed)")
        #expect(closed.errors == "tdxfs: cannot write to standard output: Bad file descriptor\n")
      }
      let help = try await Command.run(["sh", "-c", "\(tdxfs) --help > /dev/full"])
      #expect(help.status == 1, "\(help)")
      let left = try await Command.run(
        ["bash", "-o", "pipefail", "-c", "\(tdxfs) trace --at '\(machine.root)' | true"])
      #expect(left.status == 0 && left.errors.isEmpty, "\(left)")
    }
  }
}
