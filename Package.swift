// swift-tools-version: 6.2
import PackageDescription

/// The rooms of tdxfs and who may import whom. Every arrow points down: a room
/// is listed after the rooms that it imports.
let package = Package(
  name: "tdxfs",
  products: [
    .executable(name: "tdxfs", targets: ["tdxfs"]),
    // For tools/fuzz, which links it to libFuzzer.
    .library(name: "Fuzzing", type: .static, targets: ["Fuzzing"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
  ],
  targets: [
    // Below everything: bytes, locks, seeded randomness.
    .target(name: "Basics"),

    // Hashes and signatures, by the system's OpenSSL: beside it swift-crypto's SHA-384 is slower by a quarter, and brings
    // Foundation along.
    .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "Cryptography", dependencies: ["CLibcrypto"]),

    // What a server gives up after mounting, by libseccomp.
    .systemLibrary(name: "CConfinement", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
    .target(name: "Confinement", dependencies: ["Basics", "CConfinement"]),

    // FUSE, and the rules of the kernel's pseudo-filesystems. They do not know each other.
    .systemLibrary(name: "CFuse3", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .target(name: "FuseKit", dependencies: ["Basics", "CFuse3", .system]),
    .target(name: "Kernfs", dependencies: ["Basics", .system]),
    .target(name: "KernfsFuse", dependencies: ["Basics", "FuseKit", "Kernfs", .system]),

    // The silicon side: images, the machine, and the two firmwares that run on it.
    .target(name: "ModuleImage", dependencies: ["Basics", "Cryptography"]),
    .target(name: "SEAM", dependencies: ["Basics", "Cryptography", "ModuleImage"]),
    .target(name: "PSEAMLDR", dependencies: ["Basics", "ModuleImage", "SEAM"]),
    .target(name: "TDXModule", dependencies: ["Basics", "Cryptography", "ModuleImage", "SEAM"]),

    // The Linux side: it has SEAMCALL and physical memory, as Linux has.
    .target(name: "FirmwareUpload", dependencies: ["Basics", "Kernfs", .system]),
    .target(name: "TestFirmware", dependencies: ["Basics", "FirmwareUpload", "Kernfs", .system]),
    .target(
      name: "TDXHost", dependencies: ["Basics", "FirmwareUpload", "Kernfs", "ModuleImage", "SEAM", .system]),

    // One emulated machine, its control directory, and the command.
    .target(
      name: "Platform",
      dependencies: [
        "Basics", "Cryptography", "FirmwareUpload", "Kernfs", "ModuleImage", "PSEAMLDR", "SEAM", "TDXHost", "TDXModule",
        "TestFirmware", .product(name: "DequeModule", package: "swift-collections"), .system,
      ]),
    .target(name: "ControlTree", dependencies: ["Basics", "Kernfs", "Platform", "SEAM", "TDXHost", .system]),
    .executableTarget(
      name: "tdxfs",
      dependencies: [
        "Basics", "Confinement", "ControlTree", "FuseKit", "Kernfs", "KernfsFuse", "ModuleImage", "Platform", "SEAM",
        "TDXHost", .system,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // A folder for each room, and Acceptance, which only knows the command.
    .testTarget(name: "BasicsTests", dependencies: ["Basics"], path: "Tests/Basics"),
    .testTarget(name: "CryptographyTests", dependencies: ["Basics", "Cryptography"], path: "Tests/Cryptography"),
    .testTarget(name: "ConfinementTests", dependencies: ["Confinement"], path: "Tests/Confinement"),
    .testTarget(name: "FuseKitTests", dependencies: ["Basics", "FuseKit", .system], path: "Tests/FuseKit"),
    .testTarget(name: "KernfsTests", dependencies: ["Basics", "Kernfs", .system], path: "Tests/Kernfs"),
    .testTarget(
      name: "FirmwareUploadTests", dependencies: ["Basics", "FirmwareUpload", "Kernfs", .system],
      path: "Tests/FirmwareUpload"),
    .testTarget(
      name: "TestFirmwareTests", dependencies: ["Basics", "FirmwareUpload", "Kernfs", "TestFirmware", .system],
      path: "Tests/TestFirmware"),
    .testTarget(
      name: "ModuleImageTests", dependencies: ["Basics", "ModuleImage"],
      path: "Tests/ModuleImage"),
    .testTarget(
      name: "SEAMTests", dependencies: ["Basics", "ModuleImage", "SEAM", "Cryptography"], path: "Tests/SEAM"),
    .testTarget(
      name: "PSEAMLDRTests", dependencies: ["Basics", "ModuleImage", "PSEAMLDR", "SEAM"],
      path: "Tests/PSEAMLDR"),
    .testTarget(
      name: "TDXModuleTests", dependencies: ["Basics", "Cryptography", "ModuleImage", "SEAM", "TDXModule"],
      path: "Tests/TDXModule"),
    .testTarget(
      name: "TDXHostTests",
      dependencies: ["Basics", "FirmwareUpload", "Kernfs", "ModuleImage", "SEAM", "TDXHost", .system],
      path: "Tests/TDXHost"),
    .testTarget(
      name: "PlatformTests",
      dependencies: [
        "Basics", "Cryptography", "Kernfs", "ModuleImage", "Platform", "SEAM", "TDXHost", "TDXModule", .system,
      ],
      path: "Tests/Platform"),
    .testTarget(
      name: "ControlTreeTests", dependencies: ["Basics", "ControlTree", "Kernfs", "ModuleImage", "Platform", .system],
      path: "Tests/ControlTree"),
    .testTarget(name: "RunTests", dependencies: ["Platform", "tdxfs", .system], path: "Tests/Run"),
    .testTarget(name: "ScenarioTests", dependencies: ["tdxfs", "ModuleImage", .system], path: "Tests/Scenario"),
    .testTarget(
      name: "AcceptanceTests", dependencies: ["tdxfs", .system], path: "Tests/Acceptance", exclude: ["Golden"]),

    // What fuzzers drive, and what they found worth keeping.
    .target(
      name: "Fuzzing",
      dependencies: [
        "Basics", "ControlTree", "FuseKit", "Kernfs", "KernfsFuse", "ModuleImage", "Platform", "SEAM", .system,
      ],
      path: "Tests/Fuzzing/Targets"),
    .testTarget(name: "FuzzingTests", dependencies: ["Basics", "Fuzzing", .system], path: "Tests/Fuzzing/Replay"),
  ],
  swiftLanguageModes: [.v6]
)

extension Target.Dependency {
  static let system = product(name: "SystemPackage", package: "swift-system")
}
