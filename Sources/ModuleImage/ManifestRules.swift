import Basics

/// The rules by which a P-SEAMLDR takes or refuses a sigstruct: rows A9 to A29 of pseamldr.md 3.4, each group as one
/// function, the rows within it in the table's order. The first broken rule is thrown.
///
/// A caller that follows the loader runs `format`, `keyPin`, `debug`, `svn`, `offsets`, `cpu`, `signature`.
public struct ManifestRules: Hashable, Sendable {
  /// Whose rules: the two generations that tdxfs emulates (pseamldr.md 3.11).
  public enum Generation: String, CaseIterable, Sendable {
    /// 1.5.02, "L152".
    case v1_5 = "1.5"
    /// 2.0, "L20".
    case v2_0 = "2.0"
  }

  /// SCENARIO of SEAMLDR_PARAMS.
  public enum Scenario: UInt32, Sendable, Codable {
    /// 0: a fresh load; no TD survives it.
    case load = 0
    /// 1: TD-preserving update.
    case update = 1
  }

  /// Whose rules these are.
  public let generation: Generation

  /// The rules of `generation`.
  public init(_ generation: Generation) {
    self.generation = generation
  }

  /// The rules of the P-SEAMLDR `version`: 2.0 from major 2 on, else 1.5.
  public init(loaderVersion version: ModuleVersion) {
    self.init(version.major < 2 ? .v1_5 : .v2_0)
  }

  /// A9 to A18: the sigstruct is well formed.
  public func format(_ sigstruct: SEAMSigstruct) throws(ManifestFailure) {
    try reserved(sigstruct)
    try equal(sigstruct, SEAMSigstruct.headerType, 6, .headerType)
    try equal(sigstruct, SEAMSigstruct.headerLength, 0xE1, .headerLength)
    try equal(sigstruct, SEAMSigstruct.headerVersion, 0x10000, .headerVersion)
    try equal(sigstruct, SEAMSigstruct.keySize, 0x60, .keySize)
    try equal(sigstruct, SEAMSigstruct.exponentSize, 1, .exponentSize)
    try equal(sigstruct, SEAMSigstruct.modulusSize, 0x60, .modulusSize)
    try equal(sigstruct, SEAMSigstruct.moduleVendor, 0x8086, .moduleVendor)
    let type = sigstruct[SEAMSigstruct.moduleType]
    guard type & ~(1 << 31) == 0 else {
      throw ManifestFailure(.moduleType, "MODULE_TYPE is 0x\(type.paddedHexadecimal); only bit 31 may be set")
    }
    try equal(sigstruct, SEAMSigstruct.attributes, 0, .attributes)
    try equal(sigstruct, SEAMSigstruct.sizeInDwords, 0x200, .size)
    let entries = sigstruct[SEAMSigstruct.cpuidTableSize]
    guard entries <= SEAMSigstruct.maxCPUIDEntries else {
      throw ManifestFailure(.cpuidTableSize, "CPUID_TABLE_SIZE is \(entries); the table has room for 255")
    }
    try equal(sigstruct, SEAMSigstruct.exponent, 0x10001, .exponent)
    let handoff = sigstruct.handoffRange
    guard handoff.minUpdateHV <= handoff.moduleHV else {
      throw ManifestFailure(
        .handoffRange, "MIN_UPDATE_HV \(handoff.minUpdateHV) is above MODULE_HV \(handoff.moduleHV)")
    }
    try tables(sigstruct)
  }

  /// A19: the key is one of `trusted`; gives whose it is.
  @discardableResult
  public func keyPin(_ sigstruct: SEAMSigstruct, trusted: TrustedSigners) throws(ManifestFailure) -> TrustedSigner {
    let pin = sigstruct.keyPin
    guard let signer = trusted.signer(with: pin) else {
      let names = trusted.signers.map(\.name).joined(separator: ", ")
      throw ManifestFailure(.keyPin, "the key with pin \(pin) is not trusted; trusted: \(names)")
    }
    return signer
  }

  /// A20: a debug-signed image needs a system under debug (MSR 0x503 bit 1).
  public func debug(_ sigstruct: SEAMSigstruct, systemUnderDebug: Bool) throws(ManifestFailure) {
    guard !sigstruct.isDebugSigned || systemUnderDebug else {
      throw ManifestFailure(.debugSigned, "the image is debug-signed, and the system is not under debug")
    }
  }

  /// A21 to A24: the security version against `current`, that of the module before this session.
  ///
  /// `isDirty`: some package's keys or some domain's caches wait for SEAMLDR.CLEANUP.
  public func svn(
    _ sigstruct: SEAMSigstruct, scenario: Scenario, current: ModuleSVN, isDirty: Bool
  ) throws(ManifestFailure) {
    let new = sigstruct.svn
    if generation == .v1_5, new.major == 0 {
      throw ManifestFailure(.svnMajorZero, "the image's SVN is \(new); the 1.5 loader takes no major SVN 0")
    }
    switch scenario {
    case .update:
      guard new.major == current.major else {
        throw ManifestFailure(
          .svnMajorDiffers, "the image's SVN is \(new) and the running module's \(current); the major SVN must be equal"
        )
      }
      guard new.minor >= current.minor else {
        throw ManifestFailure(
          .svnLower, "the image's SVN is \(new), lower than the running module's \(current); it must not be lower")
      }
    case .load:
      guard !isDirty || (new.major == current.major && new.minor >= current.minor) else {
        throw ManifestFailure(
          .svnNeedsCleanup,
          "the image's SVN is \(new) and the last module's \(current); without SEAMLDR.CLEANUP it must not be lower")
      }
    }
  }

