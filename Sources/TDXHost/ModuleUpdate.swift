import Basics
import ModuleImage
import SEAM
import SystemPackage

/// One run of `seamldr_install_module`, which the caller steps. A step makes at most one SEAMCALL, so a worker can take the
/// machine's lock step by step and a fault can act at each (kernel-abi.md 5.2).
public struct ModuleUpdate: Sendable, Codable {
  /// What a step did.
  public enum Step: Equatable, Sendable {
    /// There is more to do.
    case running
    /// The update has ended; further steps say the same again.
    case finished(UpdateRecord)
  }

  /// Where the update is.
  enum Phase: Sendable, Codable {
    /// At the check with this index.
    case preflight(Int)
    /// In the lock step of all CPUs.
    case lockStep
    /// After it, in the profile that keeps INFO: INFO again.
    case reloadInfo
    /// After it: field `index` of what is read again.
    case refresh(Int)
    case finished
  }

  /// A call under way, and what it is for.
  struct Pending: Sendable, Codable {
    var call: KernelCall
    var purpose: Purpose
    var attempts = 0
  }

  /// What a SEAMCALL of an update is for.
  enum Purpose: Sendable, Codable {
    case loaderInfo
    case readModuleHV
    case shutdown
    case install
    case sysInit
    case lpInit
    case update
    case reloadInfo
    /// Reading the version again, inside (`merged`) or after stop_machine.
    case refresh(Int)
  }

  let image: [UInt8]
  let schedule: UpdateSchedule
  let refreshesInLockStep: Bool
  var phase = Phase.preflight(0)
  /// The state that all CPUs are in.
  public internal(set) var state = UpdateState.start
  /// CPUs that have not acknowledged the state yet, the next one last.
  var waiting: [Int] = []
  var pending: Pending?
  /// `failed`: a CPU has failed. The rest of `waiting` has seen the state already.
  var hasFailed = false
  var staged: StagedParams?
  var lead = 0
  /// Operand of TDH.SYS.SHUTDOWN's bits 15:0; nil until it was read.
  var moduleHV: UInt16?
  var freshInfo = SysInfo()
  var refreshFailed = false
  /// Answer of the last INFO call, for the profiles that make one.
  var loaderInfo: SEAMLDRInfo?
  var record: UpdateRecord

  /// An update of `host` to `image`.
  public init(image: [UInt8], host: LinuxHost, schedule: UpdateSchedule = .ascending) {
    self.image = image
    self.schedule = schedule
    refreshesInLockStep = host.profile.refresh == .wholeVersionInStopMachine
    record = UpdateRecord(
      errno: nil, stage: .done, wasInitialized: host.isModuleInitialized, onlineCPUs: host.onlineCPUs.count,
      offlineCPUs: host.offlineCPUs,
      oldVersion: host.sysInfo.version)
  }

  /// Whether all CPUs are stopped: nobody can read an attribute then.
  public var isInLockStep: Bool {
    switch phase {
    case .lockStep: true
    case .refresh: refreshesInLockStep
    case .preflight, .reloadInfo, .finished: false
    }
  }

  /// The SEAMCALL that the next step makes, and the LP that makes it; nil while that is not decided yet.
  public var nextCall: (registers: Registers, lp: Int)? { pending.map { ($0.call.registers, $0.call.lp) } }

  /// Goes one step, with at most one SEAMCALL.
  public mutating func step(host: inout LinuxHost, door: some SEAMCALLDoor) -> Step {
    if pending == nil { pending = advance(host: &host, door: door) }
    guard var call = pending else { return .finished(record) }
    let result = door.seamcall(call.call.registers, on: call.call.lp)
    call.attempts += 1
    if call.attempts < LinuxHost.entropyAttempts, host.isRetried(result, of: call.call) {
      pending = call
      return .running
    }
    pending = nil
    complete(call, result, host: &host, door: door)
    // Decided now, so that the end of an update shows with the call that ended it.
    pending = advance(host: &host, door: door)
    return pending == nil ? .finished(record) : .running
  }

