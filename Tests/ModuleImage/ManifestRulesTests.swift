import Basics
import ModuleImage
import Testing

@Suite("The loaders' rules for a sigstruct", .timeLimit(.minutes(20)))
struct ManifestRulesTests {
  private typealias Change = @Sendable (inout SEAMSigstruct) -> Void

  private func sigstruct(_ change: Change = { _ in }) throws -> SEAMSigstruct {
    var sigstruct = try Self.intact.get()
    change(&sigstruct)
    return sigstruct
  }

  private static let intact = Result { try ImageForge(version: ModuleVersion(1, 5, 24)).forge().sigstruct }

  private func rule(_ body: () throws(ManifestFailure) -> Void) -> ManifestRule? {
    do {
      try body()
      return nil
    } catch {
      return error.rule
    }
  }

  /// Every byte of the signed header and body that A9 to A18 constrain, and the rule that a flip of its bit 0 breaks
  /// (pseamldr.md 2.4 and 3.4).
  private static let constrained: [(Range<Int>, ManifestRule)] = [
    (0..<4, .headerType), (4..<8, .headerLength), (8..<12, .headerVersion), (12..<15, .moduleType),
    (16..<20, .moduleVendor), (24..<28, .size), (28..<32, .keySize), (32..<36, .modulusSize), (36..<40, .exponentSize),
    (40..<128, .reservedNotZero), (512..<516, .exponent), (950..<958, .attributes), (978..<984, .reservedNotZero),
    (989..<990, .reservedNotZero), (1000..<1024, .reservedNotZero), (1025..<1028, .cpuidTableSize),
    (992..<993, .gdtIDTAlignment),
  ]

  @Test("One wrong byte breaks exactly the rule for it", arguments: constrained)
  func oneByte(range: Range<Int>, expected: ManifestRule) throws {
    let rules = ManifestRules(.v1_5)
    let intact = try sigstruct()
    #expect(rule { () throws(ManifestFailure) in try rules.format(intact) } == nil)
    for offset in range {
      var broken = intact
      broken.replace(offset..<(offset + 1), with: [broken.bytes[offset] ^ 1])
      #expect(rule { () throws(ManifestFailure) in try rules.format(broken) } == expected, "byte \(offset)")
    }
  }

  @Test("Bytes 1000 to 1023 are free by the 2.0 rules, and only these")
  func reserved3() throws {
    let rules = ManifestRules(.v2_0)
    for (range, expected) in Self.constrained {
      for offset in range {
        var broken = try sigstruct()
        broken.replace(offset..<(offset + 1), with: [broken.bytes[offset] ^ 1])
        let found = rule { () throws(ManifestFailure) in try rules.format(broken) }
        #expect(found == (1000..<1024 ~= offset ? nil : expected), "byte \(offset)")
      }
    }
  }

