import SEAM

/// The course of an import session (tdx-module.md 6.1; the order of checks is that of module source 1.5.01).
extension TDXModule {
  /// TDH.IMPORT.TRACK, leaf 84: takes the epoch token or the start token of TDH.EXPORT.TRACK.
  mutating func importTrack(_ call: Call, machine: Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    let tdr = try requireTD(operands.rcx, .rcx, .exclusive, for: .importTrack, opState: .exclusive)
    guard operands.r10 == 0 else { throw .invalid(.r10, "R10 = \(operands.r10.text): only stream 0 can be used") }
    let address = try requireMBMD(operands.r8, in: machine)
    try requireStreamLock(1, of: tdr)
    try requireInitialized(tdr, 1)
    forgetInterruption(tdr, 1)
    guard let td = tds[tdr] else { throw .fatal("no TD") }
    let token = MBMD(machine.memory.hostRead(address, count: MBMDLayout.size))
    guard token.isWellFormed(.epochToken, stream: 0), token.counter == 0, token.epoch > td.migration.epoch,
      token.body == td.migration.totalBundles &+ 1
    else { throw failImport(tdr, .invalidMBMD, "R8 does not hold the next epoch token") }
    try failingImport(tdr) { (module) throws(ModuleError) in
      try module.requireSigned(token, key: td.migration.decryptionWorkingKey, stream: 0)
    }
    if token.epoch == MigrationState.outOfOrderEpoch {
      guard td.migration.migratedVCPUs == td.vcpuCount else {
        throw failImport(
          tdr, .someVCPUsNotMigrated, "\(td.migration.migratedVCPUs) of \(td.vcpuCount) vCPUs were imported")
      }
      tds[tdr]?.opState = .postImport
    }
    tds[tdr]?.migration.streams[1].expectedBundle = 1
    tds[tdr]?.migration.totalBundles &+= 1
    tds[tdr]?.migration.epoch = token.epoch
    return .success
  }

  /// TDH.IMPORT.COMMIT, leaf 82: the TD RCX may run while the rest of its pages comes.
  mutating func importCommit(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(call.registers.rcx, .rcx, .exclusive, for: .importCommit, opState: .exclusive)
    tds[tdr]?.migration.importCount &+= 1
    tds[tdr]?.opState = .liveImport
    return .success
  }

  /// TDH.IMPORT.END, leaf 81: no more pages come for the TD RCX.
  mutating func importEnd(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(call.registers.rcx, .rcx, .exclusive, for: .importEnd, opState: .exclusive)
    if tds[tdr]?.opState != .liveImport { tds[tdr]?.migration.importCount &+= 1 }
    tds[tdr]?.opState = .runnable
    return .success
  }

  /// TDH.IMPORT.ABORT, leaf 80: the TD RCX never runs here; R8 gets the abort token that tells the source so. The status of
  /// success has FATAL set, as the source 1.5.01 has it.
  mutating func importAbort(_ call: Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    let tdr = try requireTD(operands.rcx, .rcx, .exclusive, for: .importAbort, opState: .exclusive)
    guard operands.r10 == 0 else { throw .invalid(.r10, "R10 = \(operands.r10.text): only stream 0 can be used") }
    let address = try requireMBMD(operands.r8, in: machine)
    try requireStreamLock(0, of: tdr)
    uncountInterruptions(tdr, tds[tdr]?.migration.interruptedOperations ?? 0)
    tds[tdr]?.opState = .failedImport
    if tds[tdr]?.migration.streams[0].isInitialized == false { tds[tdr]?.migration.streams[0].initialize() }
    tds[tdr]?.migration.streams[0].ivCounter &+= 1
    guard let migration = tds[tdr]?.migration else { throw .fatal("no TD") }
    let backward = migration.streams[0]
    let token = try sign(
      MBMD(.abortToken, counter: backward.nextBundle, epoch: 0), key: migration.encryptionWorkingKey,
      counter: backward.ivCounter, stream: 0)
    machine.memory.hostWrite(token.bytes, at: address)
    tds[tdr]?.migration.streams[0].nextBundle &+= 1
    return .success.fatal
  }
}
