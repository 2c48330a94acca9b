import Basics
import FirmwareUpload
import Kernfs
import ModuleImage
import PSEAMLDR
import SEAM
import Synchronization
import SystemPackage
import TDXHost
import TDXModule

/// One emulated machine: silicon, firmwares, kernel, and what is known about them from outside the kernel's ABI.
///
/// ## Locks
/// `lock` guards everything below. The update worker takes it step by step, so whoever waits for it waits for one SEAMCALL
/// at the most. `frozen` is a lock of its own, taken inside `lock` or alone, never around it; readers of attributes look there
/// first, so that during an update they see what could be seen just before it and wait for nobody. Locks of the upload
/// device are taken inside `lock`, by who archives the machine; never around it.
public final class EmulatedMachine: @unchecked Sendable {
  /// What the machine is made of.
  public let options: MachineOptions
  /// The kernel's ABI.
  public let profile: ABIProfile
  /// Seed of everything random. It changes only when the state of a machine with another one is restored.
  public internal(set) var seed: UInt64
  /// Called after the machine was powered on anew, without any lock held: the file tree has to be made anew.
  public var onPowerOn: (@Sendable () -> Void)?
  /// What clients do with the files; off unless asked for.
  public let operations = OperationLog()
  /// Called with whether clients are to be watched.
  public var onWatch: (@Sendable (Bool) -> Void)?

  let clock: any MachineClock
  /// What the trace says of a read of `seamldr_version`, and of `num_remaining_updates`.
  let versionRead, remainingRead: Trace.Note?
  let signers: TrustedSigners
  let release: ModuleRelease
  let lock = Lock()
  let idle = WaitQueue()
  package let worker = Worker()
  let frozen = Guarded<FrozenView?>(nil)
  /// The fault plans. A lock of its own, inside all others.
  let faults = FaultPlans()
  /// Whether ``frozen`` holds something, for the many looks at it that find nothing.
  let isFrozen = Atomic(false)

  // Guarded by `lock`, which also sees to it that nobody reaches them twice at a time.
  let silicon: Silicon
  @exclusivity(unchecked) var host: LinuxHost
  @exclusivity(unchecked) var trace = Trace()
  var whyReport = Why.nothingUploaded
  var controlError = ""
  var powerState = "on"
  /// Counts power-ons, kexecs and restored states: an update that began before the last one has nothing left to work on.
  var bootNumber: UInt64 = 0
  /// Power-ons and kexecs that the machine has had, in other processes too.
  var boots: UInt64 = 0
  var isUpdating = false
  /// The update that is under way.
  var installation: Installation?
  /// Counts the updates that were begun: each has an order of its own with `order=seed`.
  var updateNumber: UInt64 = 0
  /// What the upload class has been told of the upload that is under way, as far as archives need it.
  var milestone = UploadMilestone.none
  /// State of files that were restored and not made yet.
  var restoredFiles: SavedFiles?
  /// State of the files of the boot that it is given; nil when they are not those of this boot. Called with `lock` held.
  var savedFiles: (@Sendable (UInt64) -> SavedFiles?)?
  /// Called after a change that should outlive the process, without any lock held.
  public var onSettled: (@Sendable () -> Void)?
  /// In place of `order=`: the schedule of the update of this number.
  var scheduleOverride: (@Sendable (UInt64) -> UpdateSchedule)?
  /// Called after each step of an update, without any lock held: for who watches what can be seen in the middle of one.
  var onStep: (@Sendable () -> Void)?

  /// What does not change while a machine lives.
  private struct Parts {
    var options: MachineOptions
    var profile: ABIProfile
    var signers: TrustedSigners
    var release: ModuleRelease
    var seed: UInt64
    var clock: any MachineClock
  }

  private init(_ parts: Parts, silicon state: SiliconState) {
    options = parts.options
    profile = parts.profile
    signers = parts.signers
    release = parts.release
    seed = parts.seed
    clock = parts.clock
    versionRead = Self.readRecord(profile, options) { if case .seamldrVersion = $0 { true } else { false } }
    remainingRead = Self.readRecord(profile, options) { $0 == .numRemainingUpdates }
    silicon = Silicon(state, faults: faults, clock: parts.clock)
    host = LinuxHost(profile: profile, configuration: Self.hostConfiguration(options), now: { 0 })
  }

  /// Powers a machine on. What the options ask for and no machine can be is refused in one sentence.
  public convenience init(
    options: MachineOptions, clock: (any MachineClock)? = nil,
    readFile: (String) throws -> String = { _ in throw Errno.noSuchFileOrDirectory }
  ) throws(OptionError) {
    guard let profile = ABIProfile.named(options.abi), let release = ReleaseTable.release(options.effectiveModule)
    else {
      throw OptionError("there is no kernel \(options.abi) or no module \(options.effectiveModule)")
    }
    guard options.layout == .sys || !options.aliases.contains(.sysFirmware) else {
      throw OptionError(
        "alias=\(Alias.sysFirmware.rawValue) needs layout=sys: the device's directory has no place for it")
    }
    let signers: TrustedSigners
    do {
      signers = try TrustedSigners(list: options.keys, readFile: readFile)
    } catch {
      throw OptionError("keys=\(options.keys): \(error)")
    }
    var generator = SystemRandomNumberGenerator()
    let seed = options.seed ?? generator.next()
    let state = try Self.powerOnSilicon(options: options, release: release, signers: signers, seed: seed)
    self.init(
      Parts(
        options: options, profile: profile, signers: signers, release: release, seed: seed,
        clock: clock ?? options.clock.make()), silicon: state)
    bootHost("power-on")
  }

