import Basics
import SEAM
import SystemPackage

/// The monitor's side of a migration session: buffers of the host, and how far it is.
public struct MigrationSession: Sendable {
  /// Where the session is.
  enum Phase: String, Sendable, Codable {
    /// Nothing was exported yet.
    case idle
    /// The TD runs on.
    case live
    /// Its vCPUs do not run.
    case paused
    /// The start token was given: the TD may run at the destination.
    case handedOver
  }

  /// Pages of state that one leaf gives at most.
  static let statePages = 8

  var phase = Phase.idle
  /// The page with the MBMD, that of the page list, and those for the state.
  let buffers: [UInt64]
  /// The call that was answered INTERRUPTED_RESUMABLE.
  var interrupted: Interrupted?

  /// A call that can go on.
  struct Interrupted: Equatable, Sendable, Codable {
    /// The call as it was made first.
    var call: Registers
    /// The CPU that made it.
    var cpu: Int
  }

  var mbmd: UInt64 { buffers[0] }
  var pageList: UInt64 { buffers[1] }

  init?(host: inout LinuxHost, door: some SEAMCALLDoor) {
    guard let pages = host.pages.allocate(2 + Self.statePages) else { return nil }
    buffers = pages
    var list = [UInt8](repeating: 0, count: 4096)
    for (index, page) in pages.dropFirst(2).enumerated() { list.store(page, at: 8 * index) }
    door.writePhysical(list, at: pages[1])
  }

  /// A TDH.EXPORT.STATE.* or TDH.IMPORT.STATE.* of `pages` pages on stream 0.
  func stateCall(_ leaf: ModuleLeaf, _ address: UInt64, pages: Int = statePages) -> Registers {
    var call = Registers(rax: UInt64(leaf.rawValue), rcx: address)
    call.r8 = MBMDOperand(address: mbmd).rawValue
    call.r9 = PageListInfo(address: pageList, count: pages).rawValue
    return call
  }
}

extension MigrationSession: Codable {
  private enum Key: CodingKey {
    case phase, buffers, interrupted
  }

  /// All of it.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(phase, forKey: .phase)
    try container.encode(buffers, forKey: .buffers)
    try container.encodeIfPresent(interrupted, forKey: .interrupted)
  }

  /// A session that was under way.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    phase = try container.decode(Phase.self, forKey: .phase)
    buffers = try container.decode([UInt64].self, forKey: .buffers)
    interrupted = try container.decodeIfPresent(Interrupted.self, forKey: .interrupted)
    try ArchiveCheck.count(buffers, is: 2 + Self.statePages, "the buffers of a migration")
  }
}

/// What a migration leaf did.
public enum MigrationOutcome: Equatable, Sendable {
  /// It is complete; RDX, which counts pages.
  case complete(UInt64)
  /// INTERRUPTED_RESUMABLE.
  case interrupted
}

/// Exporting a TD (tdx-module.md 6.1, 9). Not in KVM: as its authors' branch does it.
extension TrustDomain {
  /// Streams that a session needs: the first goes backward.
  private static let streams = 2

  /// TDH.EXPORT.STATE.IMMUTABLE on `cpu`: the TD is exported while it runs on. Streams, and keys by the service TD, are made
  /// before where they are missing.
  /// - Throws: EINVAL for what the module refuses, TD_NOT_MIGRATABLE above all; ENOMEM, EBUSY, EIO.
  @discardableResult
  public mutating func startExport(
    on cpu: Int? = nil, host: inout LinuxHost, door: some SEAMCALLDoor & GuestDoor
  ) throws(TDError) -> MigrationOutcome {
    try prepareExport(host: &host, door: door)
    guard let session = migration else { return .interrupted }
    let call = session.stateCall(.exportStateImmutable, try requireTDR())
    let outcome = try export(call, on: try host.cpu(cpu), host: &host, door: door)
    if case .complete = outcome { migration?.phase = .live }
    return outcome
  }

  /// An export operation with an interrupt in the middle of it, on `cpu`: TDH.EXPORT.STATE.IMMUTABLE when no export has
  /// begun, else TDH.EXPORT.STATE.TD, for which the TD is paused. It counts in MIG_INTERRUPTED_COUNT until it goes on.
  /// - Throws: as ``startExport(on:host:door:)``.
  @discardableResult
  public mutating func interruptExport(
    on cpu: Int? = nil, host: inout LinuxHost, door: some SEAMCALLDoor & GuestDoor & InterruptDoor
  ) throws(TDError) -> MigrationOutcome {
    try prepareExport(host: &host, door: door)
    let lp = try host.cpu(cpu)
    switch migration?.phase ?? .idle {
    case .idle:
      door.sendInterrupt(to: lp)
      return try startExport(on: lp, host: &host, door: door)
    case .live: try pauseExport(host: &host, door: door)
    case .paused, .handedOver: break
    }
    door.sendInterrupt(to: lp)
    return try exportState(on: lp, host: &host, door: door)
  }

  /// The interrupted operation goes on, on its CPU.
  /// - Throws: EINVAL when none was interrupted, and for what the module refuses; EBUSY, EIO.
  @discardableResult
  public mutating func resumeExport(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) -> MigrationOutcome
  {
    try requireUsable()
    guard let interrupted = migration?.interrupted else {
      throw TDError(.invalidArgument, "no migration operation of TD \(name) was interrupted")
    }
    var resumed = interrupted.call
    resumed.r10 |= MigrationStreamOperand(command: true).rawValue
    migration?.interrupted = nil
    let outcome: MigrationOutcome
    do throws(TDError) {
      outcome = try export(resumed, on: interrupted.cpu, host: &host, door: door)
    } catch {
      // A lock that was held: it can be tried again.
      if error.errno == .resourceBusy { migration?.interrupted = interrupted }
      throw error
    }
    let isImmutable = interrupted.call.rax == UInt64(ModuleLeaf.exportStateImmutable.rawValue)
    if isImmutable, case .complete = outcome { migration?.phase = .live }
    return outcome
  }

