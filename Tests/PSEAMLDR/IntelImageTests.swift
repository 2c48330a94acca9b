import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Intel's real images, which are never part of the repository: a clone of their repository of binaries at
/// TDXFS_INTEL_BINARIES.
enum IntelImages {
  static let directory: String? = getenv("TDXFS_INTEL_BINARIES").map { String(cString: $0) }

  static func image(_ version: ModuleVersion) throws -> Image {
    let directory = try #require(directory)
    let path = "\(directory)/joined_files/\(version.major).\(version.minor)/tdx_module_\(version).blob"
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes.append(contentsOf: chunk[..<count]) }
    let blob = try ModuleImageFile(bytes)
    return Image(sigstruct: blob.sigstruct, module: blob.module)
  }
}

@Suite(
  "Intel's real images", .timeLimit(.minutes(20)),
  .enabled(if: IntelImages.directory != nil, "TDXFS_INTEL_BINARIES names no directory with Intel's images"))
struct IntelImageTests {
  static let old = [1, 5, 6, 8, 9, 13, 16].map { ModuleVersion(1, 5, $0) }
  static let new = [2, 4, 5, 8].map { ModuleVersion(2, 0, $0) }

  @Test("each is loaded by the loaders of its line, and is what its name says", arguments: old + new)
  func load(version: ModuleVersion) throws {
    var rig = Rig(cpu: version.major == 1 ? .emr : .gnr, signers: TrustedSigners([.intel]))
    let image = try IntelImages.image(version)
    #expect(rig.install(image, scenario: Rig.load) == .success)
    let release = try #require(ReleaseTable.release(version))
    #expect(rig.machine.residentProgram == ModuleProgram(release: release))
    #expect(rig.machine.seamExtend.info.mrseam.hexadecimal == release.seamHash)
  }

  @Test("the 2.0 loader takes the 1.5 line too; the 1.5 loader refuses the 2.0 line")
  func otherLine() throws {
    for version in Self.old {
      var rig = Rig(seamldr: ModuleVersion(2, 0, 0))
      #expect(rig.install(try IntelImages.image(version), scenario: Rig.load) == .success)
    }
    for version in Self.new {
      var rig = Rig(cpu: .gnr, seamldr: ModuleVersion(1, 5, 2))
      #expect(rig.install(try IntelImages.image(version), scenario: Rig.load) == .recoverable(.badSignature))
    }
  }

  @Test("all of a line, one update after the other")
  func chains() throws {
    for (cpu, versions) in [(CPUModel.spr, Self.old), (.gnr, Self.new)] {
      var rig = try Rig(cpu: cpu).booted(versions[0])
      for (index, version) in versions.enumerated().dropFirst() {
        rig.shutDownModule()
        #expect(rig.install(try IntelImages.image(version), scenario: Rig.update) == .success)
        #expect(rig.machine.seamdb.entries.count == index + 1)
        #expect(rig.machine.residentProgram?.version == version)
      }
    }
  }

  @Test("1.5.05 on Granite Rapids: EUNSUPPORTED as an update, EUNSUPCPU as a load")
  func wrongCPU() throws {
    var rig = try Rig(cpu: .gnr).booted(ModuleVersion(2, 0, 8))
    let image = try IntelImages.image(ModuleVersion(1, 5, 5))
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.unsupported))
    for lp in 0..<4 { #expect(rig.status(Rig.cleanupLeaf, on: lp) == .success) }
    #expect(rig.install(image, scenario: Rig.load) == .recoverable(.unsupportedCPU))
  }

  @Test("one flipped bit of the image is EBADHASH")
  func flipped() throws {
    var rig = Rig()
    var image = try IntelImages.image(ModuleVersion(1, 5, 16))
    image.module[300_000] ^= 4
    #expect(rig.install(image, scenario: Rig.load) == .unrecoverable(.badHash))
  }
}
