import Basics
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

/// One flipped bit anywhere.
@Suite("One flipped bit", .timeLimit(.minutes(20)))
struct FlippedBitTests {
  /// Flips in the sigstruct that INSTALL does not notice, because nothing looks at the bytes: none. Every byte of it is
  /// either signed, or the key, or the signature.
  @Test("in any byte of the sigstruct: firmware-invalid, TDX lost, no update spent")
  func sigstruct() throws {
    let bench = try Bench(["memory": "1"])
    let image = try Images.forge("1.5.28")
    for byte in 0..<SEAMSigstruct.size {
      var broken = image
      broken[4096 + byte] ^= 1 << UInt8(byte % 8)
      try expectLoss(bench, broken, "sigstruct byte \(byte)")
    }
  }

  @Test("in the module: EBADHASH or an earlier refusal, and there is no module any more")
  func module() throws {
    let bench = try Bench(["memory": "1"])
    let image = try Images.forge("1.5.28")
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<300 {
      let byte = Int.random(in: 8192..<image.count, using: &generator)
      var broken = image
      broken[byte] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      try expectLoss(bench, broken, "module byte \(byte)", status: "EBADHASH 0x8000000000020001")
    }
  }

  @Test("in the padding behind the sigstruct, the checksum or the length: no effect, v8 does not look at them")
  func padding() throws {
    let bench = try Bench(["updates": "100", "memory": "1"])
    let image = try Images.forge("1.5.28")
    for byte in [2, 3, 16, 17, 18, 19, 4096 + 2048, 4096 + 3000, 8191] {
      var changed = image
      changed[byte] ^= 0x10
      #expect(try bench.update(to: changed) == "", "byte \(byte)")
      #expect(try bench.read("version") == "1.5.28\n")
    }
  }

  private func expectLoss(_ bench: Bench, _ image: [UInt8], _ place: String, status: String? = nil) throws {
    let error = try bench.update(to: image)
    let why = bench.machine.why()
    guard error == "transferring:firmware-invalid\n", why.lost == .module, why.stage == "install" else {
      Issue.record("\(place): \(error) \(why.text)")
      return
    }
    if let status, !why.text.contains("status=\(status)") { Issue.record("\(place): \(why.text)") }
    let version = Result { () throws(Errno) in try bench.read("version") }
    if version != .failure(.noSuchAddressOrDevice) { Issue.record("\(place): version is \(version)") }
    if try bench.read("num_remaining_updates") != "15\n" { Issue.record("\(place): an update was spent") }
    _ = try bench.machine.power(.reboot)
    if try bench.read("version") != "1.5.24\n" { Issue.record("\(place): no recovery by reboot") }
  }
}
