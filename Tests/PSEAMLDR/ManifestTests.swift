import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

/// A9 to A29 of pseamldr.md 3.4, as INSTALL answers them.
@Suite("Sigstruct checks of INSTALL", .timeLimit(.minutes(20)))
struct ManifestTests {
  typealias S = SEAMSigstruct

  /// One change of an otherwise good sigstruct, signed after the change.
  struct Case: Sendable, CustomTestStringConvertible {
    var row: String
    var name: String
    var status: CompletionStatus
    var edit: @Sendable (inout S) -> Void
    var testDescription: String { "\(row) \(name)" }

    init(
      _ row: String, _ name: String, _ status: CompletionStatus = .badSignature,
      edit: @escaping @Sendable (inout S) -> Void
    ) {
      self.row = row
      self.name = name
      self.status = status
      self.edit = edit
    }
  }

  /// Sets byte `offset`.
  static func byte(_ offset: Int, _ value: UInt8) -> @Sendable (inout S) -> Void {
    { $0.replace(offset..<(offset + 1), with: [value]) }
  }

  static func word(_ offset: Int, _ value: UInt32) -> @Sendable (inout S) -> Void {
    { $0.replace(offset..<(offset + 4), with: value.littleEndianBytes) }
  }

  static let cases: [Case] = [
    Case("A9", "first reserved byte", edit: byte(40, 1)),
    Case("A9", "last byte of reserved0", edit: byte(127, 1)),
    Case("A9", "first byte of reserved1", edit: byte(978, 1)),
    Case("A9", "last byte of reserved1", edit: byte(983, 1)),
    Case("A9", "reserved2", edit: byte(989, 1)),
    Case("A9", "first byte of reserved3", edit: byte(1000, 1)),
    Case("A9", "last byte of reserved3", edit: byte(1023, 1)),
    Case("A10", "HEADER_TYPE", edit: word(0, 5)),
    Case("A10", "HEADER_LENGTH", edit: word(4, 0xE0)),
    Case("A10", "HEADER_VERSION", edit: word(8, 0x10001)),
    Case("A11", "KEY_SIZE", edit: word(28, 0x61)),
    Case("A11", "EXPONENT_SIZE", edit: word(36, 2)),
    Case("A11", "MODULUS_SIZE", edit: word(32, 0x40)),
    Case("A12", "MODULE_VENDOR", edit: word(16, 0x8087)),
    Case("A12", "MODULE_TYPE", edit: word(12, 1)),
    Case("A12", "ATTRIBUTES", edit: byte(957, 1)),
    Case("A13", "SIZE", edit: word(24, 0x201)),
    Case("A14", "CPUID_TABLE_SIZE", edit: word(1024, 256)),
    Case("A16", "MIN_UPDATE_HV above MODULE_HV", edit: byte(986, 9)),
    Case("A17", "GDT_IDT_OFFSET not a multiple of 4096", edit: byte(992, 1)),
    Case("A18", "GDT_IDT_OFFSET without FAULT_WRAPPER_OFFSET", edit: word(996, 0)),
    Case("A18", "FAULT_WRAPPER_OFFSET without GDT_IDT_OFFSET", edit: word(992, 0)),
    Case("A20", "debug-signed", edit: word(12, 0x8000_0000)),
    Case("A21", "major SVN 0", .unsupported, edit: byte(949, 0)),
    Case("A22", "major SVN 2", .unsupported, edit: byte(949, 2)),
    Case("A23", "lower minor SVN", edit: byte(948, 12)),
    Case("A25", "GDT_IDT_OFFSET at the end of the image", edit: word(992, 4 * 4096)),
    Case("A26", "FAULT_WRAPPER_OFFSET near the end of the image", edit: word(996, 4 * 4096 - 511)),
    Case(
      "A27", "another CPU", .unsupportedCPU,
      edit: { $0.replace(1028..<1036, with: [0xF0, 0x06, 0x0A, 0, 0xF0, 0x06, 0x0C, 0]) }),
    Case("A28", "no CPU", edit: word(1024, 0)),
  ]

  /// A machine with 1.5.24 (SVN 1.13), shut down, so that an UPDATE would work.
  static func rig() throws -> Rig {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    rig.shutDownModule(handoffVersion: 1)
    return rig
  }

