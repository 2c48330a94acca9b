import Testing

/// kernel-abi.md 1.1: what a listing of the mount shows, to the last mode, size, link target and link count.
@Suite(
  "A listing of the mount is a listing of the real directory",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct ListingTests {
  /// Path, type and permissions, link count, size, link target.
  private let device = """
    . d755 3 0
    driver l777 1 0 -> ../../../bus/faux/drivers/faux_driver
    firmware d755 3 0
    firmware/tdx_module d755 3 0
    firmware/tdx_module/cancel f200 1 4096
    firmware/tdx_module/data f644 1 0
    firmware/tdx_module/device l777 1 0 -> ../../../tdx_host
    firmware/tdx_module/error f444 1 4096
    firmware/tdx_module/loading f644 1 4096
    firmware/tdx_module/power d755 2 0
    firmware/tdx_module/power/autosuspend_delay_ms f644 1 4096
    firmware/tdx_module/power/control f644 1 4096
    firmware/tdx_module/power/runtime_active_time f444 1 4096
    firmware/tdx_module/power/runtime_status f444 1 4096
    firmware/tdx_module/power/runtime_suspended_time f444 1 4096
    firmware/tdx_module/remaining_size f444 1 4096
    firmware/tdx_module/status f444 1 4096
    firmware/tdx_module/subsystem l777 1 0 -> ../../../../../class/firmware
    firmware/tdx_module/uevent f644 1 4096
    num_remaining_updates f400 1 4096
    seamldr_version f400 1 4096
    subsystem l777 1 0 -> ../../../bus/faux
    uevent f644 1 4096
    version f444 1 4096

    """

  private func listing(of path: String) async throws -> String {
    try await Command.run(
      ["sh", "-euc", #"find "$1" -printf '%P|%y%m %n %s|%l\n' | LC_ALL=C sort -t '|' -k 1,1"#, "sh", path]
    ).output.split(separator: "\n").map { line in
      let fields = line.split(separator: "|", omittingEmptySubsequences: false)
      let link = fields[2].isEmpty ? "" : " -> " + fields[2]
      return (fields[0].isEmpty ? "." : fields[0]) + " " + fields[1] + link + "\n"
    }.joined()
  }

  @Test("layout=device: the tdx_host directory, and nothing else")
  func deviceLayout() async throws {
    try await Machine.mounted { machine async throws in
      #expect(try await listing(of: machine.root) == device)
      let owners = try await machine.shell("find . -printf '%U:%G %b\n' | sort -u")
      #expect(owners == "0:0 0\n")
      #expect(try await machine.shell("stat -c %o version firmware/tdx_module/data") == "4096\n4096\n")
    }
  }

  @Test("layout=sys: the same directory in its place, and links to it from class and bus")
  func sysLayout() async throws {
    try await Machine.mounted("layout=sys") { machine async throws in
      #expect(try await listing(of: machine.root + "/devices/faux/tdx_host") == device)
      let firmware = """
        . d755 2 0
        tdx_module l777 1 0 -> ../../devices/faux/tdx_host/firmware/tdx_module
        timeout f644 1 4096

        """
      #expect(try await listing(of: machine.root + "/class/firmware") == firmware)
      let bus = """
        . d755 4 0
        devices d755 2 0
        devices/tdx_host l777 1 0 -> ../../../devices/faux/tdx_host
        drivers d755 3 0
        drivers/faux_driver d755 2 0
        drivers/faux_driver/tdx_host l777 1 0 -> ../../../../devices/faux/tdx_host
        drivers/faux_driver/uevent f200 1 4096
        drivers_autoprobe f644 1 4096
        drivers_probe f200 1 4096
        uevent f200 1 4096

        """
      #expect(try await listing(of: machine.root + "/bus/faux") == bus)
      #expect(try machine.read("class/firmware/tdx_module/device/version") == "1.5.24\n")
      #expect(try machine.read("devices/system/cpu/online") == "0-3\n")
    }
  }

  @Test(
    "each file says what it says on a machine that has just booted",
    arguments: [
      ("uevent", "DRIVER=faux_driver\n"), ("version", "1.5.24\n"), ("seamldr_version", "1.5.02\n"),
      ("num_remaining_updates", "15\n"), ("firmware/tdx_module/loading", "0\n"), ("firmware/tdx_module/data", ""),
      ("firmware/tdx_module/status", "idle\n"), ("firmware/tdx_module/error", ""),
      ("firmware/tdx_module/remaining_size", "0\n"),
      ("firmware/tdx_module/uevent", "FIRMWARE=tdx_module\nTIMEOUT=60\nASYNC=0\n"),
      ("firmware/tdx_module/power/control", "auto\n"), ("firmware/tdx_module/power/runtime_status", "unsupported\n"),
    ])
  func contents(path: String, text: String) async throws {
    try await Machine.mounted { machine async throws in #expect(try machine.read(path) == text) }
  }

  @Test("the control directory is there for who knows its name, and for its owner only; control=off takes it away")
  func controlDirectory() async throws {
    try await Machine.mounted { machine async throws in
      #expect(try await !machine.shell("ls -a").contains("tdxfs"))
      #expect(try await machine.shell("stat -c '%F %a' .tdxfs") == "directory 700\n")
      #expect(try machine.read(".tdxfs/why").hasPrefix("nothing was uploaded\n"))
    }
    try await Machine.mounted("control=off") { machine async throws in
      #expect(machine.errorOfReading(".tdxfs/why") == .noSuchFileOrDirectory)
    }
  }
}
