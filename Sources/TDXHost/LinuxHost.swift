import Basics
import ModuleImage
import SEAM
import SystemPackage

/// The Linux side of one emulated machine: what `arch/x86/virt/vmx/tdx` and `tdx_host` know. A value: a copy is a
/// snapshot.
///
/// It has the SEAMCALL instruction and physical memory (``SEAMCALLDoor``), like the kernel, and nothing else. Every
/// method that calls a firmware takes the door.
public struct LinuxHost: Sendable {
  /// Which kernel it is.
  public let profile: ABIProfile
  /// What it was booted on.
  public let configuration: HostConfiguration
  /// `dmesg`.
  public var log: KernelLog
  /// Which pages of host memory are in use.
  public var pages: PageAllocator

  /// `tdx_sysinfo`
  public internal(set) var sysInfo = SysInfo()
  /// `tdx_module_initialized`: the module can be used. Cleared by a successful TDH.SYS.SHUTDOWN, set by TDH.SYS.UPDATE.
  public internal(set) var isModuleInitialized = false
  /// `sysinit_done`: TDH.SYS.INIT was tried since the last reset.
  public internal(set) var isSysInitDone = false
  /// `sysinit_ret`: what all further attempts get; nil is 0.
  public internal(set) var sysInitResult: Errno?
  /// `tdx_lp_initialized`, per possible CPU.
  public internal(set) var isLPInitialized: [Bool]
  /// `cpu_online_mask`, per present CPU.
  public internal(set) var isOnline: [Bool]
  /// `tdx_tdmr_list`
  public internal(set) var tdmrs: [TDMR] = []
  /// The hotplug callbacks (`virt/tdx:online`) are installed, which they are when TDX came up at boot.
  public internal(set) var hasHotplugCallbacks = false
  /// The `tdx_host` device as it was when it was made; nil when there is none.
  public internal(set) var device: HostDevice?
  /// `cpus_read_lock` is held by an update: a CPU that goes online or offline has to wait until it is done.
  public internal(set) var isHotplugLocked = false
  /// The TDs, and what they have.
  public internal(set) var tds: TDTable

  /// What INFO said, for the profiles that ask only now and then.
  public internal(set) var cachedInfo: SEAMLDRInfo?

  var warned: Set<WarnSite> = []
  var loggedOnce: Set<String> = []
  /// The page in which INFO buffers lie.
  var infoPage: UInt64?

  /// A kernel of `profile` before it has done anything; `now` gives microseconds since power-on.
  public init(
    profile: ABIProfile, configuration: HostConfiguration, now: @escaping @Sendable () -> UInt64
  ) {
    self.profile = profile
    self.configuration = configuration
    log = KernelLog(now: now)
    pages = PageAllocator(memory: configuration.memory)
    tds = TDTable(privateKeyIDs: configuration.privateKeyIDs)
    isLPInitialized = Array(repeating: false, count: configuration.presentCPUs)
    isOnline = Array(repeating: true, count: configuration.presentCPUs)
  }

  /// The online CPUs, ascending.
  public var onlineCPUs: [Int] { isOnline.indices.filter { isOnline[$0] } }
  /// The first online CPU; 0 is always online.
  var firstOnlineCPU: Int { isOnline.firstIndex(of: true) ?? 0 }
  /// Present CPUs that are offline, ascending.
  public var offlineCPUs: [Int] { isOnline.indices.filter { !isOnline[$0] } }

  /// Memory that PAMTs take, in KiB (`tdmrs_count_pamt_kb`).
  public var pamtKiB: UInt64 {
    tdmrs.reduce(0) { sum, tdmr in
      tdmr.pamts.reduce(sum) { $0 + ($1.upperBound - $1.lowerBound) / 1024 }
    }
  }

  /// `version_show`: the cached version, no SEAMCALL. ENXIO while the module is not initialised, which after a fatal
  /// update failure is until reboot.
  public func version() throws(Errno) -> ModuleVersion {
    guard isModuleInitialized else { throw .noSuchAddressOrDevice }
    return sysInfo.version
  }

  /// `compat_capable_show`: TDX_FEATURES0 bit 47 as it was read at boot. ENXIO while the module is not initialised.
  public func compatCapable() throws(Errno) -> Bool {
    guard isModuleInitialized else { throw .noSuchAddressOrDevice }
    return sysInfo.features.contains(.updateCompatibility)
  }

