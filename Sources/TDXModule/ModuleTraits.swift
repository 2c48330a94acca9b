import ModuleImage

/// What differs between the releases of the module, derived once for the loaded image.
struct ModuleTraits: Sendable {
  /// The two lines that are maintained.
  enum Line: Sendable {
    case line15
    case line20
  }

  let line: Line
  /// TDX_FEATURES0.
  let features0: UInt64
  /// 1.5.05 or later of the 1.5 line, or any 2.0: VP.INIT version 1, MAX_VCPUS_PER_TD, LASS, six more CPUID leaves.
  let isAtLeast1505: Bool
  /// TDH.SYS.INIT, CONFIG and UPDATE have a version 1. Read in 2.0.16, 1.5.28 and later; the enable flag that it was made for
  /// is announced by bit 47, so 1.5.24, 1.5.25 and 2.0.14 are taken to have it too.
  let hasSysVersion1: Bool
  /// TDH.SYS.SHUTDOWN reads RCX as version and AVOID_COMPAT_SENSITIVE; older modules take all of it for the version.
  let hasUpdateCompatibility: Bool
  /// Leaves 92 to 95 and 97, numbered in 1.5.34 and 2.0.18.
  let hasScanAndRebind: Bool
  /// TDH.SYS.UPDATE version 1 looks at R9 and R10 before it looks at the state (1.5.34, 2.0.18), not after it (2.0.16).
  var checksUpdateOperandsFirst: Bool { hasScanAndRebind }
  /// Leaf 69.
  let hasSysDisable: Bool
  /// TDCS_BASE_SIZE: 6 pages, later 9. Which release between 1.5.06 and 1.5.28 made the change is not known.
  let tdcsBaseSize: UInt64
  /// Fewest pages of a TDCS without L2 VMs.
  var minTDCX: Int { Int(truncatingIfNeeded: tdcsBaseSize / 4096) }
  /// Most pages of a TDCS: one more for each of three L2 VMs.
  var maxTDCX: Int { minTDCX + 3 }
  /// MAX_VCPUS_PER_TD.
  let maxVCPUsPerTD: UInt64
  /// The CPUID leaves of which a host chooses bits.
  let cpuidConfiguration: [CPUIDConfiguration]

  init(program: ModuleProgram) {
    let release = program.metadataRelease
    line = release.major >= 2 ? .line20 : .line15
    features0 = program.features0
    isAtLeast1505 = release >= ModuleVersion(1, 5, 5)
    hasSysVersion1 = program.hasUpdateCompatibility
    hasUpdateCompatibility = program.hasUpdateCompatibility
    let newest = line == .line20 ? ModuleVersion(2, 0, 18) : ModuleVersion(1, 5, 34)
    hasScanAndRebind = release >= newest
    hasSysDisable = program.features0 >> 53 & 1 != 0
    let nine = line == .line20 ? ModuleVersion(2, 0, 12) : ModuleVersion(1, 5, 20)
    tdcsBaseSize = release >= nine ? 9 * 4096 : 6 * 4096
    maxVCPUsPerTD = line == .line20 ? 1376 : 576
    cpuidConfiguration = CPUIDConfiguration.list(isAtLeast1505: isAtLeast1505)
  }

  /// Whether TDX_FEATURES0 has `bit`.
  func has(_ bit: Feature) -> Bool { features0 >> bit.rawValue & 1 != 0 }

  /// The bits of TDX_FEATURES0 that decide something here (tdx-module.md 5.4).
  enum Feature: UInt64 {
    case localAttestation = 8
    case eventFiltering = 24
    case icssd = 25
    case maxPAVirtualization = 27
    case maxGPAVirtualization = 33
    case dynamicPAMT = 36
    case fatalDiagnostics = 37
    case nonBlockingExport = 41
    case scanExportRestore = 43
    case updateCompatibility = 47
  }

  /// CONFIG_FLAGS_FIXED0: GPAW, FLEXIBLE_PENDING_VE, NO_RBP_MOD; later MAXPA_VIRT and MAXGPA_VIRT with their features.
  var configFlagsFixed0: UInt64 {
    0b111 | (has(.maxPAVirtualization) ? 1 << 3 : 0) | (has(.maxGPAVirtualization) ? 1 << 4 : 0)
  }
}