  @Test("each rule, broken alone in a signed sigstruct", arguments: cases)
  func broken(_ broken: Case) throws {
    var rig = try Self.rig()
    let before = rig.machine.seamExtend
    let image = try Image.forged(ModuleVersion(1, 5, 24), edit: broken.edit)
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(broken.status))
    #expect(rig.loader.lastInstall?.refusal?.check.row == broken.row)
    #expect(rig.loader.lastInstall?.scenario == .update)
    #expect(rig.machine.seamExtend == before)
    #expect(rig.remainingUpdates() == 15)
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 24)), scenario: Rig.update) == .success, "nothing was lost")
  }

  @Test("A15: the exponent is looked at by value")
  func exponent() throws {
    var rig = try Self.rig()
    var image = try Image.forged(ModuleVersion(1, 5, 24))
    image.sigstruct.replace(512..<516, with: [3, 0, 0, 0])
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badSignature))
    #expect(rig.loader.lastInstall?.refusal?.check.row == "A15")
  }

  @Test("A19: a key that is not trusted")
  func key() throws {
    var rig = Rig(signers: TrustedSigners([.intel]))
    #expect(rig.install(try .forged(ModuleVersion(1, 5, 24)), scenario: Rig.load) == .recoverable(.badSignature))
    #expect(rig.loader.lastInstall?.refusal?.check == .manifest(.keyPin))
  }

  @Test("A20: a debug-signed image, even without a CPU list, loads where the system is under debug")
  func debug() throws {
    let image = try Image.forged(ModuleVersion(1, 5, 24)) {
      $0.isDebugSigned = true
      $0.cpus = []
    }
    var production = Rig()
    #expect(production.install(image, scenario: Rig.load) == .recoverable(.badSignature))
    #expect(production.loader.lastInstall?.refusal?.check == .manifest(.debugSigned))
    var debug = Rig(debug: true)
    #expect(debug.install(image, scenario: Rig.load) == .success)
    #expect(debug.machine.residentProgram?.isDebug == true)
    #expect(debug.machine.seamExtend.info.attributes == 0)
    #expect(debug.machine.seamExtend.systemUnderDebug)
  }

  @Test("A23: an equal SVN may be installed, also an older release of it")
  func equalSVN() throws {
    var rig = try Rig(cpu: .gnr).booted(ModuleVersion(2, 0, 5))
    rig.shutDownModule()
    #expect(rig.install(try .forged(ModuleVersion(2, 0, 4)), scenario: Rig.update) == .success)
    #expect(rig.machine.residentProgram?.version == ModuleVersion(2, 0, 4))
  }

  @Test(
    "A29: any flipped bit of the signed bytes breaks the signature",
    arguments: [0x19, 20, 900, 947, 958, 963, 1040, 2047])
  func flipped(offset: Int) throws {
    // Byte 25 is in SIZE and caught by A13 already; all others are covered by the signature alone.
    var rig = try Self.rig()
    var image = try Image.forged(ModuleVersion(1, 5, 24))
    image.sigstruct.replace(offset..<(offset + 1), with: [image.sigstruct.bytes[offset] ^ 0x80])
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badSignature))
    #expect(rig.loader.lastInstall?.refusal?.check.row == (offset == 0x19 ? "A13" : "A29"))
  }

  @Test("A29: a flipped bit of the signature, and no signature at all")
  func badSignature() throws {
    var rig = try Self.rig()
    var image = try Image.forged(ModuleVersion(1, 5, 24))
    image.sigstruct.replace(516..<517, with: [image.sigstruct.bytes[516] ^ 1])
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badSignature))
    image.sigstruct.replace(516..<900, with: [UInt8](repeating: 0, count: 384))
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badSignature))
    #expect(rig.loader.lastInstall?.refusal?.check == .manifest(.signature))
  }

  @Test("SVN and CPU come before the signature")
  func beforeSignature() throws {
    for (row, offset, value, status) in [
      ("A22", 949, 3, CompletionStatus.unsupported), ("A23", 948, 1, .badSignature), ("A27", 1029, 7, .unsupportedCPU),
    ] as [(String, Int, UInt8, CompletionStatus)] {
      var rig = try Self.rig()
      var image = try Image.forged(ModuleVersion(1, 5, 24)) { $0.cpus = [0x806F0] }
      image.sigstruct.replace(offset..<(offset + 1), with: [value])
      #expect(rig.install(image, scenario: Rig.update) == .recoverable(status))
      #expect(rig.loader.lastInstall?.refusal?.check.row == row)
    }
  }

  @Test("params come before the sigstruct, the sigstruct before entropy, memory and handoff")
  func order() throws {
    var rig = try Rig().booted(ModuleVersion(1, 5, 24))
    var image = try Image.forged(ModuleVersion(1, 5, 24))
    image.sigstruct.replace(0..<4, with: [0, 0, 0, 0])
    rig.machine.entropy.failures = .max
    #expect(rig.install(image, scenario: Rig.update) == .recoverable(.badSignature))
    #expect(rig.install(image, scenario: 7) == .recoverable(.badParam))
  }

  @Test("A25, A26: without descriptor tables both offsets are 0 and fine")
  func noTables() throws {
    var rig = Rig()
    let image = try Image.forged(ModuleVersion(1, 5, 24), pages: 1)
    #expect(image.sigstruct[S.gdtIDTOffset] == 0)
    #expect(rig.install(image, scenario: Rig.load) == .success)
  }

  @Test("A25, A26: the last place that is allowed")
  func lastPlaces() throws {
    var rig = Rig()
    let image = try Image.forged(ModuleVersion(1, 5, 24)) { _ in
    } edit: {
      $0[S.gdtIDTOffset] = 3 * 4096
      $0[S.faultWrapperOffset] = 4 * 4096 - 512
    }
    #expect(rig.install(image, scenario: Rig.load) == .success)
  }

  @Test("every rule has one status, and only hash and relocation are too late to recover from")
  func statuses() {
    for rule in ManifestRule.allCases {
      let expected: CompletionStatus =
        switch rule.row {
        case "A21", "A22": .unsupported
        case "A24": .cleanupRequired
        case "A27": .unsupportedCPU
        case "A33": .badHandoff
        case "B2": .badHash
        case "B3": .badParam
        default: .badSignature
        }
      #expect(rule.status == expected)
    }
  }
}
