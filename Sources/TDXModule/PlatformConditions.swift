import SEAM

/// What is wrong with the platform, for tests and faults: the checks of the module that depend on hardware which tdxfs does
/// not model, and their answers (tdx-module.md 3.4, 3.5).
public struct PlatformConditions: Equatable, Sendable, Codable {
  /// A check of TDH.SYS.INIT.
  public enum InitFault: Equatable, Sendable, Codable {
    /// `INCORRECT_MSR_VALUE` with the MSR's address.
    case incorrectMSR(UInt32)
    /// `INCORRECT_CPUID_VALUE`: RCX = leaf | subleaf << 32, RDX = EAX and EBX masks, R8 = ECX and EDX masks.
    case incorrectCPUID(leaf: UInt32, subleaf: UInt32, ebxEAXMask: UInt64, edxECXMask: UInt64)
    /// `CPUID_LEAF_NOT_SUPPORTED` with the leaf.
    case cpuidLeafNotSupported(UInt32)
    /// `LIMIT_CPUID_MAXVAL_SET`.
    case limitCPUIDMaxval
    /// `SMRR_NOT_LOCKED` with the index of the SMRR.
    case smrrNotLocked(UInt8)
    /// `INVALID_SMRR_CONFIGURATION` with the index of the SMRR.
    case invalidSMRRConfiguration(UInt8)
    /// `SMRR_OVERLAPS_CMR` with the indices of both.
    case smrrOverlapsCMR(smrr: UInt8, cmr: UInt8)
    /// `SMRR_LOCK_NOT_SUPPORTED`.
    case smrrLockNotSupported
    /// `SMRR_NOT_SUPPORTED`.
    case smrrNotSupported
    /// `NUM_ACTIVATED_HKIDS_NOT_SUPPORTED`.
    case numActivatedHKIDs
    /// `INVALID_WBINVD_SCOPE`.
    case invalidWBINVDScope
  }

  /// A check of TDH.SYS.LP.INIT on one LP.
  public enum LPFault: Equatable, Sendable, Codable {
    /// `INCONSISTENT_MSR` with the MSR's address, IA32_TSC_ADJUST is 0x3B.
    case inconsistentMSR(UInt32)
    /// `INCONSISTENT_CPUID_FIELD`: RCX = leaf | subleaf << 32, RDX = EAX and EBX masks, R8 = ECX and EDX masks.
    case inconsistentCPUID(leaf: UInt32, subleaf: UInt32, ebxEAXMask: UInt64, edxECXMask: UInt64)
    /// `INCOMPATIBLE_SEAM_CAPABILITIES`: other SEAMOPS than the LP of TDH.SYS.INIT.
    case seamCapabilities
    /// `INVALID_PKG_ID` with the package.
    case invalidPackage(UInt32)
  }

  /// First check of TDH.SYS.INIT that fails.
  public var sysInit: InitFault?
  /// The CPU lacks SEAMDB_GETREF or SEAMDB_REPORT.
  public var lacksSEAMDB = false
  /// First check of TDH.SYS.LP.INIT that fails, by LP.
  public var lpInit: [Int: LPFault] = [:]
  /// How many of the next PCONFIG find the key table busy.
  public var pconfigBusy = 0
  /// How many of the next PCONFIG find no entropy for a key.
  public var keyGenerationFailures = 0
  /// LPs on which IA32_MISC_ENABLE limits CPUID to leaf 2 (TDH.MNG.INIT, TDH.VP.ENTER).
  public var limitCPUIDMaxval: Set<Int> = []
  /// LPs whose IA32_TSC_ADJUST is not what TDH.SYS.INIT sampled (TDH.MNG.INIT, TDH.VP.INIT, TDH.VP.ENTER).
  public var tscAdjusted: Set<Int> = []
  /// LPs whose TSC is behind what it was at a vCPU's last exit (TDH.VP.ENTER).
  public var tscRolledBack: Set<Int> = []
  /// How the next TDH.VP.ENTER of vCPUs ends, by the address of the TDVPR; taken away when it has happened.
  public var vcpuExits: [UInt64: VCPUExit] = [:]
  /// After how many checks for a pending interrupt one is found, by a leaf that may take long: TDH.PHYMEM.CACHE.WB,
  /// TDH.MEM.SEPT.ADD, TDH.MEM.PAGE.DEMOTE, TDH.MEM.PAGE.PROMOTE. 0 is the next check; nil, none is pending.
  public var checksBeforeInterrupt: Int?
  /// The same number for the interrupt after that one; nil, there is no other.
  public var checksBetweenInterrupts: Int?

