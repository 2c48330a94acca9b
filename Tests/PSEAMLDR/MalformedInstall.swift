import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

/// A machine of one LP, whose every INSTALL call is the last of its session, and the model of it: both are given the same
/// malformed bytes.
struct MalformedInstall {
  /// The two lines of loaders.
  enum Line: String, CaseIterable, Sendable {
    case v1_5 = "1.5"
    case v2_0 = "2.0"

    /// The module that runs, and the one that is installed.
    var module: ModuleVersion { self == .v1_5 ? ModuleVersion(1, 5, 24) : ModuleVersion(2, 0, 14) }
  }

  let image: Image
  /// Shut down, with a good image staged.
  private let intact: Rig
  private let intactModel: InstallModel

  var rig: Rig
  var model: InstallModel
  var rcx = Rig.params
  /// SEAMLDR_PARAMS, and the sigstruct's 2048 bytes.
  var params: [UInt8]
  var sigstruct: [UInt8]

  /// `updates`: how many updates remain.
  init(_ line: Line, updates: Int = 15) throws {
    var rig = try Rig(cpu: line == .v1_5 ? .spr : .gnr, lps: 1, seamdbSize: updates + 1).booted(line.module)
    let image = try Image.forged(line.module)
    rig.shutDownModule(handoffVersion: 1)
    rig.stage(image, scenario: Rig.update)
    var memory: [UInt64: [UInt8]] = [:]
    for page in [Rig.params, Rig.sigstruct] + (0..<4).map({ Rig.pages + 4096 * UInt64($0) }) {
      memory[page] = rig.machine.memory.read(page, count: 4096)
    }
    self.image = image
    self.rig = rig
    model = InstallModel(
      is20: line == .v2_0, major: line == .v1_5 ? 1 : 3, minor: line == .v1_5 ? 13 : 7,
      cpu: line == .v1_5 ? 0x806F8 : 0xA06D1, remainingUpdates: updates,
      handoff: rig.machine.memory.read(rig.machine.dataRegionBase, count: 8),
      reserved: line == .v1_5 ? 14 * 4096 : 25 * 4096, memory: memory, signed: image.sigstruct.bytes,
      image: image.module,
      hash: Array(image.sigstruct.bytes[900..<948]))
    intact = rig
    intactModel = model
    params = memory[Rig.params] ?? []
    sigstruct = image.sigstruct.bytes
  }

  /// Everything is good again.
  mutating func reset() {
    rig = intact
    model = intactModel
    rcx = Rig.params
    params = model.memory[Rig.params] ?? []
    sigstruct = model.signed
  }

  /// The sigstruct as it is now gets a valid signature, where nothing is wrong with it but that: signing takes its time.
  mutating func sign() {
    guard expected()?.row == "A29", var signed = SEAMSigstruct(sigstruct) else { return }
    _ = signed.signWithDevKey()
    sigstruct = signed.bytes
    model.signed = sigstruct
  }

  /// The handoff header becomes `bytes`.
  mutating func setHandoff(_ bytes: [UInt8]) {
    rig.machine.memory.write(bytes, at: rig.machine.dataRegionBase)
    model.handoff = bytes
  }

  /// The next RDRAND gives nothing.
  mutating func dropEntropy() {
    rig.machine.entropy.failures = 1
    model.hasEntropy = false
  }

  /// What the model expects; nil for success.
  mutating func expected() -> InstallModel.Verdict? {
    model.memory[Rig.params] = params
    model.memory[Rig.sigstruct]?.replaceSubrange(0..<2048, with: sigstruct)
    return model.verdict(rcx: rcx)
  }

  /// INSTALL: nil where it does what the model says, else what it did. Afterwards everything is good again.
  mutating func difference() -> String? {
    defer { reset() }
    let expected = expected()
    rig.machine.memory.write(params, at: Rig.params)
    rig.machine.memory.write(sigstruct, at: Rig.sigstruct)
    let before = rig.machine.seamExtend
    let answer = rig.install(on: 0, rcx: rcx)
    let refusal = rig.loader.lastInstall?.refusal
    let found = refusal.map {
      InstallModel.Verdict(row: $0.check.row, rax: answer.status.rawValue, rdx: answer.rdx)
    }
    if found != expected {
      return "\(found.map(\.description) ?? "installed") in place of \(expected.map(\.description) ?? "installed")"
    }
    if refusal?.reason.isEmpty == true { return "no reason for \(refusal?.check.row ?? "")" }
    guard let expected else { return rig.machine.seamExtend.seamReady ? nil : "installed, and not ready" }
    if expected.rdx == 0 && rig.machine.seamExtend != before { return "recoverable, and SEAMEXTEND changed" }
    if expected.rdx == 1 && rig.machine.seamExtend.seamReady { return "unrecoverable, and still ready" }
    let isLateLoad = expected.rdx == 1 && params[4] == 0
    if !isLateLoad && rig.loader.remainingUpdates != UInt32(model.remainingUpdates) { return "an update was spent" }
    return nil
  }

  /// Replaces `size` bytes at `offset` by `value`.
  static func put(_ value: UInt64, _ size: Int, at offset: Int, in bytes: inout [UInt8]) {
    for index in 0..<size { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
  }
}

/// Counts the cases of a class, remembers which rows of the reference were reached, and ends a run at its fifth difference.
struct CaseCount {
  let name: String
  private(set) var cases = 0
  private(set) var differences = 0
  private(set) var rows: [String: Int] = [:]

  init(_ name: String) { self.name = name }

  var isHopeless: Bool { differences >= 5 }

  /// One case more.
  mutating func add(_ what: @autoclosure () -> String, row: String? = nil, difference: String?) {
    cases += 1
    if let row { rows[row, default: 0] += 1 }
    guard let difference else { return }
    differences += 1
    Issue.record("\(what()): \(difference)")
  }

  /// Prints the count, and requires `least` cases.
  func expect(atLeast least: Int) {
    let reached = rows.sorted { $0.key.count == $1.key.count ? $0.key < $1.key : $0.key.count < $1.key.count }
    let tally = rows.isEmpty ? "" : " (" + reached.map { "\($0.key) \($0.value)" }.joined(separator: ", ") + ")"
    print("malformed inputs: \(name): \(cases) cases\(tally)")
    #expect(cases >= least, "\(name)")
  }
}
