import Basics

/// What is known of one public release of the TDX module (tdx-module.md 4.3, pseamldr.md 6 and 7.3).
public struct ModuleRelease: Equatable, Sendable {
  /// `M.m.uu`.
  public let version: ModuleVersion
  /// Minor SVN, TEE_TCB_SVN[0].
  public let minorSVN: UInt8
  /// Major SVN, TEE_TCB_SVN[1]: 1 for the 1.5 line, 3 for the 2.0 line.
  public let majorSVN: UInt8
  /// Build date as a decimal number, yyyymmdd. The sigstruct holds it as BCD.
  public let buildDate: UInt32
  /// Build number.
  public let buildNumber: UInt16
  /// Internal version.
  public let internalVersion: UInt16
  /// SEAMHASH = MRSEAM: SHA-384 of the image, 96 hexadecimal digits.
  public let seamHash: String
  /// Handoff version that the module writes and at most reads.
  public let moduleHV: UInt16
  /// Oldest handoff version that it reads.
  public let minUpdateHV: UInt16
  /// It writes MODULE_HV only.
  public let noDowngrade: Bool
  /// CRYPTO_LIB_COMPAT_VERSION; nil for modules without it.
  public let cryptoVersion: UInt16?
  /// NUM_HANDOFF_PAGES as the sigstruct has it: pages minus one.
  public let handoffPages: UInt16
  /// The sigstruct's CPUID table.
  public let cpus: [UInt32]
  /// TDX_FEATURES0, local attestation (bit 8) included.
  public let features0: UInt64
  /// Pages of the image; nil where the binary was not at hand.
  public let imagePages: Int?
  /// RIP_OFFSET and GDT_IDT_OFFSET of the sigstruct; nil where the binary was not at hand.
  public let entryPoints: (rip: UInt32, gdtIDT: UInt32)?
  /// Oldest running module that a TD-preserving update to this one accepts (mapping file).
  public let minVersionForTDPreserving: ModuleVersion
  /// P-SEAMLDR versions, one a line, that load this module (mapping file).
  public let minSEAMLDRVersions: [ModuleVersion]
  /// Running versions from which the update loses nothing (mapping file).
  public let strictCompatVersions: [ModuleVersion]

  /// TDX_FEATURES0 bit 47: TDH.SYS.SHUTDOWN knows AVOID_COMPAT_SENSITIVE.
  public var hasUpdateCompatibility: Bool { features0 >> 47 & 1 != 0 }

  /// Whether the sigstruct's CPU list covers CPUID.1.EAX `signature`, steppings aside.
  public func supports(cpuSignature signature: UInt32) -> Bool {
    cpus.contains { $0 & ~0xF == signature & ~0xF }
  }

  /// The same release, as values are equal but for the tuple.
  public static func == (left: Self, right: Self) -> Bool {
    left.version == right.version && left.seamHash == right.seamHash
  }
}
