import ModuleImage
import SEAM
import TDXHost

/// One try: a client on a kernel on a machine with a running module, and an image.
struct MatrixCell {
  let client: MatrixClient
  let kernel: String
  let module: ModuleVersion
  let cpu: CPUModel
  let image: MatrixImage
  /// Directory in which Intel's own script finds the image; nil for a client of ours.
  let intelDirectory: String?

  /// What is run for it, by the command at `executable`.
  func words(executable: String) -> [String] {
    let options = "abi=\(kernel),module=\(module),cpu=\(cpu.rawValue),lps=2,seed=1"
    let intel = intelDirectory.map { ["--intel", $0] } ?? []
    return [
      executable, "run", "-o", options, "--", executable, "matrix-cell", "--client", client.rawValue, "--kernel",
      kernel, "--image", image.path, "--version", image.version.description,
    ] + intel
  }
}

/// An image of the matrix.
struct MatrixImage {
  let path: String
  let version: ModuleVersion
  let format: ModuleImageFile.Format
  /// Made for the occasion.
  let isForged: Bool
}

/// What is to be tried.
struct MatrixPlan {
  var clients = MatrixClient.allCases
  var kernels = ABIProfile.all.map(\.name)
  var images: [MatrixImage]
  /// Running modules; nil for a few of each image's own line.
  var modules: [ModuleVersion]?
  /// Which client is Intel's own script, and the directory in which it finds an image, by the image's path.
  var intel: (client: MatrixClient, directories: [String: String])?

  /// Running modules of the line of `image`: without and with UPDATE_COMPAT (TDX_FEATURES0 bit 47), and newer.
  static func defaultModules(for image: MatrixImage) -> [ModuleVersion] {
    image.version.major < 2
      ? [ModuleVersion(1, 5, 5), ModuleVersion(1, 5, 24), ModuleVersion(1, 5, 28)]
      : [ModuleVersion(2, 0, 8), ModuleVersion(2, 0, 14), ModuleVersion(2, 0, 16)]
  }

  /// All cells: by image, by running module, by client, by kernel.
  var cells: [MatrixCell] {
    images.flatMap { image in
      (modules ?? Self.defaultModules(for: image)).flatMap { module in
        let cpu = Self.cpu(for: module)
        return clients.flatMap { client in
          kernels.map { kernel in
            MatrixCell(
              client: client, kernel: kernel, module: module, cpu: cpu, image: image,
              intelDirectory: intel.flatMap { $0.client == client ? $0.directories[image.path] : nil })
          }
        }
      }
    }
  }

  /// The first CPU that the running module is for.
  private static func cpu(for module: ModuleVersion) -> CPUModel {
    let listed = ReleaseTable.metadata(for: module).cpus
    return CPUModel.allCases.first { cpu in
      listed.contains { CPUModel.matches(listed: $0, signature: cpu.signature) }
    } ?? .spr
  }
}
