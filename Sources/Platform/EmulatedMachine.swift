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
/// first, so that during an update they see what could be seen just before it and wait for nobody.
public final class EmulatedMachine: @unchecked Sendable {
  /// What the machine is made of.
  public let options: MachineOptions
  /// The kernel's ABI.
  public let profile: ABIProfile
  /// Seed of everything random.
  public let seed: UInt64
  /// Called after the machine was powered on anew, without any lock held: the file tree has to be made anew.
  public var onPowerOn: (@Sendable () -> Void)?

  let clock: any MachineClock
  let signers: TrustedSigners
  let release: ModuleRelease
  let lock = Lock()
  let idle = WaitQueue()
  let worker = Worker()
  let frozen = Guarded<FrozenView?>(nil)
  /// Whether ``frozen`` holds something, for the many looks at it that find nothing.
  let isFrozen = Atomic(false)

  // Guarded by `lock`, which also sees to it that nobody reaches them twice at a time.
  let silicon: Silicon
  @exclusivity(unchecked) var host: LinuxHost
  @exclusivity(unchecked) var trace = Trace()
  var whyReport = Why.nothingUploaded
  var controlError = ""
  var powerState = "on"
  /// Counts power-ons and kexecs: an update that began before the last one has nothing left to work on.
  var bootNumber: UInt64 = 0
  var isUpdating = false

  /// Powers a machine on. What the options ask for and no machine can be is refused in one sentence.
  public init(
    options: MachineOptions, clock: any MachineClock = MonotonicClock(),
    readFile: (String) throws -> String = { _ in throw Errno.noSuchFileOrDirectory }
  ) throws(OptionError) {
    self.options = options
    self.clock = clock
    guard let profile = ABIProfile.named(options.abi), let release = ReleaseTable.release(options.effectiveModule)
    else {
      throw OptionError("there is no kernel \(options.abi) or no module \(options.effectiveModule)")
    }
    guard options.layout == .sys || !options.aliases.contains(.sysFirmware) else {
      throw OptionError(
        "alias=\(Alias.sysFirmware.rawValue) needs layout=sys: the device's directory has no place for it")
    }
    self.profile = profile
    self.release = release
    do {
      signers = try TrustedSigners(list: options.keys, readFile: readFile)
    } catch {
      throw OptionError("keys=\(options.keys): \(error)")
    }
    var generator = SystemRandomNumberGenerator()
    seed = options.seed ?? generator.next()
    let state = try Self.powerOnSilicon(options: options, release: release, signers: signers, seed: seed)
    silicon = Silicon(state)
    host = LinuxHost(
      profile: profile, configuration: Self.hostConfiguration(options), now: { 0 })
    bootHost("power-on")
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

  private static func machineConfiguration(_ options: MachineOptions) -> MachineConfiguration {
    MachineConfiguration(
      cpu: options.cpu, logicalProcessors: options.lps, memoryGiB: options.memoryGiB, seamdbSize: options.updates + 1)
  }

  private static func hostConfiguration(_ options: MachineOptions) -> HostConfiguration {
    HostConfiguration(
      machine: machineConfiguration(options), hasSEAMRETErratum: options.errata.contains(.seamretInvdVMCS))
  }

  /// Starts a kernel on the silicon as it is. `lock` is held, or nobody else knows the machine yet.
  func bootHost(_ occasion: String) {
    bootNumber &+= 1
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
      ], time: clock.microseconds() &- start)
    // The silicon lives no longer than the machine, which alone has it.
    silicon.observer = { [unowned(unsafe) self] record in
      trace.append(record, time: clock.microseconds() &- start)
    }
    self.start = start
  }

  /// Clock at power-on.
  var start: UInt64 = 0

  /// Microseconds since power-on.
  var now: UInt64 { clock.microseconds() &- start }
}