  /// TDH.EXPORT.PAUSE: its vCPUs run no more.
  /// - Throws: EINVAL for what the module refuses; EBUSY, EIO.
  public mutating func pauseExport(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try requireUsable()
    try mayFail(
      Registers(rax: UInt64(ModuleLeaf.exportPause.rawValue), rcx: try requireTDR()), in: "tdx_export_pause",
      host: &host, door: door)
    migration?.phase = .paused
  }

  /// TDH.EXPORT.STATE.TD of a TD that is paused.
  /// - Throws: EINVAL when no export has begun, and for what the module refuses; EBUSY, EIO.
  @discardableResult
  public mutating func exportState(
    on cpu: Int? = nil, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> MigrationOutcome {
    guard let session = migration else { throw TDError(.invalidArgument, "no export of TD \(name) has begun") }
    let call = session.stateCall(.exportStateTD, try requireTDR())
    return try export(call, on: try host.cpu(cpu), host: &host, door: door)
  }

  /// TDH.EXPORT.ABORT: the TD runs on here.
  /// - Throws: EINVAL for what the module refuses; EBUSY, EIO.
  public mutating func abortExport(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try requireUsable()
    try mayFail(
      Registers(rax: UInt64(ModuleLeaf.exportAbort.rawValue), rcx: try requireTDR()), in: "tdx_export_abort",
      host: &host, door: door)
    endMigration(host: &host)
  }

  /// The session is over; its buffers are the host's again.
  mutating func endMigration(host: inout LinuxHost) {
    if let migration { host.pages.free(migration.buffers) }
    migration = nil
    hasMigrationKeys = false
  }

  /// Everything that TDH.EXPORT.STATE.IMMUTABLE needs.
  private mutating func prepareExport(host: inout LinuxHost, door: some SEAMCALLDoor & GuestDoor) throws(TDError) {
    try requireUsable()
    try addMigrationStreams(host: &host, door: door)
    if !hasMigrationKeys, service != nil { try exchangeKeys(host: &host, door: door) }
    try beginMigration(host: &host, door: door)
  }

  mutating func beginMigration(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    guard migration == nil else { return }
    guard let session = MigrationSession(host: &host, door: door) else {
      throw TDError(.noMemory, "the host has no pages for a migration")
    }
    migration = session
  }

  /// TDH.MIG.STREAM.CREATE until there are enough.
  mutating func addMigrationStreams(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    let tdr = try requireTDR()
    while migrationStreams.count < Self.streams {
      guard let page = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for a stream") }
      do throws(TDError) {
        try mayFail(
          Registers(rax: UInt64(ModuleLeaf.migStreamCreate.rawValue), rcx: page, rdx: tdr),
          in: "tdx_mig_stream_create", host: &host, door: door)
      } catch {
        host.pages.free(CollectionOfOne(page))
        throw error
      }
      migrationStreams.append(page)
    }
  }

  /// The service TD gives the TD the key under which `peer` encrypts; without a peer its own, so that a session can begin of
  /// which nobody is the destination.
  mutating func exchangeKeys(
    with peer: ServiceTDBinding? = nil, host: inout LinuxHost, door: some SEAMCALLDoor & GuestDoor
  ) throws(TDError) {
    guard let own = service else { throw TDError(.invalidArgument, "TD \(name) has no service TD for its migration") }
    let other = peer ?? own
    try host.withService(own.service, door: door) { (service, host) throws(TDError) in
      for word: UInt64 in 0..<4 {
        let read = try service.runGuest(
          [other.access(MigrationFieldID.encryptionKey + word)], host: &host, door: door)
        let written = try service.runGuest(
          [own.access(MigrationFieldID.decryptionKey + word, writing: try Self.value(read))], host: &host, door: door)
        _ = try Self.value(written)
      }
    }
    hasMigrationKeys = true
  }

  /// R8 of a TDG.SERVTD.* that succeeded.
  private static func value(_ outcomes: [GuestOutcome]) throws(TDError) -> UInt64 {
    guard case .registers(let registers)? = outcomes.first, registers.rax == 0 else {
      let status = if case .registers(let registers)? = outcomes.first { "\(registers.status)" } else { "nothing" }
      throw TDError(.invalidArgument, "the migration TD can't exchange keys: it got \(status)")
    }
    return registers.r8
  }

  /// One migration leaf, which an interrupt may stop.
  mutating func export(
    _ call: Registers, on cpu: Int, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> MigrationOutcome {
    let result = host.tdh(call, on: cpu, door: door)
    if let failure = result.failure(of: call, on: cpu), failure.status.code == .interruptedResumable {
      var plain = call
      plain.r10 &= ~MigrationStreamOperand(command: true).rawValue
      migration?.interrupted = MigrationSession.Interrupted(call: plain, cpu: cpu)
      return .interrupted
    }
    return .complete(try settle(result, of: call, on: cpu, in: "tdx_migration", host: &host).rdx)
  }
}

extension LinuxHost {
  /// `cpu`, if it is online; any without.
  func cpu(_ cpu: Int?) throws(TDError) -> Int {
    guard let cpu else { return anyCPU }
    return try requireOnline(cpu)
  }
}
