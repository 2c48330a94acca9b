import SystemPackage
import Testing

/// The way of one update, and the ways in which it ends, as a client at a shell sees them (kernel-abi.md 2 and 5.4).
@Suite(
  "A module update with echo and cat",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct UpdateTests {
  @Test("1.5.24 becomes 1.5.28, one update is used up, and the kernel log says so")
  func success() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Machine.mounted { machine async throws in
      #expect(try await machine.update(with: image) == "")
      #expect(try machine.read("version") == "1.5.28\n")
      #expect(try machine.read("num_remaining_updates") == "14\n")
      #expect(try machine.read("firmware/tdx_module/remaining_size") == "0\n")
      #expect(try machine.read("firmware/tdx_module/data") == "")
      #expect(try machine.value(of: "result", in: "why") == "success")
      #expect(try machine.value(of: "lost", in: "why") == "none")
      #expect(try machine.read(".tdxfs/log").hasSuffix("] virt/tdx: version 1.5.24 -> 1.5.28\n"))
    }
  }

  @Test("a header that the kernel refuses: firmware-invalid, and nothing is lost")
  func header() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let image = try await Catalog.shared.image("1.5.28", flipping: 0x01, at: 0, in: scratch)
    try await Machine.mounted { machine async throws in
      #expect(try await machine.update(with: image) == "transferring:firmware-invalid\n")
      #expect(try machine.read("version") == "1.5.24\n")
      #expect(try machine.read("num_remaining_updates") == "15\n")
      #expect(try machine.value(of: "lost", in: "why") == "none")
      let sound = try await Catalog.shared.image("1.5.28")
      #expect(try await machine.update(with: sound) == "")
      #expect(try machine.read("version") == "1.5.28\n")
    }
  }

  @Test(
    "one flipped bit of the sigstruct or of the module: TDX is lost, the loader still answers, and a reboot brings it back",
    arguments: [0x1000 + 128, 0x1000 + 600, 0x2000])
  func brokenImage(offset: Int) async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let image = try await Catalog.shared.image("1.5.28", flipping: 0x10, at: offset, in: scratch)
    try await Machine.mounted { machine async throws in
      #expect(try await machine.update(with: image) == "transferring:firmware-invalid\n")
      #expect(machine.errorOfReading("version") == .noSuchAddressOrDevice)
      #expect(try machine.read("num_remaining_updates") == "15\n")
      #expect(try machine.read("seamldr_version") == "1.5.02\n")
      #expect(try machine.value(of: "lost", in: "why") == "module")
      try machine.write("reboot\n", to: ".tdxfs/power")
      #expect(try machine.read("version") == "1.5.24\n")
      #expect(try machine.read("firmware/tdx_module/error") == "")
    }
  }

  @Test("an empty image: nothing happens, no error is set, and why says that nothing was staged")
  func emptyImage() async throws {
    try await Machine.mounted { machine async throws in
      #expect(try await machine.update(with: "/dev/null") == "")
      #expect(try machine.read("version") == "1.5.24\n")
      #expect(try machine.read("num_remaining_updates") == "15\n")
      #expect(try machine.value(of: "result", in: "why") == "nothing-staged")
    }
  }

  @Test("no updates remain: the kernel does not look, shuts the module down, and TDX is lost")
  func updatesUsedUp() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Machine.mounted("updates=1") { machine async throws in
      #expect(try await machine.update(with: image) == "")
      #expect(try machine.read("num_remaining_updates") == "0\n")
      #expect(try await machine.update(with: image) == "transferring:firmware-invalid\n")
      #expect(machine.errorOfReading("version") == .noSuchAddressOrDevice)
      #expect(try machine.value(of: "lost", in: "why") == "module")
    }
  }

  @Test("cancel: false or garbage is EINVAL, true is ENODEV while idle, and reading it is refused to root too")
  func cancelWhileIdle() async throws {
    try await Machine.mounted { machine async throws in
      let cancel = "firmware/tdx_module/cancel"
      for text in ["0\n", "n", "off", "x", "2"] {
        #expect(machine.errorOfWriting(text, to: cancel) == .invalidArgument, "\(text)")
      }
      for text in ["1\n", "y", "Y", "t", "on"] {
        #expect(machine.errorOfWriting(text, to: cancel) == .operationNotSupportedByDevice, "\(text)")
      }
      #expect(machine.errorOfReading(cancel) == .permissionDenied)
    }
  }

  @Test("a write moves at most 4096 bytes, and root gets EACCES in the direction that a mode lacks")
  func shortWritesAndModes() async throws {
    try await Machine.mounted { machine async throws in
      try machine.write("1\n", to: "firmware/tdx_module/loading")
      let count = try File.write([UInt8](repeating: 0x41, count: 10_000), to: machine.upload() + "/data")
      #expect(count == 4096)
      #expect(try machine.read("firmware/tdx_module/data").utf8.count == 4096)
      #expect(try machine.read("firmware/tdx_module/loading") == "1\n")
      try machine.write("-1\n", to: "firmware/tdx_module/loading")
      #expect(machine.errorOfWriting("x", to: "version") == .permissionDenied)
    }
  }

  @Test("under v8 a module that does not know AVOID_COMPAT_SENSITIVE refuses to shut down: nothing is lost")
  func oldModuleUnderV8() async throws {
    let image = try await Catalog.shared.image("1.5.06")
    try await Machine.mounted("abi=v8,module=1.5.05") { machine async throws in
      #expect(try await machine.update(with: image) == "transferring:firmware-invalid\n")
      #expect(try machine.read("version") == "1.5.05\n")
      #expect(try machine.value(of: "lost", in: "why") == "none")
      #expect(try machine.read(".tdxfs/why").contains("AVOID_COMPAT_SENSITIVE"))
    }
    try await Machine.mounted("abi=selector,module=1.5.05") { machine async throws in
      #expect(try await machine.update(with: image, upload: "seamldr_upload") == "")
      #expect(try machine.read("version") == "1.5.06\n")
    }
  }
}
