import SEAM

/// The course of an export session (tdx-module.md 6.1; the order of checks is that of module source 1.5.01).
extension TDXModule {
  /// TDH.EXPORT.PAUSE, leaf 70: the vCPUs of the TD RCX run no more.
  mutating func exportPause(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(call.registers.rcx, .rcx, .exclusive, for: .exportPause, opState: .exclusive)
    // If the session is aborted, the vCPUs begin with clean TLBs.
    tds[tdr]?.epoch &+= 1
    tds[tdr]?.opState = .pausedExport
    return .success
  }

  /// TDH.EXPORT.TRACK, leaf 71: the next epoch of the TD RCX begins or, with the start token, the phase out of order, in
  /// which the destination may run.
  mutating func exportTrack(_ call: Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    let tdr = try requireTD(operands.rcx, .rcx, .shared, for: .exportTrack, opState: .exclusive)
    try requireMigrationLock(tdr, .exclusive)
    let stream = MigrationStreamOperand(rawValue: operands.r10)
    guard stream.index == 0, stream.reserved == 0 else {
      throw .invalid(.r10, "R10 = \(operands.r10.text): only stream 0 can be used")
    }
    let address = try requireMBMD(operands.r8, in: machine)
    try requireStreamLock(1, of: tdr)
    try requireInitialized(tdr, 1)
    guard let td = tds[tdr] else { throw .fatal("no TD") }
    if stream.command {
      guard td.opState == .pausedExport else {
        throw .refused(.opStateIncorrect, "the start token is for a TD in PAUSED_EXPORT")
      }
      guard td.migration.dirtyCount == 0 else {
        throw .refused(
          .exportedDirtyPagesRemain, "\(td.migration.dirtyCount) pages have changed since they were exported")
      }
    } else {
      guard td.migration.epoch < MigrationState.outOfOrderEpoch - 1 else {
        throw .refused(.migrationEpochOverflow, "there were too many migration epochs")
      }
    }
    forgetInterruption(tdr, 1)
    let epoch = stream.command ? MigrationState.outOfOrderEpoch : td.migration.epoch + 1
    tds[tdr]?.migration.epoch = epoch
    if stream.command { tds[tdr]?.opState = .postExport }
    tds[tdr]?.migration.totalBundles &+= 1
    tds[tdr]?.migration.streams[1].ivCounter &+= 1
    tds[tdr]?.migration.streams[1].nextBundle = 1
    let token = MBMD(.epochToken, counter: 0, epoch: epoch, body: td.migration.totalBundles &+ 1)
    let signed = try sign(
      token, key: td.migration.encryptionWorkingKey, counter: td.migration.streams[1].ivCounter &+ 1, stream: 0)
    machine.memory.hostWrite(signed.bytes, at: address)
    return .success
  }

  /// TDH.EXPORT.ABORT, leaf 64: the TD RCX stays where it is. After the start token, the destination's abort token in R8 must
  /// show that it does not run there.
  mutating func exportAbort(_ call: Call, machine: Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    let tdr = try requireTD(operands.rcx, .rcx, .shared, for: .exportAbort, opState: .exclusive)
    try requireMigrationLock(tdr, .exclusive)
    guard operands.r10 == 0 else { throw .invalid(.r10, "R10 = \(operands.r10.text): only stream 0 can be used") }
    if tds[tdr]?.opState == .postExport {
      let address = try requireMBMD(operands.r8, in: machine)
      let token = MBMD(machine.memory.hostRead(address, count: MBMDLayout.size))
      guard token.isWellFormed(.abortToken, stream: 0), token.body == 0 else {
        throw .refused(.invalidMBMD, "R8 does not hold an abort token")
      }
      try requireStreamLock(0, of: tdr)
      try requireSigned(token, key: tds[tdr]?.migration.decryptionWorkingKey ?? [], stream: 0)
    } else {
      guard operands.r8 == 0 else {
        throw .invalid(.r8, "R8 must be 0: before the start token there is no abort token")
      }
    }
    uncountInterruptions(tdr, tds[tdr]?.migration.interruptedOperations ?? 0)
    tds[tdr]?.migration.disableStreams()
    tds[tdr]?.opState = .runnable
    return .success
  }

  /// `mbmd` with its MAC, of a bundle that is nothing else.
  func sign(_ mbmd: MBMD, key: [UInt64], counter: UInt64, stream: UInt16) throws(ModuleError) -> MBMD {
    guard
      let sealed = MigrationCrypto.seal([], aad: mbmd.authenticated, key: key, counter: counter, stream: stream)
    else { throw .fatal("AES-GCM failed") }
    var signed = mbmd
    signed.stream = stream
    signed.ivCounter = counter
    signed.mac = sealed.tag
    return signed
  }

  /// The MAC of a bundle that is nothing else is right.
  func requireSigned(_ mbmd: MBMD, key: [UInt64], stream: UInt16) throws(ModuleError) {
    guard
      let sealed = MigrationCrypto.seal(
        [], aad: mbmd.authenticated, key: key, counter: mbmd.ivCounter, stream: stream), sealed.tag == mbmd.mac
    else { throw .refused(.incorrectMBMDMAC, "the MAC of the MBMD is not what the key makes of it") }
  }
}
