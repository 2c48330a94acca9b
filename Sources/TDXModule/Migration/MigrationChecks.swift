import ModuleImage
import SEAM

/// Checks that the migration leaves share (module source 1.5.01), and the count of interruptions.
extension TDXModule {
  /// CRYPTO_LIB_COMPAT_VERSION of the module, 0 for one without it.
  var cryptoLibrary: UInt16 {
    guard let program = state?.program, program.hasUpdateCompatibility else { return 0 }
    return max(1, program.cryptoVersion ?? 0)
  }

  /// The lock of the migration context.
  func requireMigrationLock(_ tdr: UInt64, _ access: Access) throws(ModuleError) {
    let lock = locks.migrations[tdr] ?? .free
    guard access == .shared ? lock.admitsShared : lock.admitsExclusive else {
      throw .busy(.mig, "the migration context of the TD at \(tdr.text) is locked")
    }
  }

  /// R10 of a leaf that may use any forward stream, or only the first. Locks it, and gives its index among all streams.
  func requireStream(
    _ raw: UInt64, of tdr: UInt64, onlyFirst: Bool
  ) throws(ModuleError) -> (index: Int, operand: MigrationStreamOperand) {
    let operand = MigrationStreamOperand(rawValue: raw)
    let count = tds[tdr]?.migration.forwardStreams ?? 0
    guard operand.reserved == 0 else { throw .invalid(.r10, "R10 = \(raw.text): reserved bits are not zero") }
    guard onlyFirst ? operand.index == 0 : Int(operand.index) < count else {
      throw .invalid(
        .r10, "R10 = \(raw.text): \(onlyFirst ? "only stream 0 can be used" : "there are \(count) forward streams")")
    }
    // The first of all streams goes backward.
    let index = Int(operand.index) + 1
    try requireStreamLock(index, of: tdr)
    return (index, operand)
  }

  /// The lock of the stream at `index` among all.
  func requireStreamLock(_ index: Int, of tdr: UInt64) throws(ModuleError) {
    guard let streams = tds[tdr]?.migration.streams, streams.indices.contains(index) else {
      throw .refused(.migrationStreamStateIncorrect, "the TD at \(tdr.text) has no migration stream \(index)")
    }
    guard !locks.migrationStreams.contains(streams[index].page) else {
      throw .busy(.migsc, "migration stream \(index) of the TD at \(tdr.text) is in use")
    }
  }

  /// R8: the address of a buffer for an MBMD.
  func requireMBMD(_ raw: UInt64, in machine: Machine) throws(ModuleError) -> UInt64 {
    let operand = MBMDOperand(rawValue: raw)
    guard operand.size >= UInt64(MBMDLayout.size) else {
      throw .invalid(.r8, "R8 = \(raw.text): an MBMD needs \(MBMDLayout.size) bytes, not \(operand.size)")
    }
    try requireShared(
      operand.address, size: UInt64(MBMDLayout.size), alignment: MBMDLayout.alignment, .r8, in: machine)
    return PhysicalAddress(rawValue: operand.address).withoutKeyID
  }

  /// R9: a list of at least `minimum` pages.
  func requirePageList(
    _ raw: UInt64, atLeast minimum: Int, in machine: Machine
  ) throws(ModuleError) -> PageListInfo {
    let info = PageListInfo(rawValue: raw)
    guard info.reserved == 0, info.lastEntry >= minimum - 1 else {
      throw .invalid(.r9, "R9 = \(raw.text) is not a list of \(minimum) pages or more")
    }
    try requireShared(info.address, size: 4096, alignment: 4096, .r9, in: machine)
    return info
  }

  /// Word `index` of a list of words at `address`.
  func listWord(_ address: UInt64, _ index: Int, in machine: Machine) -> UInt64 {
    let base = PhysicalAddress(rawValue: address).withoutKeyID
    return UInt64(littleEndianBytes: machine.memory.hostRead(base &+ 8 &* UInt64(index), count: 8))
  }

  /// The keys of a session that begins: a migration TD must have set the peer's since the last one began.
  mutating func beginSession(_ tdr: UInt64, machine: inout Machine) throws(ModuleError) {
    guard tds[tdr]?.migration.isDecryptionKeySet == true else {
      throw .refused(
        .migrationDecryptionKeyNotSet, "no migration TD has written MIG_DEC_KEY of the TD at \(tdr.text)")
    }
    let next = try random(4, &machine)
    let counts = state?.traits.hasUpdateCompatibility == true
    tds[tdr]?.migration.begin(nextKey: next, countsInterruptions: counts)
  }

