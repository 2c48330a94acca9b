import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What who may not do, through real mounts and with real users, and what the daemon gives up.
@Suite(
  "Rights, user namespaces, and the daemon's own",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct SecurityTests {
  /// Debian's nobody.
  private static let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

  /// What `script` says as nobody in the mount.
  private func asNobody(_ script: String, in machine: Machine, through wrapper: [String] = []) async throws -> String {
    let finished = try await Command.run(
      Self.nobody + wrapper + ["sh", "-uc", script], in: machine.root, variables: ["LC_ALL": "C"])
    return finished.output + finished.errors
  }

  /// Each of these has to be refused; what is not refused is printed.
  private static let attempts = """
    for f in seamldr_version num_remaining_updates firmware/tdx_module/cancel; do cat $f >/dev/null 2>&1 && echo read $f; done
    for f in firmware/tdx_module/loading firmware/tdx_module/data uevent firmware/tdx_module/cancel version; do
      { echo 1 > $f; } 2>/dev/null && echo wrote $f
    done
    for f in .tdxfs .tdxfs/status .tdxfs/power .tdxfs/cpu/1/online; do
      { ls $f; cat $f; } >/dev/null 2>&1 && echo reached $f
      { echo reboot > $f; } 2>/dev/null && echo wrote $f
    done
    cd .tdxfs 2>/dev/null && echo entered .tdxfs
    chmod 777 version 2>/dev/null && echo chmod
    chown 65534 version 2>/dev/null && echo chown
    ln -s /etc/passwd link 2>/dev/null && echo link
    mkdir directory 2>/dev/null && echo mkdir
    rm -f version 2>/dev/null && echo rm
    setfattr -n trusted.x -v 1 version 2>/dev/null && echo setfattr
    cat version
    """

  @Test("nobody reads what is world-readable, and nothing else works")
  func othersRights() async throws {
    try await Machine.mounted { machine async throws in
      #expect(try await asNobody(Self.attempts, in: machine) == "1.5.24\n")
      #expect(try machine.read("firmware/tdx_module/loading") == "0\n")
    }
  }

  @Test("nobody who calls himself root in a user namespace is nobody")
  func childNamespaceOfNobody() async throws {
    try await Machine.mounted { machine async throws in
      let said = try await asNobody(
        "id -u; " + Self.attempts, in: machine, through: ["unshare", "--user", "--map-root-user"])
      #expect(said == "0\n1.5.24\n")
    }
  }

  @Test("root in a user namespace owns the files, but has no CAP_SYS_RAWIO that counts")
  func childNamespaceOfRoot() async throws {
    try await Machine.mounted { machine async throws in
      let finished = try await Command.run(
        [
          "unshare", "--user", "--map-root-user", "sh", "-uc",
          "cat num_remaining_updates; cd firmware/tdx_module; echo 1 > loading; cat loading; printf x | cat > data",
        ], in: machine.root, variables: ["LC_ALL": "C"])
      #expect(finished.output == "15\n1\n")
      #expect(finished.errors.contains("Operation not permitted"), "\(finished)")
      #expect(try machine.read("firmware/tdx_module/data") == "")
    }
  }

  @Test("a descriptor of data that root opened is no right to write it")
  func inheritedDescriptor() async throws {
    try await Machine.mounted { machine async throws in
      let finished = try await Command.run(
        [
          "sh", "-uc",
          "exec 3>firmware/tdx_module/data; exec \(Self.nobody.joined(separator: " ")) sh -c 'printf x >&3'",
        ],
        in: machine.root, variables: ["LC_ALL": "C"])
      #expect(finished.status != 0)
      #expect(try machine.read("firmware/tdx_module/data") == "")
    }
  }

  @Test("the development key is refused where only Intel's is trusted, and why says so")
  func intelOnly() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Machine.mounted("keys=intel,abi=selector") { machine async throws in
      let upload = try await machine.shell("ls firmware").split(separator: "\n").first { $0 != "uevent" }
      let error = try await machine.update(with: image, upload: String(upload ?? ""))
      #expect(error == "transferring:firmware-invalid\n")
      let why = try machine.read(".tdxfs/why")
      #expect(why.contains("is not trusted; trusted: Intel"), "\(why)")
      #expect(try machine.value(of: "status", in: "why")?.contains("EBAD") == true, "\(why)")
    }
  }

  // MARK: The daemon

  /// `/proc/PID` of the daemon of `machine`.
  private func daemon(of machine: Machine) async throws -> String {
    let finished = try await Command.run(["pgrep", "-f", "--", "tdxfs \(machine.root)"])
    let pids = finished.output.split(separator: "\n").map(String.init)
    return "/proc/" + (try #require(pids.count == 1 ? pids.first : nil, "\(finished)"))
  }

  private func values(of key: String, in process: String) async throws -> Set<String> {
    let finished = try await Command.run(["sh", "-c", "sed -n 's/^\(key):[[:space:]]*//p' \(process)/task/*/status"])
    return Set(finished.output.split(separator: "\n").map(String.init))
  }

  /// No thread of `process` can gain privileges, each has the few capabilities and system calls of a server.
  private func expectConfined(
    _ process: String, keepsState: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    // CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH; with a state file CAP_DAC_OVERRIDE.
    let kept = keepsState ? "0000000000280006" : "0000000000280004"
    let none = "0000000000000000"
    for (key, value) in [
      ("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", kept), ("CapPrm", kept), ("CapBnd", none), ("CapInh", none),
    ] {
      let found = try await values(of: key, in: process)
      #expect(found == [value], "\(key)", sourceLocation: sourceLocation)
    }
  }

  @Test("in the background it can gain no privileges, has three capabilities, and few system calls; all its threads")
  func confinement() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Machine.mounted { machine async throws in
      // Starts all threads that there are, and needs all system calls that there are.
      #expect(try await machine.update(with: image) == "")
      try machine.write("reboot\n", to: ".tdxfs/power")
      #expect(try machine.read("version") == "1.5.24\n")
      _ = try machine.read(".tdxfs/trace")
      let process = try await daemon(of: machine)
      #expect(try await values(of: "Threads", in: process) != ["1"])
      try await expectConfined(process)
    }
  }

  @Test("so it is in the foreground, and with a state file, which it goes on to replace")
  func confinementInForeground() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Ground.prepared { ground in
      var server = try await ground.serve("lps=2")
      try await expectConfined("/proc/\(server.process.pid)")
      #expect(try await server.end() == 0)

      server = try await ground.serve("lps=2,\(ground.state)")
      #expect(try await ground.machine.update(with: image) == "")
      try await expectConfined("/proc/\(server.process.pid)", keepsState: true)
      #expect(try await server.end() == 0)
      server = try await ground.serve("lps=2,\(ground.state)")
      #expect(try ground.machine.read("version") == "1.5.28\n")
      #expect(try await server.end() == 0)
    }
  }

  @Test("so is the thread that goes on with the update of a state file")
  func confinementOfRestored() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Ground.prepared { ground in
      var server = try await ground.serve("lps=2,\(ground.state)")
      try await ground.machine.shell(
        """
        echo 'stage=cpu-init delay=60s' > .tdxfs/fault/first
        echo 'stage=update delay=3s' > .tdxfs/fault/second
        cd firmware/tdx_module; echo 1 > loading; cat '\(image)' > data; echo 0 > loading
        """)
      let isSlow = try await eventually(within: 30) {
        try ground.machine.read(".tdxfs/fault/first").contains("acted=1")
      }
      try #require(isSlow)
      #expect(try await server.end() == 0)

      server = try await ground.serve("lps=2,\(ground.state)")
      let process = "/proc/\(server.process.pid)"
      let goesOn = try await eventually(within: 30) {
        try ground.machine.read(".tdxfs/fault/second").contains("acted=1")
      }
      #expect(goesOn)
      #expect(try await values(of: "Threads", in: process) != ["1"])
      try await expectConfined(process, keepsState: true)
      #expect(server.errors.isEmpty)
      let isIdle = try await eventually(within: 30) {
        try ground.machine.read("firmware/tdx_module/status") == "idle\n"
      }
      #expect(isIdle)
      #expect(try ground.machine.read("version") == "1.5.28\n")
      #expect(try await server.end() == 0)
    }
  }

  @Test("so is a fork of a machine")
  func confinementOfFork() async throws {
    try await Machine.mounted("lps=2") { machine async throws in
      let place = try TemporaryDirectory()
      defer { place.remove() }
      let result = await Result { () async throws in
        let forked = try await Tdxfs.run(["snapshot", "fork", place.path, "--at", machine.root])
        try #require(forked.status == 0 && forked.errors.isEmpty, "\(forked)")
        let daemons = try await Command.run(["pgrep", "-f", "--", "snapshot fork \(place.path)"])
        let pids = daemons.output.split(separator: "\n")
        try await expectConfined("/proc/" + (try #require(pids.count == 1 ? pids.first : nil, "\(daemons)")))
      }
      _ = try await Command.run(["fusermount3", "-uz", place.path])
      try result.get()
    }
  }

  @Test(
    "so are the threads of tdxfs run that serve, but neither the one that waits nor the command",
    .disabled(if: Tdxfs.environment("TSAN_OPTIONS") != nil, "a sanitizer has a thread of its own"))
  func confinementOfRun() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    let finished = try await Tdxfs.run([
      "run", "-o", "lps=2", "--", "sh", "-euc",
      """
      upload=$(find /sys/devices -path '*firmware/*' -name loading); upload=${upload%/loading}
      echo 1 > "$upload/loading"; cat '\(image)' > "$upload/data"; echo 0 > "$upload/loading"
      until [ "$(cat "$upload/status")" = idle ]; do :; done; cat "$upload/error"
      for task in /proc/$PPID/task/*; do
        [ "${task##*/}" = "$PPID" ] || sed -n -E 's/^(Seccomp|NoNewPrivs|CapEff):[[:space:]]*/\\1=/p' "$task/status"
      done | sort -u
      grep -c 'Seccomp:[[:space:]]*0' /proc/self/status
      """,
    ])
    #expect(
      finished.output == "CapEff=0000000000280004\nNoNewPrivs=1\nSeccomp=2\n1\n" && finished.status == 0,
      "\(finished)")
  }

  @Test("it still unmounts when it is told to end, also in a directory that only its owner may enter")
  func unmountsAfterwards() async throws {
    let outer = try TemporaryDirectory()
    defer { outer.remove() }
    let place = outer.path + "/inner"
    let made = try await Command.run(
      ["sh", "-euc", "mkdir \(place); chown 65534 \(outer.path) \(place); chmod 700 \(outer.path)"])
    try #require(made.status == 0)
    let mounted = try await Tdxfs.run([place])
    try #require(mounted.status == 0, "\(mounted)")
    let process = try await daemon(of: Machine(root: place))
    kill(Int32(process.dropFirst("/proc/".count)) ?? 0, SIGTERM)
    let isGone = try await eventually { try !File.read("/proc/mounts").contains(place) && !File.exists(process) }
    #expect(isGone)
  }

  @Test(
    "no text that is written to any file makes it open another one",
    arguments: ["lps=2", "device=test_firmware", "lps=2,layout=sys,alias=seamldr_upload"])
  func opensNothing(options: String) async throws {
    let files = try TemporaryDirectory()
    defer { files.remove() }
    let canary = files.path + "/canary"
    try File.create(canary, Array("key".utf8))
    let watch = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
    defer { close(watch) }
    let watched = inotify_add_watch(watch, canary, UInt32(IN_OPEN))
    try #require(watched >= 0)
    /// Whether anybody has opened it since the last time.
    func isOpened() -> Bool {
      var events = [UInt8](repeating: 0, count: 4096)
      return read(watch, &events, events.count) > 0
    }
    _ = try File.read(canary)
    try #require(isOpened())
    try await Machine.mounted(options) { machine async throws in
      let said = try await Command.run(
        [
          "sh", "-uc",
          """
          mkdir .tdxfs/td/a .tdxfs/fault/a 2>/dev/null
          find . .tdxfs -type f -perm -200 | while read -r file; do
            for text in "$CANARY" "file=$CANARY" "keys=$CANARY" "state=$CANARY" "load $CANARY" "../../../../..$CANARY"; do
              { printf '%s\\n' "$text" > "$file"; } 2>/dev/null
            done
            echo written
          done
          """,
        ], in: machine.root, variables: ["CANARY": canary])
      #expect(said.output.split(separator: "\n").count >= 12, "\(said)")
      #expect(!isOpened())
    }
  }

  @Test("neither do names of firmware files, and what is read has nothing of theirs")
  func opensNoFirmwareByName() async throws {
    try await Machine.mounted("device=test_firmware") { machine async throws in
      let process = try await daemon(of: machine)
      func open() async throws -> String {
        try await Command.run(["sh", "-c", "readlink \(process)/fd/* | sort"]).output
      }
      let before = try await open()
      let script = """
        cd "$(dirname "$(find . -name trigger_request | head -n 1)")"
        for name in /etc/passwd ../../../../etc/passwd ../../etc/shadow /proc/self/mem /dev/zero; do
          for file in trigger_request trigger_async_request trigger_custom_fallback config_name upload_register; do
            { printf %s "$name" > $file; } 2>/dev/null
          done
          grep -l root: read_firmware config_name 2>/dev/null
        done
        echo done
        """
      let finished = try await Command.run(["sh", "-uc", script], in: machine.root)
      #expect(finished.output == "done\n", "\(finished)")
      #expect(try await open() == before)
    }
  }

  @Test("a thousand reboots leave it no larger than a hundred")
  func reboots() async throws {
    try await Machine.mounted { machine async throws in
      let process = try await daemon(of: machine)
      func anonymousKB() async throws -> Int {
        let line = try File.read(process + "/smaps_rollup").split(separator: "\n").first { $0.hasPrefix("Anonymous:") }
        return Int((line ?? "").filter(\.isNumber)) ?? 0
      }
      for _ in 0..<100 { try machine.write("reboot\n", to: ".tdxfs/power") }
      let before = try await anonymousKB()
      for _ in 0..<900 { try machine.write("reboot\n", to: ".tdxfs/power") }
      let after = try await anonymousKB()
      // The trace's records of them take some; each reboot's leak took 3.7 kB.
      #expect(before > 0 && after - before < 900, "\(before) kB, then \(after) kB")
    }
  }

  // MARK: Mounted by others

  /// Runs `script` as root where users may open /dev/fuse, which they may not everywhere: in a mount namespace of its own.
  /// $nobody runs a command as nobody, $place is a directory of nobody's, $tdxfs the command.
  private func withUsersMounts(_ script: String) async throws -> Finished {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    return try await Command.run(
      [
        "unshare", "--mount", "sh", "-euc",
        """
        mknod -m 666 $DIR/fuse c 10 229; mount --bind $DIR/fuse /dev/fuse
        chmod 755 $DIR; place=$DIR/place; mkdir $place; chown 65534:65534 $place
        nobody='\(Self.nobody.joined(separator: " "))'
        \(script)
        """,
      ],
      variables: [
        "DIR": directory.path, "tdxfs": try Tdxfs.binary(), "image": try await Catalog.shared.image("1.5.28"),
        "LC_ALL": "C",
      ])
  }

  @Test("mounted by a user: it is the user's and nobody else's, root included; and it goes when it is told to")
  func mountedByUser() async throws {
    let finished = try await withUsersMounts(
      #"""
      install -m 644 "$image" "$DIR/image"
      $nobody "$tdxfs" "$place"
      cat "$place/version" 2>&1 | grep -o 'Permission denied'
      $nobody env -C "$place" DIR="$DIR" sh -euc '
        stat -c "%u %a" num_remaining_updates .tdxfs; cat num_remaining_updates
        cd firmware/tdx_module; echo 1 > loading; cat "$DIR/image" > data; echo 0 > loading
        until [ "$(cat status)" = idle ]; do :; done; cat error ../../version'
      kill "$(pgrep -f -- "tdxfs $place\$")"
      while grep -q "$place" /proc/self/mounts; do :; done
      echo gone
      """#)
    #expect(finished.output == "Permission denied\n65534 400\n65534 700\n15\n1.5.28\ngone\n", "\(finished)")
    #expect(finished.errors.hasPrefix("tdxfs: only uid 65534 can enter "), "\(finished)")
  }

  @Test("mounted by a user for all: others read what is world-readable, and nothing else works")
  func mountedForAll() async throws {
    let finished = try await withUsersMounts(
      #"""
      echo user_allow_other > $DIR/fuse.conf; mount --bind $DIR/fuse.conf /etc/fuse.conf
      $nobody "$tdxfs" "$place" -o allow_other
      cat > $DIR/attempts << 'END'
      \#(Self.attempts)
      END
      setpriv --reuid=65533 --regid=65533 --clear-groups env -C "$place" sh -uc "$(cat $DIR/attempts)"
      cat "$place/num_remaining_updates"
      $nobody sh -c "echo 1 > $place/firmware/tdx_module/loading; cat $place/firmware/tdx_module/loading"
      umount "$place"
      """#)
    #expect(finished.output == "1.5.24\n15\n1\n" && finished.errors.isEmpty, "\(finished)")
  }

  @Test("mounted by who is root in a user namespace only: works there, and is not seen outside")
  func mountedInNamespace() async throws {
    let finished = try await withUsersMounts(
      #"""
      $nobody unshare --user --map-root-user --mount sh -euc '
        "$0" "$1"; cd "$1"; cat version num_remaining_updates; ls .tdxfs >/dev/null
        echo 1 > firmware/tdx_module/loading; printf x | cat > firmware/tdx_module/data
        grep -c "$1" /proc/self/mounts; cd /; umount "$1"; grep -c "$1" /proc/self/mounts || true
        ' "$tdxfs" "$place"
      """#)
    #expect(finished.output == "1.5.24\n15\n1\n0\n" && finished.errors.isEmpty, "\(finished)")
  }
}
