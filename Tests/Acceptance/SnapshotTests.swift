import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// `tdxfs snapshot` and `-o state=FILE`, on mounts.
@Suite("Snapshots of a mount", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .timeLimit(.minutes(20)))
struct SnapshotTests {
  private func snapshot(_ words: String...) async throws -> Finished { try await Tdxfs.run(["snapshot"] + words) }

  /// The process that serves the mount at `path`.
  private func daemon(of path: String) throws -> pid_t? {
    for name in try processes() {
      guard let line = try? File.read("/proc/\(name)/cmdline") else { continue }
      if line.split(separator: "\0").contains(Substring(path)), line.contains("tdxfs") { return pid_t(name) }
    }
    return nil
  }

  private func processes() throws -> [String] {
    guard let directory = opendir("/proc") else { throw Errno(rawValue: errno) }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.allSatisfy(\.isNumber) { names.append(name) }
    }
    return names
  }

  private func mount(_ options: String, at path: String) async throws {
    let finished = try await Tdxfs.run([path, "-o", options])
    try #require(finished.status == 0, "\(finished)")
  }

  private func unmount(_ path: String) async throws {
    let isUnmounted = try await eventually(within: 30) {
      try await Command.run(["fusermount3", "-u", path]).status == 0
    }
    #expect(isUnmounted)
    let isGone = try await eventually(within: 60) { try daemon(of: path) == nil }
    #expect(isGone)
  }

  /// Runs `body` with a place to mount a machine at, and the path of a file for its state.
  private func keepingState(_ body: (Machine, String) async throws -> Void) async throws {
    let files = try TemporaryDirectory()
    defer { files.remove() }
    let place = try TemporaryDirectory()
    defer { place.remove() }
    let result = await Result { () async throws in try await body(Machine(root: place.path), files.path + "/state") }
    _ = try await Command.run(["fusermount3", "-uz", place.path])
    try result.get()
  }

  @Test("save, change, restore: the machine is as it was, with its TDs and what it could still be updated")
  func restore() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    let files = try TemporaryDirectory()
    defer { files.remove() }
    let file = files.path + "/saved"
    try await Machine.mounted("lps=2") { machine in
      try await machine.shell("mkdir .tdxfs/td/a; echo vcpu > .tdxfs/td/a/step; echo finalize > .tdxfs/td/a/step")
      let saved = try await snapshot("save", file, "--at", machine.root)
      #expect(saved.status == 0, "\(saved)")
      #expect(try await machine.update(with: image) == "")
      try await machine.shell("rmdir .tdxfs/td/a")
      let restored = try await snapshot("restore", file, "--at", machine.root)
      #expect(restored.status == 0, "\(restored)")
      #expect(try machine.read("version") == "1.5.24\n")
      #expect(try machine.value(of: "remaining_updates", in: "status") == "15")
      #expect(try machine.read(".tdxfs/td/a/alive") == "1\n")
      #expect(try machine.read(".tdxfs/log").contains("tdxfs: restored from a snapshot"))
      // cat and dd do, too.
      try await machine.shell("cat .tdxfs/snapshot > \(file); cat \(file) > .tdxfs/snapshot")
      #expect(try await machine.update(with: image) == "")
      #expect(try machine.read("version") == "1.5.28\n")
      #expect(try machine.read(".tdxfs/td/a/alive") == "1\n")
      try await machine.shell("dd if=\(file) of=.tdxfs/snapshot bs=1M conv=notrunc 2> /dev/null")
      #expect(try machine.read("version") == "1.5.24\n")
    }
  }

  @Test("a snapshot of another machine, a damaged and a cut one are refused with the reason")
  func refused() async throws {
    let files = try TemporaryDirectory()
    defer { files.remove() }
    let file = files.path + "/saved"
    try await Machine.mounted("lps=2") { machine in
      let saved = try await snapshot("save", file, "--at", machine.root)
      #expect(saved.status == 0, "\(saved)")
    }
    try await Machine.mounted("lps=4") { machine in
      let other = try await snapshot("restore", file, "--at", machine.root)
      #expect(other.status == 1)
      #expect(other.errors.contains("it has lps=2, and this one has lps=4"), "\(other)")
      var bytes = try File.bytes(file)
      bytes[bytes.count / 3] ^= 4
      try File.create(files.path + "/damaged", bytes)
      let damaged = try await snapshot("restore", files.path + "/damaged", "--at", machine.root)
      #expect(damaged.status == 1 && damaged.errors.contains("checksum"), "\(damaged)")
      try File.create(files.path + "/cut", Array(bytes.dropLast(1000)))
      let cut = try await snapshot("restore", files.path + "/cut", "--at", machine.root)
      #expect(cut.status == 1 && cut.errors.contains("is cut"), "\(cut)")
    }
  }

  @Test("fork mounts a second machine that begins as the first is, and goes its own way")
  func fork() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    let place = try TemporaryDirectory()
    defer { place.remove() }
    try await Machine.mounted("lps=3,layout=sys,abi=v7") { machine in
      try await machine.shell("mkdir .tdxfs/td/a; echo vcpu > .tdxfs/td/a/step")
      let forked = try await snapshot("fork", place.path, "--at", machine.root)
      try #require(forked.status == 0, "\(forked)")
      let second = Machine(root: place.path)
      let result = await Result { () async throws in
        #expect(try second.value(of: "lps", in: "status") == "3")
        #expect(try second.value(of: "open_builds", in: "status") == "1")
        try await second.shell("rmdir .tdxfs/td/a; echo reboot > .tdxfs/power")
        #expect(try second.value(of: "tds", in: "status") == "0")
        #expect(try machine.value(of: "tds", in: "status") == "1")
        _ = image
      }
      _ = try await Command.run(["fusermount3", "-uz", place.path])
      try result.get()
    }
  }

  @Test("state= keeps the machine across an unmount, and across SIGKILL")
  func state() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await keepingState { machine, state in
      let options = "lps=2,state=\(state)"
      try await mount(options, at: machine.root)
      try await machine.shell("mkdir .tdxfs/td/a; echo vcpu > .tdxfs/td/a/step; echo finalize > .tdxfs/td/a/step")
      try await unmount(machine.root)

      try await mount(options, at: machine.root)
      #expect(try machine.read(".tdxfs/td/a/alive") == "1\n")
      #expect(try machine.read(".tdxfs/log").contains("tdxfs: restored from \(state), saved at 20"))
      #expect(try await machine.update(with: image) == "")
      let pid = try #require(try daemon(of: machine.root))
      #expect(kill(pid, SIGKILL) == 0)
      let isGone = try await eventually(within: 30) { try daemon(of: machine.root) == nil }
      #expect(isGone)

      try await mount(options, at: machine.root)
      #expect(try machine.read("version") == "1.5.28\n")
      #expect(try machine.read("firmware/tdx_module/status") == "idle\n")
      #expect(try machine.value(of: "remaining_updates", in: "status") == "14")
      #expect(try machine.read(".tdxfs/td/a/alive") == "1\n")
      try await unmount(machine.root)

      let other = try await Tdxfs.run([machine.root, "-o", "lps=4,state=\(state)"])
      #expect(other.status == 1 && other.errors.contains("it has lps=2, and this one has lps=4"), "\(other)")
    }
  }

  @Test("an unmount in the middle of an update: the next mount goes on with it")
  func middle() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await keepingState { machine, state in
      let options = "lps=2,state=\(state)"
      try await mount(options, at: machine.root)
      try await machine.shell(
        """
        echo 'stage=cpu-init delay=60s' > .tdxfs/fault/slow
        cd firmware/tdx_module; echo 1 > loading; cat '\(image)' > data; echo 0 > loading
        """)
      let isSlow = try await eventually(within: 30) { try machine.read(".tdxfs/fault/slow").contains("acted=1") }
      try #require(isSlow)
      try await unmount(machine.root)
      try await mount(options, at: machine.root)
      let isIdle = try await eventually(within: 30) { try machine.read("firmware/tdx_module/status") == "idle\n" }
      #expect(isIdle)
      #expect(try machine.read("firmware/tdx_module/error") == "")
      #expect(try machine.read("version") == "1.5.28\n")
    }
  }

  @Test("a second daemon on one state file is refused; a full disk is told, and the machine runs on")
  func trouble() async throws {
    let disk = try TemporaryDirectory()
    defer { disk.remove() }
    let mounted = try await Command.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk.path])
    try #require(mounted.status == 0, "\(mounted)")
    let place = try TemporaryDirectory()
    defer { place.remove() }
    let second = try TemporaryDirectory()
    defer { second.remove() }
    let machine = Machine(root: place.path)
    let result = await Result { () async throws in
      try await mount("lps=2,state=\(disk.path)/state", at: place.path)
      let other = try await Tdxfs.run([second.path, "-o", "lps=2,state=\(disk.path)/state"])
      #expect(other.status == 1 && other.errors.contains("another tdxfs keeps its machine in this file"), "\(other)")

      let old = try File.bytes(disk.path + "/state")
      _ = try await Command.run(["sh", "-c", "dd if=/dev/zero of=\(disk.path)/full bs=64k 2> /dev/null; true"])
      try await machine.shell("mkdir .tdxfs/td/a")
      #expect(try machine.read(".tdxfs/last_error").contains("could not be saved to \(disk.path)/state"))
      #expect(try machine.read(".tdxfs/log").contains("tdxfs: the machine could not be saved"))
      #expect(try machine.value(of: "tds", in: "status") == "1")
      #expect(try File.bytes(disk.path + "/state") == old)

      try await machine.shell("rm \(disk.path)/full; echo vcpu > .tdxfs/td/a/step")
      #expect(try machine.read(".tdxfs/last_error") == "")
      #expect(try File.bytes(disk.path + "/state") != old)
      try await unmount(place.path)
    }
    _ = try await Command.run(["fusermount3", "-uz", place.path])
    _ = try await Command.run(["umount", "-l", disk.path])
    try result.get()
  }
}

extension Result where Failure == any Error {
  /// What `body` gives, or its error.
  init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
