import Kernfs
import ModuleImage
import SystemPackage
import TDXHost
import Testing

@testable import Platform

/// Whole updates on every kernel of kernel-abi.md 3.4: real firmwares, forged images in the header that the kernel takes.
@Suite("An update on each kernel", .timeLimit(.minutes(20)))
struct ProfileTests {
  struct Kernel: Sendable, CustomTestStringConvertible {
    var name: String
    /// Where version, P-SEAMLDR version and remaining updates are.
    var version = "version"
    var loader = "seamldr/version"
    var remaining = "seamldr/num_remaining_updates"
    var format = ModuleImageFile.Format.blob
    /// `error` for EIO of a firmware, for an offline CPU, for no remaining updates.
    var io = "transferring:firmware-invalid\n"
    var offline = "transferring:firmware-invalid\n"
    var spent = "transferring:firmware-invalid\n"
    /// An offline CPU and no remaining updates are refused before anything is touched.
    var checksCPUs = false
    var checksUpdates = false
    /// Texts of `version` after 1.5.24 became 1.5.28, and of the loader.
    var loaderText = "1.5.02\n"
    var successLines = ["virt/tdx: Module version: 1.5.28", "virt/tdx: version 1.5.24 -> 1.5.28"]
    var testDescription: String { name }
  }

  private static let hw = "transferring:hw-error\n"
  private static let quiet = ["virt/tdx: version 1.5.24 -> 1.5.28"]

  static let kernels: [Kernel] = [
    Kernel(
      name: "v1", version: "tdx_tsm/version", checksUpdates: true, loaderText: "1.5.2\n", successLines: quiet),
    Kernel(name: "v2", checksCPUs: true, checksUpdates: true, loaderText: "1.5.2\n", successLines: quiet),
    Kernel(
      name: "v3", io: hw, offline: "transferring:device-busy\n", spent: "transferring:flash-wearout\n",
      checksCPUs: true, checksUpdates: true),
    Kernel(
      name: "v4", io: hw, offline: "transferring:device-busy\n", spent: "transferring:flash-wearout\n",
      checksCPUs: true, checksUpdates: true),
    Kernel(name: "v5", io: hw, spent: hw), Kernel(name: "v6", io: hw, spent: hw),
    Kernel(name: "v7", io: hw, spent: hw),
    Kernel(name: "v8", loader: "seamldr_version", remaining: "num_remaining_updates", successLines: quiet),
    Kernel(
      name: "v9", loader: "seamldr_version", remaining: "num_remaining_updates", format: .image, successLines: []),
    Kernel(
      name: "v10", loader: "seamldr_version", remaining: "num_remaining_updates", format: .image, successLines: []),
    Kernel(
      name: "merged", loader: "seamldr_version", remaining: "num_remaining_updates", format: .image, successLines: []),
    Kernel(name: "selector", remaining: "num_remaining_updates", successLines: quiet),
  ]

  private func bench(_ kernel: Kernel, _ options: [String: String] = [:]) throws -> Bench {
    try Bench(options.merging(["abi": kernel.name]) { first, _ in first })
  }

  private func image(_ kernel: Kernel, other: Bool = false) throws -> [UInt8] {
    let format: ModuleImageFile.Format = (kernel.format == .image) == other ? .blob : .image
    return try Images.forge("1.5.28", format: format)
  }

  @Test("there is one here for every profile")
  func complete() {
    #expect(Set(Self.kernels.map(\.name)) == Set(ABIProfile.all.map(\.name)))
  }

  @Test("succeeds, costs one update and logs what this kernel logs", arguments: kernels)
  func success(kernel: Kernel) throws {
    let bench = try bench(kernel)
    #expect(try bench.read(kernel.version) == "1.5.24\n")
    #expect(try bench.read(kernel.loader) == kernel.loaderText)
    let before = bench.log.count
    #expect(try bench.update(to: image(kernel)) == "")
    #expect(try bench.read(kernel.version) == "1.5.28\n")
    #expect(try bench.read(kernel.remaining) == "14\n")
    #expect(Array(bench.log.dropFirst(before).prefix(kernel.successLines.count)) == kernel.successLines)
    #expect(bench.status("sys_state") == "SYS_READY")
  }

  @Test("of an image of the other header is refused, and nothing is touched", arguments: kernels)
  func otherHeader(kernel: Kernel) throws {
    let bench = try bench(kernel)
    #expect(try bench.update(to: image(kernel, other: true)) == "transferring:firmware-invalid\n")
    #expect(bench.machine.why().stage == "preflight")
    #expect(try bench.read(kernel.version) == "1.5.24\n")
    #expect(try bench.update(to: image(kernel)) == "")
  }

  @Test("that the P-SEAMLDR refuses loses TDX", arguments: kernels)
  func refused(kernel: Kernel) throws {
    let bench = try bench(kernel, ["keys": "intel"])
    #expect(try bench.update(to: image(kernel)) == kernel.io)
    #expect(throws: Errno.noSuchAddressOrDevice) { try bench.read(kernel.version) }
    #expect(try bench.read(kernel.remaining) == "15\n")
    #expect(bench.machine.why().lost == .module)
  }

