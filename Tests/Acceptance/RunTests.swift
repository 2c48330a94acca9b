import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// DESIGN.md section 5, "Running a tool".
@Suite("tdxfs run", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct RunTests {
  private func run(_ options: [String], _ command: String...) async throws -> Finished {
    try await Tdxfs.run(["run"] + options + ["--"] + command)
  }

  @Test("the machine is in /sys, in /proc/cpuinfo, in dmesg and in Python's cpuid; the host's own /sys is around it")
  func view() async throws {
    let finished = try await run(
      ["-o", "cpu=emr,lps=6,erratum=seamret_invd_vmcs"], "sh", "-euc",
      """
      cat /sys/bus/faux/devices/tdx_host/version
      cat /sys/devices/system/cpu/online /sys/devices/system/cpu/present /sys/devices/system/cpu/possible
      grep -m 1 '^flags' /proc/cpuinfo | grep -ow tdx_host_platform
      grep -m 1 '^bugs' /proc/cpuinfo | grep -ow seamret_invd_vmcs
      dmesg | grep -c 'virt/tdx: Module version: 1.5.24'
      python3 -c 'import cpuid; print("%x" % cpuid.cpuid(1)[0])'
      test -d /sys/devices/virtual
      """)
    #expect(
      finished.output == "1.5.24\n0-5\n0-5\n0-5\ntdx_host_platform\nseamret_invd_vmcs\n1\nc06f2\n", "\(finished)")
    #expect(finished.status == 0)
  }

  @Test("a reboot within the view makes the device anew, and its files are found in their places")
  func reboot() async throws {
    let finished = try await run(
      ["-o", "updates=7"], "sh", "-euc",
      """
      echo 1 > /sys/class/firmware/tdx_module/loading
      echo reboot > "$TDXFS_CONTROL/power"
      cat /sys/devices/faux/tdx_host/version /sys/bus/faux/devices/tdx_host/num_remaining_updates
      cat /sys/class/firmware/tdx_module/loading /sys/class/firmware/tdx_module/status
      echo kexec > "$TDXFS_CONTROL/power"
      ls /sys/devices/faux /sys/class/firmware
      """)
    #expect(
      finished.output
        == "1.5.24\n7\n0\nidle\n/sys/class/firmware:\ntimeout\n\n/sys/devices/faux:\npower\nuevent\n", "\(finished)")
    #expect(finished.status == 0)
  }

  @Test("dmesg has the machine's whole log, a record a line, and nothing of the host's")
  func kernelLog() async throws {
    let finished = try await run([], "sh", "-euc", #"dmesg; cat "$TDXFS_CONTROL/log" >&2"#)
    #expect(!finished.output.isEmpty)
    #expect(finished.output == finished.errors, "\(finished)")
  }

  @Test(
    "the command's end is ours",
    arguments: [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -TERM $$", 143)] as [(String, Int32)])
  func status(script: String, status: Int32) async throws {
    #expect(try await run([], "sh", "-c", script).status == status)
  }

  @Test("a command that is not there: 127 and one line")
  func notFound() async throws {
    let finished = try await run([], "no-such-command")
    #expect(finished.status == 127)
    #expect(finished.errors == "tdxfs: no-such-command: command not found\n")
  }

  @Test("nothing stays behind: neither mounts nor files, also when the command is killed")
  func nothingStays() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    // Other tests mount and unmount meanwhile, in temporary directories of their own.
    func mounts() throws -> [Substring] {
      try File.read("/proc/mounts").split(separator: "\n").filter {
        $0.contains(scratch.path) || !$0.contains(" /tmp/")
      }
    }
    let before = try mounts()
    let finished = try await Command.run(
      [try Tdxfs.binary(), "run", "--", "sh", "-c", "kill -9 $$"], variables: ["TMPDIR": scratch.path])
    #expect(finished.status == 137, "\(finished)")
    #expect(try mounts() == before)
    let left = try await Command.run(["ls", "-A", scratch.path])
    #expect(left.output == "")
  }

  @Test(
    "with --at the machine that is mounted is used, in either layout, and its changes stay",
    arguments: ["device", "sys"])
  func mountedMachine(layout: String) async throws {
    let catalog = try await Catalog.shared.directory()
    try await Machine.mounted("layout=\(layout)") { machine async throws in
      let finished = try await run(
        ["--at", machine.root], "python3", Tdxfs.sources + "/tools/python/newest_module.py", catalog)
      #expect(finished.status == 0, "\(finished)")
      let version = finished.output.split(separator: " ").last ?? ""
      #expect(version != "1.5.24\n")
      let device = layout == "sys" ? "devices/faux/tdx_host/" : ""
      #expect(try machine.read(device + "version") == version)
      #expect(try machine.read(device + "num_remaining_updates") == "14\n")
    }
  }

  @Test("a signal for tdxfs run is a signal for the command")
  func signals() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let (output, errors) = (scratch.path + "/output", scratch.path + "/errors")
    let script = "trap 'echo ended; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    let pid = try Command.spawn(
      [try Tdxfs.binary(), "run", "--", "sh", "-c", script], output: output, errors: errors)
    let isReady = try await eventually { try File.read(output) == "ready\n" }
    #expect(isReady)
    kill(pid, SIGTERM)
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    #expect(status == 3 << 8)
    #expect(try File.read(output) == "ready\nended\n")
  }
}

