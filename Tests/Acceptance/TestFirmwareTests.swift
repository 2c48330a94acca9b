import SystemPackage
import Testing

/// Issue 3, item 5: the kernel's own test driver and its selftest.
@Suite(
  "device=test_firmware", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct TestFirmwareTests {
  /// A source tree of the kernel, whose selftests are read from it and never copied.
  private static let kernelTree = Tdxfs.environment("TDXFS_KERNEL_TREE")
  private static let hasConfiguration = File.exists("/proc/config.gz")
  private static let driver = "devices/virtual/misc/test_firmware"

  private func run(_ command: String...) async throws -> Finished {
    try await Tdxfs.run(["run", "-o", "device=test_firmware", "--"] + command, seconds: 60)
  }

  @Test(
    "the kernel's selftest passes unchanged",
    .enabled(if: kernelTree != nil, "TDXFS_KERNEL_TREE names no source tree of the kernel"),
    .enabled(if: hasConfiguration, "the host's kernel has no /proc/config.gz"))
  func selftest() async throws {
    let directory = try #require(Self.kernelTree) + "/tools/testing/selftests/firmware"
    let finished = try await run("sh", "-c", #"cd "$1" && exec ./fw_upload.sh"#, "sh", directory)
    #expect(finished.status == 0, "\(finished)")
    #expect(
      finished.output == """
        ./fw_upload.sh: firmware upload cancellation works
        ./fw_upload.sh: firmware upload error handling works
        ./fw_upload.sh: oversized firmware error handling works

        """, "\(finished)")
    #expect(
      finished.errors == """
        ./fw_upload.sh: firmware upload for fw1 works
        ./fw_upload.sh: firmware upload for fw2 works
        ./fw_upload.sh: firmware upload for fw3 works

        """, "\(finished)")
  }

  @Test("devices that come and go leave no threads behind")
  func threads() async throws {
    try await Ground.prepared { ground in
      let server = try ground.start("device=test_firmware")
      let isServed = try await eventually { File.exists(ground.place + "/class/firmware/timeout") }
      try #require(isServed)
      try await ground.machine.shell(
        """
        for n in $(seq 20); do
          printf fw$n > \(Self.driver)/upload_register
          (cd class/firmware/fw$n; echo 1 > loading; echo x > data; echo 0 > loading
           while [ "$(cat status)" != idle ]; do :; done)
          printf fw$n > \(Self.driver)/upload_unregister
        done
        """)
      // One ends a second after its last upload.
      let areGone = try await eventually {
        let threads = try await Command.run(["sh", "-c", "ls /proc/\(server.process.pid)/task | wc -l"]).output
        return Int(threads.filter(\.isNumber)).map { $0 < 10 } == true
      }
      #expect(areGone)
      #expect(try await server.end() == 0)
    }
  }

  @Test("three devices: cancelled in every phase, failing in every way, too large, and read back")
  func sameSteps() async throws {
    let finished = try await run(
      "bash", "-euc",
      """
      cd /sys/devices/virtual/misc/test_firmware
      scratch=$(mktemp -d); trap 'rm -r $scratch' EXIT
      for name in one two three; do printf $name > upload_register; done

      begin() { echo 1 > $1/loading; cat > $1/data; echo 0 > $1/loading; }
      wait_for() {
        for ((try = 0; try < 1000; try++)); do [ "$(< $1/status)" != $2 ] || return 0; sleep 0.002; done
        echo "$1 never came to $2"; exit 1
      }
      ended() { wait_for $1 idle; [ "$(< $1/error)" = "$2" ] || { echo "want $2, got $(< $1/error)"; exit 1; }; }

      for phase in preparing transferring programming; do
        printf inject:$phase:user-abort | begin one
        wait_for one $phase
        echo 1 > one/cancel
        ended one $phase:user-abort
        for error in hw-error timeout device-busy invalid-file-size read-write-error flash-wearout firmware-invalid; do
          printf inject:$phase:$error | begin one
          ended one $phase:$error
        done
      done
      head -c 2560 /dev/urandom | begin one
      ended one preparing:invalid-file-size

      for size in 2048:one 1536:two 1024:three; do head -c ${size%:*} /dev/urandom > $scratch/${size#*:}; done
      for name in one two three; do begin $name < $scratch/$name; done
      for name in one two three; do
        ended $name ''
        printf $name > config_upload_name
        cmp upload_read $scratch/$name
      done
      test /sys/class/firmware/two/status -ef two/status
      for name in one two three; do printf $name > upload_unregister; done
      ls -A /sys/class/firmware
      """)
    #expect(finished.output == "timeout\n", "\(finished)")
    #expect(finished.status == 0, "\(finished)")
  }

  @Test(
    "the view has the driver's configuration, search path and log, and no TDX",
    .enabled(if: hasConfiguration, "the host's kernel has no /proc/config.gz"))
  func view() async throws {
    let finished = try await run(
      "sh", "-euc",
      """
      zgrep -c -e '^CONFIG_FW_UPLOAD=y' -e '^CONFIG_TEST_FIRMWARE=y' -e '^CONFIG_FW_LOADER_USER_HELPER=y' /proc/config.gz
      cat /sys/module/firmware_class/parameters/path
      dmesg | sed -n 's/^.*test_firmware: //p'
      grep -cw tdx_host_platform /proc/cpuinfo || true
      test ! -e /sys/devices/faux/tdx_host
      grep -q 'no TDX' "$TDXFS_CONTROL/why"
      ls -d /sys/class/misc/fuse /sys/class/misc/test_firmware
      """)
    #expect(
      finished.output == "3\n\ninterface ready\n0\n/sys/class/misc/fuse\n/sys/class/misc/test_firmware\n",
      "\(finished)")
    #expect(finished.status == 0, "\(finished)")
  }

  @Test("mounted: unregistering a device whose upload is held cancels it and returns when it has ended")
  func unregister() async throws {
    try await Machine.mounted("device=test_firmware") { machine in
      try machine.write("fw1", to: "\(Self.driver)/upload_register")
      try machine.write("1", to: "class/firmware/fw1/loading")
      try machine.write("inject:programming:user-abort", to: "class/firmware/fw1/data")
      try machine.write("0", to: "class/firmware/fw1/loading")
      try await machine.shell("while [ $(cat class/firmware/fw1/status) != programming ]; do sleep 0.01; done")
      #expect(machine.errorOfReading("class/firmware/fw1/error") == .resourceBusy)
      try machine.write("fw1", to: "\(Self.driver)/upload_unregister")
      #expect(try await machine.shell("ls -A class/firmware") == "timeout\n")
      #expect(machine.errorOfWriting("fw1", to: "\(Self.driver)/upload_unregister") == .invalidArgument)
    }
  }

  @Test("mounted: the log has the kernel's lines, and a reboot leaves no device")
  func log() async throws {
    try await Machine.mounted("device=test_firmware") { machine in
      try machine.write("fw1", to: "\(Self.driver)/upload_register")
      try machine.write("0", to: "class/firmware/fw1/loading")
      #expect(machine.errorOfWriting("nonsense", to: "class/firmware/fw1/uevent") == .invalidArgument)
      let log = try machine.read(".tdxfs/log")
      #expect(log.contains("] firmware fw1: firmware_loading_store: unexpected value (0)\n"))
      #expect(log.contains("] firmware fw1: uevent: failed to send synthetic uevent: -22\n"))
      try machine.write("reboot", to: ".tdxfs/power")
      #expect(try await machine.shell("ls -A class/firmware") == "timeout\n")
      #expect(try machine.read("\(Self.driver)/config_upload_name") == "(null)\n")
      #expect(try machine.read(".tdxfs/log").contains("] test_firmware: interface ready\n"))
    }
  }

  @Test("run --at uses the devices of a mounted one")
  func at() async throws {
    try await Machine.mounted("device=test_firmware") { machine in
      try machine.write("fw1", to: "\(Self.driver)/upload_register")
      let finished = try await Tdxfs.run([
        "run", "--at", machine.root, "--", "sh", "-euc",
        "cat /sys/class/firmware/fw1/status; printf fw2 > /sys/devices/virtual/misc/test_firmware/upload_register",
      ])
      #expect(finished.output == "idle\n", "\(finished)")
      #expect(try machine.read("class/firmware/fw2/status") == "idle\n")
    }
  }
}