  /// A machine like `other` in the state `state`, with a clock of its own; its trace, `why` and fault plans begin anew. Where
  /// an update is under way in `state`, it stands still until somebody goes on with it.
  public convenience init(like other: EmulatedMachine, in state: MachineState) {
    self.init(
      Parts(
        options: other.options, profile: other.profile, signers: other.signers, release: other.release,
        seed: other.seed, clock: other.options.clock.make()), silicon: state.silicon)
    host = state.host
    installation = state.installation
    isUpdating = state.installation != nil
    updateNumber = state.updateNumber
    silicon.refusals = state.refusals
    show(state.frozen)
    bootNumber = 1
    boots = 1
    observeSilicon(from: clock.microseconds())
  }

  /// Silicon and kernel, as one value. Between any two steps of an update, too.
  public var state: MachineState {
    lock.withLock {
      MachineState(
        silicon: silicon.state, host: host, installation: installation, updateNumber: updateNumber,
        refusals: silicon.refusals, frozen: frozen.withLock { $0 })
    }
  }

  /// Hardware after MCHECK, with the BIOS's module loaded.
  static func powerOnSilicon(
    options: MachineOptions, release: ModuleRelease, signers: TrustedSigners, seed: UInt64
  ) throws(OptionError) -> SiliconState {
    var machine = Machine(configuration: machineConfiguration(options), seed: seed)
    var loader = PSEAMLDR(version: options.effectiveSEAMLDR, trustedSigners: signers)
    do {
      try loader.bootLoad(release: release, machine: &machine)
    } catch {
      throw OptionError("\(error)")
    }
    if !options.tdPreserving { machine.residentProgram?.features0 &= ~(1 << 1) }
    return SiliconState(machine: machine, loader: loader, module: TDXModule())
  }

  static func machineConfiguration(_ options: MachineOptions) -> MachineConfiguration {
    MachineConfiguration(
      cpu: options.cpu, logicalProcessors: options.lps, memoryGiB: options.memoryGiB, seamdbSize: options.updates + 1)
  }

  static func hostConfiguration(_ options: MachineOptions) -> HostConfiguration {
    HostConfiguration(
      machine: machineConfiguration(options), hasSEAMRETErratum: options.errata.contains(.seamretInvdVMCS))
  }

  /// Starts a kernel on the silicon as it is. `lock` is held, or nobody else knows the machine yet.
  func bootHost(_ occasion: String) {
    bootNumber &+= 1
    boots &+= 1
    milestone = .none
    restoredFiles = nil
    let start = clock.microseconds()
    let clock = self.clock
    host = LinuxHost(
      profile: profile, configuration: Self.hostConfiguration(options),
      now: { clock.microseconds() &- start })
    host.log.append(.info, "tdxfs: seed=\(seed)")
    var calls = 0
    silicon.observer = { _ in calls += 1 }
    switch options.device {
    case .tdxHost: host.boot(door: silicon)
    case .testFirmware: whyReport = .noTDX
    }
    trace.note(
      occasion == "kexec" ? "kexec" : "power-on",
      [
        ("abi", .text(profile.name)),
        ("module", .text(silicon.machine.residentProgram?.version.description ?? "-")),
        ("tdx_host", .text(host.device == nil ? "absent" : "present")), ("seamcalls", .number(calls)),
        ("options", .text(options.text(seed: seed))),
      ], time: clock.microseconds() &- start)
    observeSilicon(from: start)
  }

  /// SEAMCALLs go into the trace; time counts from `start`. `lock` is held, or nobody else knows the machine yet.
  func observeSilicon(from start: UInt64) {
    let clock = self.clock
    host.log.now = { clock.microseconds() &- start }
    // The silicon lives no longer than the machine, which alone has it and need not be kept for a call.
    let machine = Unmanaged.passUnretained(self)
    silicon.observer = { record in
      machine._withUnsafeGuaranteedRef { $0.trace.append(record, time: record.begin &- start) }
    }
    self.start = start
  }

  /// Clock at power-on.
  var start: UInt64 = 0

  /// Microseconds since power-on.
  var now: UInt64 { clock.microseconds() &- start }
}

/// What a machine is at a moment, but for its journal, `why` and fault plans: silicon and kernel. A value: a copy is a
/// snapshot.
public struct MachineState: Sendable {
  /// Hardware and firmwares.
  public var silicon: SiliconState
  /// The kernel.
  public var host: LinuxHost
  /// The update that is under way.
  var installation: Installation?
  /// Updates that were begun.
  var updateNumber: UInt64
  /// What firmwares said of refused calls of this update.
  var refusals: [SEAMCALLRefusal]
  /// What readers see during the update.
  var frozen: FrozenView?
}
