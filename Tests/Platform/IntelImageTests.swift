import Basics
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

#if canImport(Glibc)
  import Glibc
#endif

/// A checkout of Intel's repository of TDX modules.
enum IntelBinaries {
  static let directory: String? = getenv("TDXFS_INTEL_BINARIES").map { String(cString: $0) }.flatMap {
    $0.isEmpty ? nil : $0
  }

  static func image(_ version: String) throws -> [UInt8] {
    let line = version.split(separator: ".").prefix(2).joined(separator: ".")
    let path = "\(directory ?? "")/joined_files/\(line)/tdx_module_\(version).blob"
    let file = try FileDescriptor.open(FilePath(path), .readOnly)
    defer { try? file.close() }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    var count = 0
    while true {
      let read = try bytes.withUnsafeMutableBytes { try file.read(into: .init(rebasing: $0[count...])) }
      if read == 0 { return Array(bytes.prefix(count)) }
      count += read
    }
  }
}

@Suite(
  "Intel's genuine images",
  .enabled(if: IntelBinaries.directory != nil, "TDXFS_INTEL_BINARIES names no checkout of Intel's repository"),
  .timeLimit(.minutes(20)))
struct IntelImageTests {
  @Test(
    "are installed one after the other under selector, each known by its content alone",
    arguments: [
      ("spr", ["1.5.05", "1.5.06", "1.5.08", "1.5.09", "1.5.13", "1.5.16"]),
      ("gnr", ["2.0.02", "2.0.04", "2.0.05", "2.0.08"]),
    ])
  func chain(cpu: String, versions: [String]) throws {
    let bench = try Bench(["abi": "selector", "cpu": cpu, "module": versions[0]])
    for version in versions {
      #expect(try bench.update(to: IntelBinaries.image(version)) == "")
      #expect(try bench.read("version") == "\(version)\n")
    }
  }

  @Test("are refused under v8 at SHUTDOWN when the running module is too old, and nothing is lost")
  func v8() throws {
    let bench = try Bench(["module": "1.5.05"])
    #expect(try bench.update(to: IntelBinaries.image("1.5.16")) == "transferring:firmware-invalid\n")
    #expect(try bench.read("version") == "1.5.05\n")
    #expect(bench.machine.why().sentence.contains("1.5.05 does not know AVOID_COMPAT_SENSITIVE"))
  }

  @Test("with one flipped bit in sigstruct or module lose TDX and cost no update")
  func flips() throws {
    let bench = try Bench(["abi": "selector", "module": "1.5.05", "memory": "1"])
    let image = try IntelBinaries.image("1.5.16")
    var generator = SeededGenerator(seed: 11)
    for round in 0..<200 {
      let byte =
        round.isMultiple(of: 2)
        ? Int.random(in: 4096..<(4096 + 2048), using: &generator)
        : Int.random(in: 8192..<image.count, using: &generator)
      var broken = image
      broken[byte] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      let error = try bench.update(to: broken)
      #expect(error == "transferring:firmware-invalid\n", "byte \(byte)")
      #expect(throws: Errno.noSuchAddressOrDevice) { try bench.read("version") }
      #expect(try bench.read("num_remaining_updates") == "15\n")
      _ = try bench.machine.power(.reboot)
    }
  }
}