  @Test("with an offline CPU", arguments: kernels)
  func offline(kernel: Kernel) throws {
    let bench = try bench(kernel)
    _ = try bench.machine.setOnline(false, cpu: 2)
    #expect(try bench.update(to: image(kernel)) == kernel.offline)
    #expect(bench.machine.why().lost == (kernel.checksCPUs ? .none : .module))
    guard kernel.checksCPUs else { return }
    #expect(try bench.read(kernel.version) == "1.5.24\n")
    _ = try bench.machine.setOnline(true, cpu: 2)
    #expect(try bench.update(to: image(kernel)) == "")
  }

  @Test("when the last one is used up", arguments: kernels)
  func spent(kernel: Kernel) throws {
    let bench = try bench(kernel, ["updates": "1"])
    #expect(try bench.update(to: image(kernel)) == "")
    #expect(try bench.read(kernel.remaining) == "0\n")
    #expect(try bench.update(to: image(kernel)) == kernel.spent)
    #expect(bench.machine.why().lost == (kernel.checksUpdates ? .none : .module))
  }

  @Test("v2 has no device at all without updates")
  func noDevice() throws {
    let bench = try Bench(["abi": "v2", "updates": "0"])
    #expect(throws: Errno.noSuchFileOrDirectory) { try bench.read("version") }
    #expect(bench.log.last == "P-SEAMLDR doesn't support TDX Module updates")
  }

  @Test(
    "cancel while idle ends the next upload in v1 and v2 only",
    arguments: [("v1", "preparing:user-abort\n"), ("v2", "preparing:user-abort\n"), ("v3", ""), ("v4", "")])
  func cancel(name: String, error: String) throws {
    let kernel = try #require(Self.kernels.first { $0.name == name })
    let bench = try bench(kernel)
    #expect(throws: Errno.operationNotSupportedByDevice) { try bench.write("1", to: "\(bench.upload)/cancel") }
    #expect(try bench.update(to: image(kernel)) == error)
    if !error.isEmpty {
      #expect(bench.machine.why().sentence.hasPrefix("cancel was written"))
      #expect(try bench.update(to: image(kernel)) == "")
    }
    #expect(try bench.read(kernel.version) == "1.5.28\n")
  }
}

@Suite("Aliases", .timeLimit(.minutes(20)))
struct AliasTests {
  @Test("a name or the same name with slashes; another is refused with the nearest")
  func names() throws {
    var options = MachineOptions()
    #expect(try options.set("alias", to: "seamldr:seamldr_upload:firmware/tdx/tdx_module"))
    #expect(options.aliases == [.seamldr, .seamldrUpload, .sysFirmware])
    #expect(throws: OptionError.self) { try options.set("alias", to: "seamldr_uplod") }
    do throws(OptionError) { _ = try options.set("alias", to: "seamldr_uplod") } catch {
      #expect(error.description.contains("did you mean seamldr_upload?"))
    }
    #expect(throws: OptionError.self) { try Bench(["alias": "/sys/firmware/tdx/tdx_module/"]) }
  }

  @Test("show the state of the one device", arguments: ["v1", "v2", "v4", "v8", "merged"])
  func sameState(abi: String) throws {
    let all = "seamldr/:seamldr_upload:tdx_module:seamldr_version:num_remaining_updates"
    let bench = try Bench(["abi": abi, "alias": all])
    let device = bench.machine.profile.device.isEmpty ? "" : bench.machine.profile.device + "/"
    let format: ModuleImageFile.Format = abi == "merged" ? .image : .blob
    #expect(try bench.update(to: Images.forge("1.5.28", format: format)) == "")
    for path in ["seamldr/num_remaining_updates", device + "num_remaining_updates"] {
      #expect(try bench.read(path) == "14\n")
    }
    #expect(try bench.read("seamldr/version") == bench.read(device + "seamldr_version"))
    for name in ["seamldr_upload", "tdx_module"] where name != bench.machine.profile.uploadName {
      let link = try #require(bench.tree.node(at: "firmware/\(name)"))
      #expect(try bench.tree.readLink(link) == bench.machine.profile.uploadName)
    }
  }

  @Test("in a /sys tree there are links in class/firmware, and what older kernels showed of the module")
  func sysTree() throws {
    let bench = try Bench(["layout": "sys", "alias": "seamldr_upload:/sys/firmware/tdx/tdx_module/"])
    let link = try #require(bench.tree.node(at: "class/firmware/seamldr_upload"))
    #expect(try bench.tree.readLink(link) == "../../devices/faux/tdx_host/firmware/tdx_module")
    let texts = [
      "status": "initialized\n", "attributes": "0x00000000\n", "vendor_id": "0x00008086\n",
      "build_date": "20250729\n", "build_num": "0x000003af\n", "minor_version": "0x00000005\n",
      "major_version": "0x00000001\n",
    ]
    for (name, text) in texts { #expect(try bench.read("firmware/tdx/tdx_module/\(name)") == text) }
    _ = try bench.machine.power(.reboot)
    #expect(try bench.read("firmware/tdx/tdx_module/status") == "initialized\n")
  }
}