  @Test("Limits: 255 CPUs, equal handoff versions, the debug bit, both tables absent")
  func limits() throws {
    let rules = ManifestRules(.v1_5)
    func found(_ change: Change) throws -> ManifestRule? {
      let changed = try sigstruct(change)
      return rule { () throws(ManifestFailure) in try rules.format(changed) }
    }
    #expect(try found { $0[SEAMSigstruct.cpuidTableSize] = 255 } == nil)
    #expect(try found { $0[SEAMSigstruct.cpuidTableSize] = 256 } == .cpuidTableSize)
    #expect(try found { $0[SEAMSigstruct.minUpdateHV] = 1 } == nil)
    #expect(try found { $0[SEAMSigstruct.minUpdateHV] = 2 } == .handoffRange)
    #expect(try found { $0[SEAMSigstruct.moduleType] = 1 << 31 } == nil)
    #expect(try found { $0[SEAMSigstruct.gdtIDTOffset] = 0 } == .faultWrapperPresence)
    #expect(try found { $0[SEAMSigstruct.faultWrapperOffset] = 0 } == .faultWrapperPresence)
    #expect(
      try found {
        $0[SEAMSigstruct.gdtIDTOffset] = 0
        $0[SEAMSigstruct.faultWrapperOffset] = 0
      } == nil)
  }

  @Test("The first broken rule in the loader's order counts")
  func order() throws {
    let broken = try sigstruct {
      $0[SEAMSigstruct.exponent] = 3
      $0[SEAMSigstruct.moduleVendor] = 0
      $0[SEAMSigstruct.exponentSize] = 2
      $0[SEAMSigstruct.keySize] = 2
    }
    #expect(rule { () throws(ManifestFailure) in try ManifestRules(.v1_5).format(broken) } == .keySize)
  }

  @Test("A key that is not listed is refused, the listed one is named")
  func keyPin() throws {
    let rules = ManifestRules(.v2_0)
    let image = try sigstruct()
    #expect(try rules.keyPin(image, trusted: .standard).name == "tdxfs development key")
    let onlyIntel = TrustedSigners([.intel])
    #expect(rule { () throws(ManifestFailure) in try rules.keyPin(image, trusted: onlyIntel) } == .keyPin)
  }

  @Test("A debug-signed image needs a system under debug")
  func debug() throws {
    let rules = ManifestRules(.v2_0)
    let image = try sigstruct { $0[SEAMSigstruct.moduleType] = 1 << 31 }
    let production = try sigstruct()
    #expect(rule { () throws(ManifestFailure) in try rules.debug(image, systemUnderDebug: false) } == .debugSigned)
    #expect(rule { () throws(ManifestFailure) in try rules.debug(image, systemUnderDebug: true) } == nil)
    #expect(rule { () throws(ManifestFailure) in try rules.debug(production, systemUnderDebug: false) } == nil)
  }

  /// Rules, scenario, new SVN, SVN before, keys dirty, the rule that breaks (pseamldr.md 3.4 A21 to A24).
  private static let svnCases: [(ManifestRules.Generation, ManifestRules.Scenario, Int, Int, Bool, ManifestRule?)] = [
    (.v1_5, .update, 0x10D, 0x10D, true, nil), (.v1_5, .update, 0x10E, 0x10D, true, nil),
    (.v1_5, .update, 0x10C, 0x10D, true, .svnLower), (.v1_5, .update, 0x305, 0x10D, true, .svnMajorDiffers),
    (.v2_0, .update, 0x10D, 0x305, false, .svnMajorDiffers), (.v1_5, .update, 0x005, 0x005, false, .svnMajorZero),
    (.v2_0, .update, 0x005, 0x005, false, nil), (.v1_5, .load, 0x005, 0x005, false, .svnMajorZero),
    (.v1_5, .load, 0x101, 0x10D, false, nil), (.v1_5, .load, 0x101, 0x10D, true, .svnNeedsCleanup),
    (.v2_0, .load, 0x30D, 0x10D, true, .svnNeedsCleanup), (.v2_0, .load, 0x10D, 0x10D, true, nil),
    (.v2_0, .load, 0x305, 0x000, false, nil),
  ]

  @Test("SVN", arguments: svnCases)
  func svn(
    generation: ManifestRules.Generation, scenario: ManifestRules.Scenario, new: Int, current: Int, isDirty: Bool,
    expected: ManifestRule?
  ) throws {
    func svn(_ number: Int) -> ModuleSVN { ModuleSVN(major: UInt8(number >> 8), minor: UInt8(number & 0xFF)) }
    let newSVN = svn(new)
    let image = try sigstruct { $0.svn = newSVN }
    let found = rule { () throws(ManifestFailure) in
      try ManifestRules(generation).svn(image, scenario: scenario, current: svn(current), isDirty: isDirty)
    }
    #expect(found == expected)
  }

  @Test("The tables leave a page and the wrapper 512 bytes, to the byte")
  func offsets() throws {
    let rules = ManifestRules(.v1_5)
    let image = try sigstruct {
      $0[SEAMSigstruct.gdtIDTOffset] = 0x3000
      $0[SEAMSigstruct.faultWrapperOffset] = 0x3E00
    }
    #expect(rule { () throws(ManifestFailure) in try rules.offsets(image, imageSize: 0x4000) } == nil)
    #expect(rule { () throws(ManifestFailure) in try rules.offsets(image, imageSize: 0x3FFF) } == .gdtIDTOffset)
    #expect(rule { () throws(ManifestFailure) in try rules.offsets(image, imageSize: 0) } == .gdtIDTOffset)
    let wrapper = try sigstruct {
      $0[SEAMSigstruct.gdtIDTOffset] = 0x3000
      $0[SEAMSigstruct.faultWrapperOffset] = 0x3E01
    }
    #expect(rule { () throws(ManifestFailure) in try rules.offsets(wrapper, imageSize: 0x4000) } == .faultWrapperOffset)
    let huge = try sigstruct { $0[SEAMSigstruct.gdtIDTOffset] = 0xFFFF_F000 }
    #expect(rule { () throws(ManifestFailure) in try rules.offsets(huge, imageSize: 0x4000) } == .gdtIDTOffset)
  }

  @Test("Every socket's CPU must be listed, steppings aside; production needs a list")
  func cpus() throws {
    let rules = ManifestRules(.v1_5)
    let image = try sigstruct()
    func found(_ image: SEAMSigstruct, _ sockets: [UInt32]) -> ManifestRule? {
      rule { () throws(ManifestFailure) in try rules.cpu(image, sockets: sockets) }
    }
    #expect(found(image, [0x806F8]) == nil)
    #expect(found(image, [0x806F1, 0xC06F2]) == nil)
    #expect(found(image, [0x806F8, 0xA06F3]) == .unsupportedCPU)
    let empty = try sigstruct { $0[SEAMSigstruct.cpuidTableSize] = 0 }
    #expect(found(empty, [0x806F8]) == .cpuidTableMissing)
    let debug = try sigstruct {
      $0[SEAMSigstruct.cpuidTableSize] = 0
      $0[SEAMSigstruct.moduleType] = 1 << 31
    }
    #expect(found(debug, [0x12345]) == nil)
  }

  @Test("The handoff version lies in the image's range, both ends included")
  func handoff() throws {
    let rules = ManifestRules(.v2_0)
    let image = try sigstruct { $0.handoffRange = HandoffRange(moduleHV: 3, minUpdateHV: 1, noDowngrade: false) }
    for (version, expected) in [(UInt16(0), ManifestRule.handoffVersion), (1, nil), (3, nil), (4, .handoffVersion)] {
      #expect(rule { () throws(ManifestFailure) in try rules.handoff(image, version: version) } == expected)
    }
  }

  @Test("Rules that no flip can slip through: every single byte of a forged sigstruct matters to the whole")
  func everyByte() throws {
    var forge = try ImageForge(version: ModuleVersion(1, 5, 24))
    forge.pages = 2
    let file = try ModuleImageFile(try forge.file(format: .blob))
    for offset in stride(from: 0, to: 2048, by: 13) {
      var sigstruct = file.sigstruct
      sigstruct.replace(offset..<(offset + 1), with: [sigstruct.bytes[offset] ^ 0x80])
      let bytes = ModuleImageFile.bytes(format: .blob, sigstruct: sigstruct, module: file.module)
      let verification = ImageVerification(try ModuleImageFile(bytes), conditions: .init())
      #expect(!verification.isPassed, "byte \(offset)")
    }
  }

  @Test("A failure says what was found and what was expected")
  func sentences() throws {
    func sentence(_ change: Change) throws -> String? {
      let broken = try sigstruct(change)
      do {
        try ManifestRules(.v1_5).format(broken)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(
      try sentence { $0[SEAMSigstruct.headerType] = 7 } == "HEADER_TYPE is 0x00000007; it must be 0x00000006")
    #expect(
      try sentence { $0[SEAMSigstruct.moduleVersion] = 8 }
        == "byte 1000 of the sigstruct is 0x08; bytes 1000 to 1023 must be zero for a 1.5 loader")
  }

  @Test("The rules' rows rise in the order of the table")
  func rows() {
    let rows = ManifestRule.allCases.compactMap { rule in
      rule.row.hasPrefix("A") ? Int(rule.row.dropFirst()) : nil
    }
    #expect(rows == rows.sorted())
    #expect(Set(rows) == Set(9...29).union([33]))
  }
}
