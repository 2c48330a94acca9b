import SEAM

extension PSEAMLDR {
  /// Blocks in which the caches of one domain are written back; the CPU decides it, and no source states the number.
  static let cacheBlocks = 16

  /// TDX-private KeyIDs that CLEANUP programs anew in every package.
  static let privateKeyIDs = Int(MachineConfiguration.endOfPrivateKeyIDs - MachineConfiguration.firstPrivateKeyID)

  /// SEAMLDR.CLEANUP (pseamldr.md 3.9): every LP calls it; afterwards nothing of the module is left, and LOAD takes any SVN.
  mutating func cleanup(on lp: Int, machine: inout Machine) -> CompletionStatus {
    let id = machine.configuration.x2apicID(of: lp)
    guard id < LPBitmap.capacity else { return .unspecifiedError }
    switch data.flow {
    case .ready, .cleanup: break
    case .install, .shutdown: return .badCall
    }
    guard !data.cleanup.contains(id), data.initDone else { return .badCall }
    let package = machine.configuration.package(of: lp)
    guard data.packages.indices.contains(package) else { return .unspecifiedError }

    if data.cleanup.count == 0 { beginCleanup(&machine) }
    if data.packages[package].lpsInCleanup + 1 == data.packages[package].lps {
      let status = clean(package, machine: &machine)
      guard status == .success else { return status }
    }
    data.packages[package].lpsInCleanup += 1
    _ = data.cleanup.insert(id)
    if data.cleanup.count >= machine.configuration.logicalProcessors { endCleanup(&machine) }
    return .success
  }

  private mutating func beginCleanup(_ machine: inout Machine) {
    data.flow = .cleanup
    machine.seamExtend.seamReady = false
    machine.seamExtend.info.clearTCBSVN()
    let valid = machine.dataRegionBase + UInt64(SEAMLayout.HandoffHeader.valid)
    machine.memory.write([UInt8(0)], at: valid)
  }

  /// What the last LP of a package does: fresh keys, then caches. Each goes on where it was interrupted.
  private mutating func clean(_ package: Int, machine: inout Machine) -> CompletionStatus {
    while data.packages[package].keyDirty {
      guard machine.entropy.rdrand() != nil else { return .noEntropy }
      data.packages[package].nextKID += 1
      if data.packages[package].nextKID >= Self.privateKeyIDs { data.packages[package].keyDirty = false }
      if takePendingInterrupt() { return .interrupted }
    }
    while data.packages[package].cacheDirty {
      data.packages[package].nextBlock += 1
      if data.packages[package].nextBlock >= Self.cacheBlocks { data.packages[package].cacheDirty = false }
      if takePendingInterrupt() { return .interrupted }
    }
    return .success
  }

  private mutating func takePendingInterrupt() -> Bool {
    guard pendingInterrupts > 0 else { return false }
    pendingInterrupts -= 1
    return true
  }

  private mutating func endCleanup(_ machine: inout Machine) {
    machine.seamExtend.info = SEAMInfo()
    machine.seamdb.clear()
    data.refreshRemainingUpdates(machine.seamdb)
    data.cleanup.removeAll()
    for index in data.packages.indices { data.packages[index].lpsInCleanup = 0 }
    data.flow = .ready
  }
}
