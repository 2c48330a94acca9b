/// One rule that an image must keep to be installed. The names are stable; the order is that of the loader
/// (pseamldr.md 3.4), and which completion status a broken one gives is the P-SEAMLDR's matter.
public enum ManifestRule: String, CaseIterable, Sendable, Codable {
  /// A9: reserved bytes are zero; by the 1.5 rules 1000…1023 too.
  case reservedNotZero
  /// A10: HEADER_TYPE is 6.
  case headerType
  /// A10: HEADER_LENGTH is 0xE1 dwords.
  case headerLength
  /// A10: HEADER_VERSION is 0x10000.
  case headerVersion
  /// A11: KEY_SIZE is 0x60 dwords.
  case keySize
  /// A11: EXPONENT_SIZE is 1 dword.
  case exponentSize
  /// A11: MODULUS_SIZE is 0x60 dwords.
  case modulusSize
  /// A12: MODULE_VENDOR is 0x8086.
  case moduleVendor
  /// A12: bits 30:0 of MODULE_TYPE are 0.
  case moduleType
  /// A12: ATTRIBUTES is 0.
  case attributes
  /// A13: SIZE is 0x200 dwords.
  case size
  /// A14: CPUID_TABLE_SIZE is at most 255.
  case cpuidTableSize
  /// A15: EXPONENT is 65537.
  case exponent
  /// A16: MIN_UPDATE_HV ≤ MODULE_HV.
  case handoffRange
  /// A17: GDT_IDT_OFFSET is a multiple of 4096.
  case gdtIDTAlignment
  /// A18: GDT_IDT_OFFSET and FAULT_WRAPPER_OFFSET are both zero or both not.
  case faultWrapperPresence
  /// A19: the key is trusted.
  case keyPin
  /// A20: debug-signed only where the system is under debug.
  case debugSigned
  /// A21, 1.5 rules: the major SVN is not 0.
  case svnMajorZero
  /// A22, UPDATE: the major SVN is that of the running module.
  case svnMajorDiffers
  /// A23, UPDATE: the minor SVN is not lower than that of the running module.
  case svnLower
  /// A24, LOAD while keys or caches are dirty: major SVN equal, minor not lower.
  case svnNeedsCleanup
  /// A25: GDT_IDT_OFFSET leaves a page within the image.
  case gdtIDTOffset
  /// A26: FAULT_WRAPPER_OFFSET leaves 512 bytes within the image.
  case faultWrapperOffset
  /// A27: every socket's CPU is in the CPUID table.
  case unsupportedCPU
  /// A28: a production-signed image has a CPUID table.
  case cpuidTableMissing
  /// A29: the RSA signature is valid.
  case signature
  /// A33: the handoff version is in [MIN_UPDATE_HV, MODULE_HV].
  case handoffVersion
  /// B2: SHA-384 of the pages is SEAMHASH.
  case imageHash
  /// B3: the image is an ELF file whose relocations stay within it.
  case relocation

  /// The row of pseamldr.md 3.4.
  public var row: String {
    switch self {
    case .reservedNotZero: "A9"
    case .headerType, .headerLength, .headerVersion: "A10"
    case .keySize, .exponentSize, .modulusSize: "A11"
    case .moduleVendor, .moduleType, .attributes: "A12"
    case .size: "A13"
    case .cpuidTableSize: "A14"
    case .exponent: "A15"
    case .handoffRange: "A16"
    case .gdtIDTAlignment: "A17"
    case .faultWrapperPresence: "A18"
    case .keyPin: "A19"
    case .debugSigned: "A20"
    case .svnMajorZero: "A21"
    case .svnMajorDiffers: "A22"
    case .svnLower: "A23"
    case .svnNeedsCleanup: "A24"
    case .gdtIDTOffset: "A25"
    case .faultWrapperOffset: "A26"
    case .unsupportedCPU: "A27"
    case .cpuidTableMissing: "A28"
    case .signature: "A29"
    case .handoffVersion: "A33"
    case .imageHash: "B2"
    case .relocation: "B3"
    }
  }
}

/// A rule that an image breaks.
public struct ManifestFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// The rule.
  public let rule: ManifestRule
  /// One sentence for people: what was found and what was expected.
  public let description: String

  /// `rule` is broken, as `sentence` says.
  public init(_ rule: ManifestRule, _ sentence: String) {
    self.rule = rule
    description = sentence
  }
}

/// The security version of a module, TEE_TCB_SVN[1] and [0].
public struct ModuleSVN: Hashable, Sendable, CustomStringConvertible {
  /// 1 for the 1.5 line, 3 for the 2.0 line.
  public var major: UInt8
  /// Rises with a release.
  public var minor: UInt8

  /// SVN `major.minor`.
  public init(major: UInt8, minor: UInt8) {
    self.major = major
    self.minor = minor
  }

  /// `major.minor`.
  public var description: String { "\(major).\(minor)" }
}

extension SEAMSigstruct {
  /// SEAMSVN.
  public var svn: ModuleSVN {
    get { ModuleSVN(major: self[Self.majorSVN], minor: self[Self.minorSVN]) }
    set {
      self[Self.majorSVN] = newValue.major
      self[Self.minorSVN] = newValue.minor
    }
  }
}

extension ModuleRelease {
  /// The SVN in its sigstruct.
  public var svn: ModuleSVN { ModuleSVN(major: majorSVN, minor: minorSVN) }
}
