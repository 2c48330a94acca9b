import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// DESIGN.md section 5: how a machine is mounted, by the command, by mount(8), from fstab and by systemd.
@Suite("Mounting", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct MountTests {
  /// Runs `script` in a mount namespace of its own, in which `tdxfs` is in a directory of the system, as it is when it is
  /// installed: mount(8) drops PATH. DIR is an empty directory, TOP the source tree; nothing stays behind.
  private func installed(_ script: String) async throws -> Finished {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let prepare = """
      mount -t tmpfs none /usr/local/sbin
      ln -s "$TDXFS" /usr/local/sbin/tdxfs
      DIR=$1; mkdir -p "$DIR/mnt"
      trap 'fusermount3 -uz "$DIR/mnt" 2>/dev/null || :' EXIT

      """
    return try await Command.run(
      ["unshare", "--mount", "--propagation", "private", "sh", "-euc", prepare + script, "sh", directory.path],
      variables: ["TDXFS": try Tdxfs.binary(), "TOP": Tdxfs.sources])
  }

  @Test("mount -t fuse tdxfs DIR")
  func mountFuse() async throws {
    let finished = try await installed(#"mount -t fuse tdxfs "$DIR/mnt"; cat "$DIR/mnt/version""#)
    #expect(finished.status == 0 && finished.output == "1.5.24\n", "\(finished)")
  }

  @Test("mount -t fuse.tdxfs none DIR -o abi=selector")
  func mountFuseTdxfs() async throws {
    let finished = try await installed(
      #"mount -t fuse.tdxfs none "$DIR/mnt" -o abi=selector; cat "$DIR/mnt/seamldr/version"; umount "$DIR/mnt""#)
    #expect(finished.status == 0 && finished.output == "1.5.02\n", "\(finished)")
  }

  @Test("mount -a with the line of mount/fstab")
  func fstab() async throws {
    let finished = try await installed(
      #"sed "s, /mnt/tdx , $DIR/mnt ," "$TOP/mount/fstab" >"$DIR/fstab"; mount -a -T "$DIR/fstab"; cat "$DIR/mnt/version""#
    )
    #expect(finished.status == 0 && finished.output == "1.5.24\n", "\(finished)")
  }

  @Test("what the systemd unit says, mounted as systemd does it")
  func systemdUnit() async throws {
    let finished = try await installed(
      #"""
      value() { sed -n "s/^$1=//p" "$TOP/mount/mnt-tdx.mount"; }
      test "$(value Where)" = /mnt/tdx
      mount "$(value What)" "$DIR/mnt" -t "$(value Type)" -o "$(value Options)"
      cat "$DIR/mnt/version"
      """#)
    #expect(finished.status == 0 && finished.output == "1.5.24\n", "\(finished)")
  }

  @Test("the helper finds a tdxfs that is in no directory of the system", arguments: ["tdxfs", "fuse.tdxfs"])
  func helper(type: String) async throws {
    let finished = try await installed(
      #"""
      rm /usr/local/sbin/tdxfs
      mkdir -p "$DIR/opt/bin" "$DIR/opt/sbin" "$DIR/upper"
      ln -s "$TDXFS" "$DIR/opt/bin/tdxfs"
      cp "$TOP/mount/mount.tdxfs" "$DIR/opt/sbin/"
      ln -s "$DIR/opt/sbin/mount.tdxfs" "$DIR/upper/mount.\#(type)"
      mount -t overlay -o "lowerdir=$DIR/upper:/usr/sbin" none /usr/sbin
      mount -t \#(type) none "$DIR/mnt" -o abi=selector,nofail
      cat "$DIR/mnt/seamldr/version"
      """#)
    #expect(finished.status == 0 && finished.output == "1.5.02\n", "\(finished)")
  }

  @Test(
    "wrong use is one line that names what is wrong, and status 2; nothing is mounted",
    arguments: [
      ([], 2), (["-o", "abi=v8"], 2), (["DIR", "-o", "modul=1.5.24"], 2), (["DIR", "-o", "lps=0"], 2),
      (["DIR", "-o", "abi=v99"], 2), (["/nonexistent/directory"], 1), (["/etc/passwd"], 1),
    ] as [([String], Int32)])
  func wrongUse(arguments: [String], status: Int32) async throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let finished = try await Tdxfs.run(arguments.map { $0 == "DIR" ? directory.path : $0 })
    #expect(finished.status == status, "\(finished)")
    #expect(finished.output.isEmpty)
    #expect(finished.errors.split(separator: "\n", omittingEmptySubsequences: false).count == 2, "\(finished)")
    let mounts = try File.read("/proc/mounts")
    #expect(!mounts.contains(directory.path))
  }

  @Test(
    "after kill -9 of the daemon in the middle of an upload the place can be mounted again, also without fusermount3",
    arguments: [true, false])
  func killedDaemon(unmountsFirst: Bool) async throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let daemon = try Command.spawn(
      [try Tdxfs.binary(), directory.path, "-f"], output: scratch.path + "/o", errors: scratch.path + "/e")
    var isRunning = true
    defer { if isRunning { kill(daemon, SIGTERM) } }
    let isThere = try await eventually { File.exists(directory.path + "/version") }
    try #require(isThere)
    let machine = Machine(root: directory.path)
    try machine.write("1\n", to: "firmware/tdx_module/loading")
    try machine.write("some bytes", to: "firmware/tdx_module/data")
    kill(daemon, SIGKILL)
    waitpid(daemon, nil, 0)
    isRunning = false
    #expect(machine.errorOfReading("version") == .socketNotConnected)
    if unmountsFirst { _ = try await Command.run(["fusermount3", "-uz", directory.path]) }
    let again = try await Tdxfs.run([directory.path])
    #expect(again.status == 0, "\(again)")
    #expect(again.errors.hasPrefix("tdxfs: removed the dead mount on") == !unmountsFirst)
    #expect(try machine.read("version") == "1.5.24\n")
    #expect(try machine.read("firmware/tdx_module/loading") == "0\n")
    _ = try await Command.run(["fusermount3", "-uz", directory.path])
  }
}