  /// A session's operation on stream `index` is not to be resumed, if it was interrupted.
  mutating func forgetInterruption(_ tdr: UInt64, _ index: Int) {
    guard let streams = tds[tdr]?.migration.streams, streams.indices.contains(index),
      let operation = streams[index].interrupted
    else { return }
    tds[tdr]?.migration.streams[index].interrupted = nil
    uncountInterruption(tdr, operation)
  }

  /// Keeps `operation` of stream `index` for a resumption. One with a crypto context is counted.
  mutating func interrupt(_ tdr: UInt64, _ index: Int, _ operation: InterruptedOperation) -> CompletionStatus {
    tds[tdr]?.migration.streams[index].interrupted = operation
    lastDiagnostic = "an interrupt was pending: the same call with the RESUME bit goes on"
    guard tds[tdr]?.migration.countsInterruptions == true, let library = operation.library, library > 0 else {
      return .interruptedResumable
    }
    tds[tdr]?.migration.interruptedOperations &+= 1
    state?.handoff.migInterruptedCount &+= 1
    return .interruptedResumable
  }

  /// The operation of stream `index` goes on, or ends: it is no longer interrupted.
  private mutating func uncountInterruption(_ tdr: UInt64, _ operation: InterruptedOperation) {
    guard let migration = tds[tdr]?.migration, migration.countsInterruptions, let library = operation.library,
      library > 0
    else { return }
    uncountInterruptions(tdr, min(1, migration.interruptedOperations))
  }

  /// `count` interrupted operations of the TD are counted no more.
  mutating func uncountInterruptions(_ tdr: UInt64, _ count: UInt16) {
    let all = state?.handoff.migInterruptedCount ?? 0
    state?.handoff.migInterruptedCount = all - min(count, all)
    let own = tds[tdr]?.migration.interruptedOperations ?? 0
    tds[tdr]?.migration.interruptedOperations = own - min(count, own)
  }

  /// The operation of stream `index` that was interrupted, for a call with the RESUME bit. It is interrupted no longer,
  /// whatever becomes of the call.
  mutating func takeInterruption(_ tdr: UInt64, _ index: Int) throws(ModuleError) -> InterruptedOperation {
    guard tds[tdr]?.migration.streams[index].isInitialized == true else {
      throw .refused(.migrationStreamStateIncorrect, "the migration stream was not used in this session")
    }
    guard let operation = tds[tdr]?.migration.streams[index].interrupted else {
      throw .refused(.invalidResumption, "no operation of the migration stream was interrupted")
    }
    forgetInterruption(tdr, index)
    return operation
  }

  /// A call without the RESUME bit on stream `index`. Modules that count interruptions want an interrupted operation to be
  /// resumed first (module source 2.0.16); older ones forget it.
  mutating func requireNotInterrupted(_ tdr: UInt64, _ index: Int) throws(ModuleError) {
    guard let stream = tds[tdr]?.migration.streams[index], stream.isInitialized, stream.interrupted != nil else {
      return
    }
    guard state?.traits.hasUpdateCompatibility != true else {
      throw .refused(.invalidResumption, "an operation of the migration stream was interrupted and must go on first")
    }
    forgetInterruption(tdr, index)
  }

  /// Refuses to go on with a context that another crypto library saved, when the host asked for that (tdx-module.md 9). False
  /// when it must be dealt with otherwise.
  func isContextUsable(_ library: UInt16) throws(ModuleError) -> Bool {
    guard library != cryptoLibrary, cryptoLibrary > 0 else { return true }
    guard !updateCompatibility else {
      throw .refused(
        .incompatibleMBMDMACContext,
        "the operation was interrupted under crypto library \(library), the module has \(cryptoLibrary)")
    }
    return false
  }

  /// An error that ends the import session.
  mutating func failImport(_ tdr: UInt64, _ status: CompletionStatus, _ reason: String) -> ModuleError {
    tds[tdr]?.opState = .failedImport
    return .refused(status.fatal, reason)
  }

  /// Ditto, of a check that was made with `body`.
  mutating func failingImport<Result>(
    _ tdr: UInt64, _ body: (inout TDXModule) throws(ModuleError) -> Result
  ) throws(ModuleError) -> Result {
    do throws(ModuleError) {
      return try body(&self)
    } catch {
      guard case .refused(let status, let reason) = error else { throw error }
      throw failImport(tdr, status, reason)
    }
  }
}