  /// What a successful TDH.SYS.SHUTDOWN makes the kernel forget (kernel-abi.md 5.3). Features, TDMRs, PAMTs and KeyIDs
  /// stay.
  mutating func resetAfterShutdown() {
    isModuleInitialized = false
    isSysInitDone = false
    sysInitResult = nil
    for cpu in isLPInitialized.indices where profile.resetsOfflineCPUs || isOnline[cpu] {
      isLPInitialized[cpu] = false
    }
  }
}

/// The `tdx_host` device: which of its parts were made. Visibility is decided once, when the device is created, and never
/// again (kernel-abi.md 3.1).
public struct HostDevice: Equatable, Sendable, Codable {
  /// The files that ask the P-SEAMLDR are there.
  public var hasSEAMLDRFiles: Bool
  /// The upload device is registered.
  public var hasUpload: Bool
}

extension LinuxHost: Codable {
  private enum Key: CodingKey {
    case profile, configuration, log, pages, sysInfo, isModuleInitialized, isSysInitDone, sysInitResult, isLPInitialized
    case isOnline, tdmrs, hasHotplugCallbacks, device, isHotplugLocked, tds, cachedInfo, warned, loggedOnce, infoPage
  }

  /// All of it; the profile by its name.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(profile.name, forKey: .profile)
    try container.encode(configuration, forKey: .configuration)
    try container.encode(log, forKey: .log)
    try container.encode(pages, forKey: .pages)
    try container.encode(sysInfo, forKey: .sysInfo)
    try container.encode(isModuleInitialized, forKey: .isModuleInitialized)
    try container.encode(isSysInitDone, forKey: .isSysInitDone)
    try container.encode(sysInitResult, forKey: .sysInitResult)
    try container.encode(isLPInitialized, forKey: .isLPInitialized)
    try container.encode(isOnline, forKey: .isOnline)
    try container.encode(tdmrs, forKey: .tdmrs)
    try container.encode(hasHotplugCallbacks, forKey: .hasHotplugCallbacks)
    try container.encode(device, forKey: .device)
    try container.encode(isHotplugLocked, forKey: .isHotplugLocked)
    try container.encode(tds, forKey: .tds)
    try container.encode(cachedInfo, forKey: .cachedInfo)
    try container.encode(warned, forKey: .warned)
    try container.encode(loggedOnce, forKey: .loggedOnce)
    try container.encode(infoPage, forKey: .infoPage)
  }

  /// Reads what ``encode(to:)`` wrote. Its log has no clock yet.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let name = try container.decode(String.self, forKey: .profile)
    guard let profile = ABIProfile.named(name) else { throw ArchiveError("there is no kernel \(name)") }
    self.profile = profile
    configuration = try container.decode(HostConfiguration.self, forKey: .configuration)
    log = try container.decode(KernelLog.self, forKey: .log)
    pages = try container.decode(PageAllocator.self, forKey: .pages)
    sysInfo = try container.decode(SysInfo.self, forKey: .sysInfo)
    isModuleInitialized = try container.decode(Bool.self, forKey: .isModuleInitialized)
    isSysInitDone = try container.decode(Bool.self, forKey: .isSysInitDone)
    sysInitResult = try container.decode(Errno?.self, forKey: .sysInitResult)
    isLPInitialized = try container.decode([Bool].self, forKey: .isLPInitialized)
    isOnline = try container.decode([Bool].self, forKey: .isOnline)
    tdmrs = try container.decode([TDMR].self, forKey: .tdmrs)
    hasHotplugCallbacks = try container.decode(Bool.self, forKey: .hasHotplugCallbacks)
    device = try container.decode(HostDevice?.self, forKey: .device)
    isHotplugLocked = try container.decode(Bool.self, forKey: .isHotplugLocked)
    tds = try container.decode(TDTable.self, forKey: .tds)
    cachedInfo = try container.decode(SEAMLDRInfo?.self, forKey: .cachedInfo)
    warned = try container.decode(Set<WarnSite>.self, forKey: .warned)
    loggedOnce = try container.decode(Set<String>.self, forKey: .loggedOnce)
    infoPage = try container.decode(UInt64?.self, forKey: .infoPage)
  }
}
