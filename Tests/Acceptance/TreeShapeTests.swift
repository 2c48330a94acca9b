import Testing

/// The four shapes that the tree has had (kernel-abi.md 3.4), through a real mount.
@Suite(
  "The tree of each generation of the series",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct TreeShapeTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    var abi: String
    var root = "devices/faux/tdx_host"
    var version = "version"
    var upload: String
    /// Text files below the root that are the kernel's own, with their modes.
    var files: String
    var testDescription: String { abi }
  }

  static let shapes = [
    Shape(
      abi: "v1", root: "devices/virtual/tdx", version: "tdx_tsm/version", upload: "seamldr_upload",
      files: "seamldr/num_remaining_updates 444\nseamldr/version 444\ntdx_tsm/version 444\n"),
    Shape(
      abi: "v2", upload: "seamldr_upload",
      files: "seamldr/num_remaining_updates 444\nseamldr/version 444\nversion 444\n"),
    Shape(
      abi: "v4", upload: "tdx_module",
      files: "seamldr/num_remaining_updates 400\nseamldr/version 400\nversion 444\n"),
    Shape(
      abi: "v8", upload: "tdx_module", files: "num_remaining_updates 400\nseamldr_version 400\nversion 444\n"),
  ]

  private let list =
    #"find . -path ./firmware -prune -o -type f ! -name uevent ! -path '*/power/*' -printf '%P %m\n' | sort"#

  @Test("layout=device: files, modes, and an update through the upload's own name", arguments: shapes)
  func device(shape: Shape) async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Machine.mounted("abi=\(shape.abi)") { machine async throws in
      #expect(try await machine.shell(list) == shape.files)
      #expect(try await machine.update(with: image, upload: shape.upload) == "")
      #expect(try machine.read(shape.version) == "1.5.28\n")
    }
  }

  @Test("layout=sys: every link leads to what it names", arguments: shapes)
  func sys(shape: Shape) async throws {
    try await Machine.mounted("layout=sys,abi=\(shape.abi),alias=tdx_module:seamldr_upload") { machine async throws in
      #expect(try await machine.shell("find . -xtype l") == "")
      for name in ["tdx_module", "seamldr_upload"] {
        #expect(try machine.read("class/firmware/\(name)/status") == "idle\n")
        #expect(
          try await machine.shell("readlink -f class/firmware/\(name)")
            == "\(machine.root)/\(shape.root)/firmware/\(shape.upload)\n")
      }
      let bus = shape.abi == "v1" ? "tdx/devices/tdx_tsm" : "faux/devices/tdx_host"
      #expect(try machine.read("bus/\(bus)/version").hasPrefix("1.5.24"))
      #expect(try await machine.shell("ls module") == (shape.abi == "v1" ? "" : "tdx_host\n"))
    }
  }
}
