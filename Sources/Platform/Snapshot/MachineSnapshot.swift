import Basics
import PSEAMLDR
import SEAM
import TDXHost
import TDXModule

/// Everything that a machine is at a moment, between any two steps of an update too, for archives.
///
/// Not in it: what follows from the options (profile, releases, signers), `last_error`, the log of `.tdxfs/watch`, and what
/// clients have done to the inodes of files (chmod and the like), which are made anew as at a reboot.
struct MachineSnapshot: Sendable, Codable {
  var seed: UInt64
  var boots: UInt64
  /// Microseconds since power-on.
  var elapsed: UInt64
  var powerState: String

  var machine: Machine
  var loader: SavedLoader
  var module: TDXModule
  var host: LinuxHost

  var installation: Installation?
  var updateNumber: UInt64
  var refusals: [SEAMCALLRefusal]
  var frozen: FrozenView?

  var trace: Trace
  var why: Why
  var faults: FaultTable
  var files: SavedFiles?

  /// Whether a machine with the options of `machine` can be in this state.
  func check(for options: MachineOptions, profile: ABIProfile) throws(ArchiveError) {
    let configuration = EmulatedMachine.machineConfiguration(options)
    try machine.check(as: configuration)
    try module.check(configuration)
    try host.check(profile: profile.name, EmulatedMachine.hostConfiguration(options))
    try installation?.update.check(host)
    try faults.check(lps: options.lps)
    try files?.check()
    try ArchiveCheck.require(Self.powerStates.contains(powerState), "power=\(powerState)")
    try ArchiveCheck.range(refusals.count, 0...Silicon.keptRefusals, "the number of refused calls")
    try ArchiveCheck.require(
      (installation == nil) == (frozen == nil), "what readers see while an update is under way, or is not")
    let isUnderWay = files?.upload?.isUnderWay ?? false
    try ArchiveCheck.require(installation == nil || isUnderWay, "an update without upload")
    try ArchiveCheck.require(
      files?.milestone == UploadMilestone.none || files == nil || isUnderWay, "the end of an upload that there is not")
  }

  private static let powerStates = ["on", "kexec"]
}

extension EmulatedMachine {
  /// What the machine is now. `lock` is held.
  private func captured() -> MachineSnapshot {
    var files = restoredFiles ?? savedFiles?(bootNumber)
    // A device is idle a moment before its machine hears so.
    let isUnderWay = files?.upload?.isUnderWay ?? false
    files?.milestone = isUnderWay ? milestone : .none
    return MachineSnapshot(
      seed: seed, boots: boots, elapsed: now, powerState: powerState, machine: silicon.machine,
      loader: SavedLoader(silicon.loader), module: silicon.module, host: host, installation: installation,
      updateNumber: updateNumber, refusals: silicon.refusals, frozen: frozen.withLock { $0 }, trace: trace,
      why: whyReport, faults: faults.withLock { $0 }, files: files)
  }

  /// The machine as bytes (``SnapshotFormat``).
  public func snapshot() throws(SnapshotError) -> [UInt8] {
    try Self.requireSnapshots(options)
    let (snapshot, text) = lock.withLock { (captured(), options.text(seed: seed)) }
    do {
      return SnapshotFormat.bytes(options: text, body: try Archive.encode(snapshot))
    } catch {
      throw SnapshotError("the machine cannot be archived: \(error)")
    }
  }

  /// Becomes the machine in `bytes`: a snapshot of one with the same options. Files of its devices that are open are ENODEV
  /// from now on, as after a reboot; an update that was under way in it goes on, and one that was under way here is gone.
  /// `line` goes into the kernel log.
  public func restore(_ bytes: [UInt8], log line: String? = nil) throws(SnapshotError) {
    try Self.requireSnapshots(options)
    let format = try SnapshotFormat(bytes)
    try options.requireSame(as: format.options)
    let snapshot: MachineSnapshot
    let loader: PSEAMLDR
    do throws(ArchiveError) {
      snapshot = try Archive.decode(MachineSnapshot.self, from: format.body)
      try snapshot.check(for: options, profile: profile)
      try ArchiveCheck.require(MachineOptions.seed(in: format.options) == snapshot.seed, "seed=\(snapshot.seed)")
      loader = try snapshot.loader.loader(
        like: PSEAMLDR(version: options.effectiveSEAMLDR, trustedSigners: signers),
        on: Self.machineConfiguration(options))
    } catch {
      throw SnapshotError("the snapshot is damaged: \(error)")
    }
    lock.withLock {
      become(snapshot, loader)
      if let line { host.log.append(.info, "tdxfs: \(line)") }
    }
    onPowerOn?()
    idle.wake()
    settle()
  }

  /// `lock` is held.
  private func become(_ snapshot: MachineSnapshot, _ loader: PSEAMLDR) {
    operations.note("restore")
    bootNumber &+= 1
    seed = snapshot.seed
    boots = snapshot.boots
    powerState = snapshot.powerState
    silicon.state = SiliconState(machine: snapshot.machine, loader: loader, module: snapshot.module)
    silicon.refusals = snapshot.refusals
    silicon.stage = nil
    host = snapshot.host
    installation = snapshot.installation
    isUpdating = snapshot.installation != nil
    updateNumber = snapshot.updateNumber
    show(snapshot.frozen)
    trace = snapshot.trace
    whyReport = snapshot.why
    faults.withLock { $0 = snapshot.faults }
    milestone = snapshot.files?.milestone ?? .none
    restoredFiles = snapshot.files
    observeSilicon(from: clock.microseconds() &- snapshot.elapsed)
  }

  /// More bytes than a snapshot of the machine ever has: its memory, and room for what is known of it.
  public var largestSnapshot: Int { (options.memoryGiB + 4) << 30 }

  private static func requireSnapshots(_ options: MachineOptions) throws(SnapshotError) {
    guard options.device == .tdxHost else {
      throw SnapshotError(
        "a machine with device=\(options.device.rawValue) cannot be saved: its test driver is not part of snapshots")
    }
  }

  /// Differs whenever something has happened to the machine.
  var changeMarker: [Int] {
    lock.withLock { trace.position + [Int(truncatingIfNeeded: bootNumber), Int(truncatingIfNeeded: updateNumber)] }
  }
}