  /// Whether it is an update that `host` can be in the middle of: what came out of an archive may be anything.
  public func check(_ host: LinuxHost) throws(ArchiveError) {
    let cpus = 0...max(0, host.configuration.presentCPUs - 1)
    try ArchiveCheck.range(lead, cpus, "the lead CPU of the update")
    for cpu in waiting { try ArchiveCheck.range(cpu, cpus, "a CPU of the update") }
    if let pending {
      try ArchiveCheck.range(pending.call.lp, cpus, "the CPU of the next SEAMCALL")
      try ArchiveCheck.range(pending.attempts, 0...LinuxHost.entropyAttempts, "how often a SEAMCALL was repeated")
      if case .refresh(let index) = pending.purpose { try Self.check(index) }
    }
    switch phase {
    case .preflight(let index), .refresh(let index): try Self.check(index)
    case .lockStep, .reloadInfo, .finished: break
    }
    try freshInfo.check()
    if let staged { for page in staged.pages { try host.pages.check(page, host.configuration.memory) } }
  }

  /// The index of a check or field is one, even if there are fewer.
  private static func check(_ index: Int) throws(ArchiveError) {
    try ArchiveCheck.range(index, 0...65_535, "how far the update is")
  }

  /// Steps to the end.
  public mutating func run(host: inout LinuxHost, door: some SEAMCALLDoor) -> UpdateRecord {
    while true {
      if case .finished(let record) = step(host: &host, door: door) { return record }
    }
  }

  /// Does what needs no SEAMCALL and gives the next call; nil at the end.
  mutating func advance(host: inout LinuxHost, door: some SEAMCALLDoor) -> Pending? {
    while true {
      switch phase {
      case .preflight(let index):
        guard index < host.profile.preflight.count else {
          guard begin(host: &host, door: door) else { continue }
          phase = .lockStep
          continue
        }
        if let call = check(host.profile.preflight[index], index: index, host: &host, door: door) { return call }
      case .lockStep:
        if let call = nextInLockStep(host: &host) { return call }
      case .reloadInfo:
        return Pending(
          call: KernelCall(.info, rcx: host.infoBuffer(), on: host.firstOnlineCPU), purpose: .reloadInfo)
      case .refresh(let index):
        if let call = nextRefresh(index, host: &host) { return call }
      case .finished:
        return nil
      }
    }
  }

  /// Takes the hotplug lock and puts the image into memory.
  private mutating func begin(host: inout LinuxHost, door: some SEAMCALLDoor) -> Bool {
    if staged == nil {
      staged = host.stage(image, door: door)
      guard staged != nil else {
        refuse(.allocation, .noMemory, "the kernel has no memory for the image's pages", host: &host)
        return false
      }
    }
    host.isHotplugLocked = true
    record.onlineCPUs = host.onlineCPUs.count
    record.offlineCPUs = host.offlineCPUs
    switch host.profile.leadCPU {
    case .cpu0: lead = 0
    case .firstOnline: lead = host.firstOnlineCPU
    }
    if host.profile.handoffVersion == .readAtBoot { moduleHV = host.sysInfo.moduleHV }
    // Where all is read, it is read into an empty structure.
    if case .allMetadata = host.profile.refresh { freshInfo = SysInfo() } else { freshInfo = host.sysInfo }
    return true
  }

  /// Ends the update before any CPU was stopped.
  mutating func refuse(_ check: PreflightCheck, _ errno: Errno, _ sentence: String, host: inout LinuxHost) {
    record.errno = errno
    record.stage = .preflight(check)
    record.refusal = sentence
    finish(host: &host)
  }

  /// Lets go of the lock and of the pages.
  mutating func finish(host: inout LinuxHost) {
    if let staged { host.pages.free(staged.pages) }
    staged = nil
    host.isHotplugLocked = false
    phase = .finished
  }
}