  /// Nothing is wrong.
  public init() {}

  /// Whether an interrupt is pending for the calling LP, so that a leaf should stop at a point where it can.
  mutating func takeInterrupt() -> Bool {
    guard let checks = checksBeforeInterrupt else { return false }
    guard checks <= 0 else {
      checksBeforeInterrupt = checks - 1
      return false
    }
    checksBeforeInterrupt = checksBetweenInterrupts
    return true
  }
}

extension PlatformConditions.InitFault {
  /// What TDH.SYS.INIT answers; the detail registers are written to `registers`.
  func refusal(_ registers: inout Registers) -> ModuleError {
    switch self {
    case .incorrectMSR(let msr):
      return .refused(
        .incorrectMSRValue.with(details: msr), "MSR 0x\(String(msr, radix: 16)) has a value TDX cannot run with")
    case .incorrectCPUID(let leaf, let subleaf, let low, let high):
      registers.rcx = UInt64(leaf) | UInt64(subleaf) << 32
      registers.rdx = low
      registers.r8 = high
      return .refused(.incorrectCPUIDValue, "CPUID leaf 0x\(String(leaf, radix: 16)) has a value TDX cannot run with")
    case .cpuidLeafNotSupported(let leaf):
      return .refused(
        .cpuidLeafNotSupported.with(details: leaf), "the CPU lacks CPUID leaf 0x\(String(leaf, radix: 16))")
    case .limitCPUIDMaxval:
      return .refused(.limitCPUIDMaxvalSet, "IA32_MISC_ENABLE limits CPUID to leaf 2")
    case .smrrNotLocked(let index):
      return .refused(.smrrNotLocked.with(details: UInt32(index)), "the BIOS did not lock SMRR \(index)")
    case .invalidSMRRConfiguration(let index):
      return .refused(
        .invalidSMRRConfiguration.with(details: UInt32(index)), "SMRR \(index) is not configured properly")
    case .smrrOverlapsCMR(let smrr, let cmr):
      return .refused(
        .smrrOverlapsCMR.with(details: UInt32(smrr) | UInt32(cmr) << 8),
        "SMRR \(smrr) overlaps convertible memory \(cmr)")
    case .smrrLockNotSupported:
      return .refused(.smrrLockNotSupported, "the CPU cannot lock SMRRs")
    case .smrrNotSupported:
      return .refused(.smrrNotSupported, "the CPU has no SMRRs")
    case .numActivatedHKIDs:
      return .refused(.numActivatedHKIDsNotSupported, "the platform has more KeyIDs than the module supports")
    case .invalidWBINVDScope:
      return .refused(.invalidWBINVDScope, "WBINVD does not reach a whole package")
    }
  }
}

extension PlatformConditions.LPFault {
  /// What TDH.SYS.LP.INIT answers on `lp`; the detail registers are written to `registers`.
  func refusal(on lp: Int, _ registers: inout Registers) -> ModuleError {
    switch self {
    case .inconsistentMSR(let msr):
      return .refused(
        .inconsistentMSR.with(details: msr),
        "MSR 0x\(String(msr, radix: 16)) of LP \(lp) differs from that of the LP of TDH.SYS.INIT")
    case .inconsistentCPUID(let leaf, let subleaf, let low, let high):
      registers.rcx = UInt64(leaf) | UInt64(subleaf) << 32
      registers.rdx = low
      registers.r8 = high
      return .refused(
        .inconsistentCPUIDField,
        "CPUID leaf 0x\(String(leaf, radix: 16)) of LP \(lp) differs from that of the LP of TDH.SYS.INIT")
    case .seamCapabilities:
      return .refused(
        .incompatibleSEAMCapabilities, "LP \(lp) has other SEAM capabilities than the LP of TDH.SYS.INIT")
    case .invalidPackage(let package):
      return .refused(.invalidPkgID.with(details: package), "LP \(lp) is in package \(package); the module knows 8")
    }
  }
}