  /// A25 and A26: the descriptor tables and the fault wrapper lie within the image of `imageSize` bytes.
  public func offsets(_ sigstruct: SEAMSigstruct, imageSize: Int) throws(ManifestFailure) {
    let tables = sigstruct[SEAMSigstruct.gdtIDTOffset]
    guard tables == 0 || Int(tables) <= imageSize &- 4096 else {
      throw ManifestFailure(
        .gdtIDTOffset, "GDT_IDT_OFFSET 0x\(tables.paddedHexadecimal) leaves no page in an image of \(imageSize) bytes")
    }
    let wrapper = sigstruct[SEAMSigstruct.faultWrapperOffset]
    guard wrapper == 0 || Int(wrapper) <= imageSize &- 512 else {
      throw ManifestFailure(
        .faultWrapperOffset,
        "FAULT_WRAPPER_OFFSET 0x\(wrapper.paddedHexadecimal) leaves no 512 bytes in an image of \(imageSize) bytes")
    }
  }

  /// A27 and A28: every CPU of `sockets`, CPUID.1.EAX each, is in the table, steppings aside; only a debug-signed image
  /// may have none.
  public func cpu(_ sigstruct: SEAMSigstruct, sockets: [UInt32]) throws(ManifestFailure) {
    let table = sigstruct.cpuidTable
    if !table.isEmpty, let missing = sockets.first(where: { !ProcessorFamily.table(table, covers: $0) }) {
      let listed = table.map(ProcessorFamily.describe).joined(separator: ", ")
      throw ManifestFailure(
        .unsupportedCPU, "the CPU is \(ProcessorFamily.describe(missing)); the image is for \(listed)")
    }
    try cpuList(sigstruct)
  }

  /// A28 alone, for a caller that has no CPU.
  public func cpuList(_ sigstruct: SEAMSigstruct) throws(ManifestFailure) {
    guard sigstruct.isDebugSigned || sigstruct[SEAMSigstruct.cpuidTableSize] > 0 else {
      throw ManifestFailure(.cpuidTableMissing, "the image is production-signed and lists no CPU; it must list one")
    }
  }

  /// A29: the signature.
  public func signature(_ sigstruct: SEAMSigstruct) throws(ManifestFailure) {
    switch sigstruct.verifySignature() {
    case .valid: return
    case .mismatch:
      throw ManifestFailure(.signature, "the RSA signature is not this key's over these bytes")
    case .unusableKey:
      throw ManifestFailure(.signature, "the MODULUS is no RSA-3072 key, so no signature can be valid")
    }
  }

  /// A33, the part that the image decides: the running module's handoff data of version `version` can be read.
  public func handoff(_ sigstruct: SEAMSigstruct, version: UInt16) throws(ManifestFailure) {
    let range = sigstruct.handoffRange
    guard range.minUpdateHV <= version, version <= range.moduleHV else {
      throw ManifestFailure(
        .handoffVersion,
        "the running module hands off version \(version); the image reads \(range.minUpdateHV) to \(range.moduleHV)")
    }
  }

  /// B2: `digest`, the SHA-384 of the pages, is SEAMHASH.
  public func hash(_ sigstruct: SEAMSigstruct, digest: [UInt8]) throws(ManifestFailure) {
    let expected = sigstruct.slice(SEAMSigstruct.seamHashRange)
    guard digest.elementsEqual(expected) else {
      throw ManifestFailure(
        .imageHash, "SHA-384 of the pages is \(digest.hexadecimal), SEAMHASH says \(expected.hexadecimal)")
    }
  }

  private func reserved(_ sigstruct: SEAMSigstruct) throws(ManifestFailure) {
    var ranges = [SEAMSigstruct.reserved0, SEAMSigstruct.reserved1, SEAMSigstruct.reserved2]
    switch generation {
    case .v1_5: ranges.append(SEAMSigstruct.reserved3)
    case .v2_0: break
    }
    for range in ranges {
      guard let offset = range.first(where: { sigstruct.bytes[$0] != 0 }) else { continue }
      throw ManifestFailure(
        .reservedNotZero,
        "byte \(offset) of the sigstruct is 0x\(sigstruct.bytes[offset].paddedHexadecimal); bytes \(range.lowerBound) to "
          + "\(range.upperBound - 1) must be zero for a \(generation.rawValue) loader")
    }
  }

  private func tables(_ sigstruct: SEAMSigstruct) throws(ManifestFailure) {
    let tables = sigstruct[SEAMSigstruct.gdtIDTOffset]
    guard tables.isMultiple(of: 4096) else {
      throw ManifestFailure(
        .gdtIDTAlignment, "GDT_IDT_OFFSET is 0x\(tables.paddedHexadecimal); it must be a multiple of 4096")
    }
    let wrapper = sigstruct[SEAMSigstruct.faultWrapperOffset]
    guard (tables == 0) == (wrapper == 0) else {
      throw ManifestFailure(
        .faultWrapperPresence,
        "GDT_IDT_OFFSET is 0x\(tables.paddedHexadecimal) and FAULT_WRAPPER_OFFSET 0x\(wrapper.paddedHexadecimal); "
          + "both must be zero or neither")
    }
  }

  private func equal<Value>(
    _ sigstruct: SEAMSigstruct, _ field: SEAMSigstruct.Field<Value>, _ expected: Value, _ rule: ManifestRule
  ) throws(ManifestFailure) {
    let found = sigstruct[field]
    guard found == expected else {
      throw ManifestFailure(
        rule, "\(field.name) is 0x\(found.paddedHexadecimal); it must be 0x\(expected.paddedHexadecimal)")
    }
  }
}
