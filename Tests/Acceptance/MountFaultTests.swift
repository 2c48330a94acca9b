import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What happens to a mount from outside, and clients that die.
@Suite("Faults of a mount", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct MountFaultTests {
  /// A client that reads, one that waits for an update to end, and one that polls; the update stands for a minute.
  private func clients(of ground: Ground, image: String) async throws -> [Running] {
    try await ground.machine.shell(
      """
      echo 'stage=cpu-init delay=60s' > .tdxfs/fault/slow
      cd firmware/tdx_module; echo 1 > loading; cat '\(image)' > data; echo 0 > loading
      """)
    let isSlow = try await eventually(within: 20) { try ground.machine.read(".tdxfs/fault/slow").contains("acted=1") }
    try #require(isSlow)
    let scripts = [
      "while cat version; do :; done", "mkdir .tdxfs/td/late",
      "while find . -type f | xargs -r cat; do [ -e version ] || exit; done",
      """
      exec python3 -c 'import select, os
      f = os.open("firmware/tdx_module/status", os.O_RDONLY)
      while True:
        p = select.poll(); p.register(f, select.POLLPRI | select.POLLERR)
        os.pread(f, 99, 0); p.poll(100)'
      """,
    ]
    let clients = try scripts.enumerated().map { try ground.client($1, output: ground.files + "/client\($0)") }
    let isParked = try await eventually(within: 20) {
      try File.read(ground.files + "/client0").contains("1.5.24\n1.5.24\n")
    }
    try #require(isParked)
    return clients
  }

  /// Each of these ends a mount under clients that read, wait and poll. DEVICE is the connection's number.
  @Test(
    "the connection is cut under clients: all of them end, the daemon too, nothing stays mounted, and the machine is saved",
    arguments: ["echo 1 > /sys/fs/fuse/connections/DEVICE/abort", "umount -f PLACE || true", "umount -l -f PLACE"])
  func cut(by command: String) async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Ground.prepared { ground in
      let server = try await ground.serve("lps=2,\(ground.state)")
      let clients = try await clients(of: ground, image: image)
      let command = command.replacing("DEVICE", with: "$(stat -c %d PLACE)").replacing("PLACE", with: ground.place)
      let done = try await Command.run(
        [
          "sh", "-euc",
          "[ -w /sys/fs/fuse/connections/$(stat -c %d \(ground.place)) ] || mount -t fusectl none /sys/fs/fuse/connections; "
            + command,
        ])
      #expect(done.status == 0, "\(done)")
      for (number, client) in clients.enumerated() {
        let end = try await client.end()
        #expect(end != nil, "client \(number) hangs")
      }
      // With umount -l the client's working directories kept it; they have ended.
      #expect(try await server.process.end() == 0, "\(server.errors)")
      #expect(try ground.mounts == 0)
      let again = try await ground.serve("lps=2,\(ground.state)")
      #expect(again.errors == "")
      let isIdle = try await eventually(within: 20) {
        try ground.machine.read("firmware/tdx_module/status") == "idle\n"
      }
      #expect(isIdle)
      let why = try ground.machine.read(".tdxfs/why")
      #expect(try ground.machine.read("version") == "1.5.28\n", "\(why)")
      #expect(try await again.end() == 0)
    }
  }

  @Test("a busy mount is not unmounted; detached it lives on for who has it open, and its place is free for another")
  func busy() async throws {
    try await Ground.prepared { ground in
      let first = try await ground.serve("lps=2,\(ground.state)")
      let file = try FileDescriptor.open(FilePath(ground.place + "/version"), .readOnly, options: [.closeOnExec])
      let refused = try await Command.run(["umount", ground.place])
      #expect(refused.status == 32 && refused.errors.contains("busy"), "\(refused)")
      #expect(try ground.machine.read("version") == "1.5.24\n")
      #expect(try await Command.run(["fusermount3", "-uz", ground.place]).status == 0)
      #expect(try ground.mounts == 0)
      func value() throws -> String {
        var bytes = [UInt8](repeating: 0, count: 99)
        let count = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
        return String(decoding: bytes[..<count], as: UTF8.self)
      }
      #expect(try value() == "1.5.24\n")
      // Its file is still its own; another machine can be mounted.
      let refusedFile = try await Tdxfs.run([ground.place, "-o", "lps=2,\(ground.state)"])
      #expect(
        refusedFile.status == 1 && refusedFile.errors.contains("another tdxfs keeps its machine"), "\(refusedFile)")
      let second = try await ground.serve("module=1.5.28")
      #expect(try ground.machine.read("version") == "1.5.28\n")
      #expect(try value() == "1.5.24\n")
      try file.close()
      #expect(try await first.process.end() == 0)
      #expect(try ground.machine.read("version") == "1.5.28\n")
      #expect(try await second.end() == 0)
      let third = try await ground.serve("lps=2,\(ground.state)")
      #expect(try ground.machine.read(".tdxfs/log").contains("tdxfs: restored from"))
      #expect(try await third.end() == 0)
    }
  }

  @Test("SIGTERM to a daemon whose files are open: they are cut off, and the place is free at once")
  func terminatedWhileBusy() async throws {
    try await Ground.prepared { ground in
      let server = try await ground.serve("lps=2,\(ground.state)")
      let client = try ground.client(
        "exec 3< version; exec 4> firmware/tdx_module/loading; echo ready; read x <&3; sleep 30 & wait")
      let isReady = try await eventually { try ground.said() == ["ready"] }
      #expect(isReady)
      let file = try FileDescriptor.open(FilePath(ground.place + "/version"), .readOnly, options: [.closeOnExec])
      #expect(try await server.end() == 0)
      #expect(try ground.mounts == 0)
      var byte: UInt8 = 0
      #expect(read(file.rawValue, &byte, 1) == -1 && errno == ENOTCONN)
      try file.close()
      let again = try await ground.serve("lps=2,\(ground.state)")
      #expect(again.errors == "")
      kill(-client.pid, SIGKILL)
      #expect(try await client.end() != nil)
      #expect(try await again.end() == 0)
    }
  }

  @Test("unmounted and mounted again at once: the second waits for the first one's last save")
  func again() async throws {
    try await Ground.prepared { ground in
      // In a view of its own: in others' copies of this one the mount would live on, and its daemon with it.
      let rounds = try await Command.run(
        [
          "unshare", "-m", "sh", "-euc",
          """
          for round in $(seq 15); do
            "$1" "$2" -o "$3"
            [ $round = 1 ] || grep -q 'tdxfs: restored from' "$2/.tdxfs/log"
            tries=0
            until fusermount3 -u "$2" 2> /dev/null; do tries=$((tries + 1)); [ $tries -lt 200 ]; sleep 0.05; done
          done
          """, "sh", try Tdxfs.binary(), ground.place, "lps=2,\(ground.state)",
        ], seconds: 120)
      #expect(rounds.status == 0, "\(rounds)")
      let isGone = try await eventually(within: 20) { try await ground.daemons().isEmpty }
      #expect(isGone)
    }
  }

  @Test(
    "two daemons at one moment on one place, free or with a dead mount: one mounts, the other is refused",
    arguments: [false, true])
  func two(onDeadMount: Bool) async throws {
    try await Ground.prepared { ground in
      for round in 0..<10 {
        if onDeadMount {
          let dead = try await ground.serve("lps=2")
          #expect(try await dead.end(by: SIGKILL) == 128 + SIGKILL)
        }
        async let first = Tdxfs.run([ground.place, "-o", "lps=2"])
        async let second = Tdxfs.run([ground.place, "-o", "lps=2"])
        let both = try await [first, second]
        #expect(both.map(\.status).sorted() == [0, 1], "round \(round): \(both)")
        #expect(both.first { $0.status == 1 }?.errors.contains("is a tdxfs mount already") == true, "\(both)")
        #expect(both.count { $0.errors.contains("removed the dead mount") } == (onDeadMount ? 1 : 0), "\(both)")
        #expect(try ground.mounts == 1)
        #expect(try ground.machine.read("version") == "1.5.24\n")
        let isGone = try await ground.unmount()
        #expect(isGone)
        #expect(try ground.mounts == 0)
      }
    }
  }

  @Test("clients that are killed while they hold everything: the machine is free for the next one")
  func dyingClients() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    var chance = Chance()
    try await Ground.prepared { ground in
      let server = try await ground.serve("lps=2,updates=60000,\(ground.state)")
      try await ground.machine.shell(
        "echo on > .tdxfs/watch; mkdir .tdxfs/td/a; cd .tdxfs/td/a; for s in vcpu finalize; do echo $s > step; done; cd ../../..; cat .tdxfs/snapshot > '\(ground.files)/saved'"
      )
      func descriptors() async throws -> String {
        try await Command.run(["sh", "-c", "ls /proc/\(server.process.pid)/fd | wc -l"]).output
      }
      let before = try await descriptors()
      for round in Chance.rounds(15) {
        let comment: Comment = "\(chance.name), round \(round)"
        // In every second round an update waits, and with it who makes a TD.
        let isSlow = round % 2 == 1
        try await ground.machine.shell(
          isSlow ? "echo 'stage=cpu-init delay=60s' > .tdxfs/fault/slow" : "rm -f .tdxfs/fault/slow")
        let client = try ground.client(
          """
          exec python3 - '\(image)' '\(ground.files)/saved' \(isSlow ? "slow" : "half") <<'END'
          \(Self.holder)
          END
          """)
        let holdsAll = try await eventually(within: 20) { try ground.said() == ["held"] || client.hasEnded }
        #expect(holdsAll && !client.hasEnded, "\(ground.clientErrors) \(comment)")
        try await chance.wait(upTo: 20)
        kill(-client.pid, SIGKILL)
        let end = try await client.end()
        #expect(end == 128 + SIGKILL, "it hangs; \(comment)")

        try await ground.machine.shell("rm -f .tdxfs/fault/slow; echo -1 > firmware/tdx_module/loading")
        let isIdle = try await eventually(within: 20) {
          try ground.machine.read("firmware/tdx_module/status") == "idle\n"
        }
        #expect(isIdle, comment)
        // Whoever waited may have been served before it died.
        try await ground.machine.shell("rmdir .tdxfs/td/late 2> /dev/null || true")
        #expect(try ground.number("tds") == 1, comment)
        #expect(try await ground.machine.update(with: image) == "", comment)
      }
      #expect(try await descriptors() == before)
      #expect(try await server.end() == 0)
      #expect(try ground.mounts == 0)
    }
  }

  /// Opens whatever there is, and blocks in whatever blocks.
  private static let holder = """
    import os, select, sys, threading
    image, saved = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read()
    held = []
    for directory, _, names in list(os.walk(".")) + list(os.walk(".tdxfs")):
      for name in names:
        for flags in (os.O_RDONLY, os.O_WRONLY):
          try: held.append(os.open(os.path.join(directory, name), flags))
          except OSError: pass
    loading = os.open("firmware/tdx_module/loading", os.O_WRONLY)
    data = os.open("firmware/tdx_module/data", os.O_WRONLY)
    status = os.open("firmware/tdx_module/status", os.O_RDONLY)
    trace = os.open(".tdxfs/trace", os.O_RDONLY)
    watch = os.open(".tdxfs/watch", os.O_RDONLY)
    snapshot = os.open(".tdxfs/snapshot", os.O_WRONLY)
    os.read(trace, 4096), os.read(watch, 4096)
    os.pwrite(snapshot, saved[:4096], 0)
    os.write(loading, b"1")
    whole = len(image) if sys.argv[3] == "slow" else len(image) // 2
    offset = 0
    while offset < whole: offset += os.pwrite(data, image[offset:offset + 3000], offset)
    def poll():
      waiting = select.poll()
      waiting.register(status, select.POLLPRI)
      waiting.poll(60000)
    threading.Thread(target=poll).start()
    if sys.argv[3] == "slow":
      os.pwrite(loading, b"0", 0)
      threading.Thread(target=lambda: os.mkdir(".tdxfs/td/late")).start()
      threading.Thread(target=lambda: open(".tdxfs/td/a/step", "w").write("enter")).start()
    print("held", flush=True)
    threading.Event().wait()
    """
}