/// Intel's own script and images, in a checkout that is not changed.
@Suite(
  "Intel's selector script, unmodified",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot),
  .enabled(if: Tdxfs.intelBinaries != nil, "TDXFS_INTEL_BINARIES names no checkout of Intel's repository"),
  .serialized, .timeLimit(.minutes(20)))
struct SelectorScriptTests {
  private func script(_ options: [String], _ arguments: String...) async throws -> Finished {
    let directory = try #require(Tdxfs.intelBinaries)
    return try await Tdxfs.run(
      ["run"] + options + ["--", "python3", directory + "/version_select_and_load.py"] + arguments, seconds: 60)
  }

  @Test("on a machine with 1.5.05 it lists every release, and which of them keep guests")
  func list() async throws {
    let finished = try await script(["-o", "abi=selector,module=1.5.05"], "--list")
    #expect(finished.status == 0, "\(finished)")
    let capable = finished.output.split(separator: "\n").filter { !$0.contains("incapable") }
    #expect(capable.map { $0.filter { $0 != " " } } == ["1.5.16", "1.5.13", "1.5.09", "1.5.08", "1.5.06", "1.5.05"])
  }

  @Test(
    "it updates to the newest release, or to the one that is asked for",
    arguments: [
      ("module=1.5.05", nil, "from 1.5.05 to 1.5.16"), ("module=1.5.05", "1.5.06", "from 1.5.05 to 1.5.06"),
      ("cpu=gnr,module=2.0.04", nil, "from 2.0.04 to 2.0.08"),
    ] as [(String, String?, String)])
  func update(machine: String, version: String?, outcome: String) async throws {
    let options = ["-o", "abi=selector,\(machine)"]
    let finished =
      if let version { try await script(options, "--update", version) } else { try await script(options, "--update") }
    #expect(finished.status == 0 && finished.output.contains("Upgrade Intel TDX module \(outcome)\n"), "\(finished)")
  }

  @Test("a 1.5 image on a 2.0 machine is refused by the script")
  func incompatible() async throws {
    let finished = try await script(["-o", "abi=selector,cpu=gnr,module=2.0.04"], "--update", "1.5.16")
    #expect(finished.output.contains("incompatible module 1.5.16"), "\(finished)")
  }

  @Test("the same over a shell is refused by the P-SEAMLDR, and TDX is lost")
  func incompatibleOverShell() async throws {
    let directory = try #require(Tdxfs.intelBinaries)
    try await Machine.mounted("abi=selector,cpu=gnr,module=2.0.04") { machine async throws in
      let image = directory + "/joined_files/1.5/tdx_module_1.5.16.blob"
      #expect(
        try await machine.update(with: image, upload: "seamldr_upload") == "transferring:firmware-invalid\n")
      #expect(machine.errorOfReading("version") == .noSuchAddressOrDevice)
      #expect(try machine.value(of: "status", in: "why")?.hasPrefix("EUNSUPPORTED 0x8000000000000006") == true)
      #expect(try machine.value(of: "lost", in: "why") == "module")
    }
  }

  @Test("on a mounted machine the new module stays")
  func mountedMachine() async throws {
    try await Machine.mounted("abi=selector,module=1.5.05") { machine async throws in
      let finished = try await script(["--at", machine.root], "--update")
      #expect(finished.status == 0, "\(finished)")
      #expect(try machine.read("version") == "1.5.16\n")
    }
  }

  @Test("the script's directory is as it was")
  func unmodified() async throws {
    let directory = try #require(Tdxfs.intelBinaries)
    _ = try await script(["-o", "abi=selector,module=1.5.05"], "--list")
    let status = try await Command.run(["git", "-C", directory, "status", "--porcelain"])
    #expect(status.output.isEmpty, "\(status)")
  }
}
