import Basics
import SEAM

extension TDXModule {
  /// Whether it is a state that a module of a machine with this configuration can have: what came out of an archive may be
  /// anything of the right type, and no leaf may trap on it later.
  public func check(_ machine: MachineConfiguration) throws(ArchiveError) {
    try state?.check(machine)
    for (tdr, td) in tds {
      do throws(ArchiveError) { try td.check(machine) } catch {
        throw ArchiveError("the TD at \(tdr.text): \(error)")
      }
    }
    for (tdvpr, vcpu) in vcpus {
      do throws(ArchiveError) { try vcpu.check(tdvpr, machine) } catch {
        throw ArchiveError("the vCPU at \(tdvpr.text): \(error)")
      }
      try ArchiveCheck.require(tds[vcpu.tdr] != nil, "the vCPU at \(tdvpr.text) has no TD")
    }
  }
}

extension ModuleState {
  fileprivate func check(_ machine: MachineConfiguration) throws(ArchiveError) {
    // They are 0 before TDH.SYS.INIT.
    try ArchiveCheck.require(totalLPs == 0 || totalLPs == machine.logicalProcessors, "NUM_LPS is \(totalLPs)")
    try ArchiveCheck.require(
      totalPackages == 0 || totalPackages == machine.packages, "NUM_PKGS is \(totalPackages)")
    for lp in initializedLPs {
      try ArchiveCheck.range(lp, 0...(machine.logicalProcessors - 1), "an LP that did TDH.SYS.LP.INIT")
    }
    try ArchiveCheck.range(initializedPackages, 0...machine.packages, "NUM_INIT_PKGS")
    try seamdb?.check()
    try ArchiveCheck.count(handoff.kot, is: KOTEntry.count, "the KOT")
    try ArchiveCheck.count(handoff.wbt, is: WBTEntry.count, "the WBT")
    for keyID in handoff.wbt.flatMap(\.flushed) {
      try ArchiveCheck.require(Int(keyID) < KOTEntry.count, "KeyID \(keyID) of the WBT")
    }
    try ArchiveCheck.require(Int(handoff.hkid) < KOTEntry.count, "the global KeyID is \(handoff.hkid)")
    try ArchiveCheck.range(handoff.tdmrs.count, 0...TDMR.maximum, "NUM_TDMR")
    for tdmr in handoff.tdmrs {
      try ArchiveCheck.range(tdmr.reserved.count, 0...TDMR.maxReserved, "the number of reserved areas of a TDMR")
      try ArchiveCheck.require(!tdmr.base.addingReportingOverflow(tdmr.size).overflow, "a TDMR ends beyond all memory")
    }
  }
}

extension SEAMDBReference {
  fileprivate func check() throws(ArchiveError) {
    try ArchiveCheck.range(index, 0...65_535, "SEAMDB_INDEX")
    try ArchiveCheck.count(nonce, is: 4, "SEAMDB_NONCE")
  }
}

extension TD {
  fileprivate func check(_ machine: MachineConfiguration) throws(ArchiveError) {
    try ArchiveCheck.require(
      hkid >= MachineConfiguration.firstPrivateKeyID && hkid < MachineConfiguration.endOfPrivateKeyIDs,
      "HKID is \(hkid)")
    try ArchiveCheck.range(tdcxPages.count, 0...Self.mostTDCX, "NUM_TDCX")
    try ArchiveCheck.count(uuid, is: 4, "TD_UUID")
    try seamdb.check()
    try ArchiveCheck.count(epochReaders, is: 2, "the readers of TD_EPOCH")
    try ArchiveCheck.range(childCount, 0...Self.mostPages, "CHLDCNT")
    if let teeInfoHash { try ArchiveCheck.count(teeInfoHash, is: 48, "LAST_TEEINFO_HASH") }
    try parameters.check()
    try measurement.check()
    try ArchiveCheck.count(serviceTDs.slots, is: ServiceTDBindings.maximum, "the binding slots")
    for case let binding? in serviceTDs.slots {
      try ArchiveCheck.count(binding.infoHash, is: 48, "SERVTD_INFO_HASH")
      try ArchiveCheck.count(binding.uuid, is: 4, "SERVTD_UUID")
    }
    try migration.check()
    let isImport = opState.isImportInProgress || opState == .failedImport
    try ArchiveCheck.require(
      !isImport || migration.streams.count >= MigrationState.minStreams, "an import without migration streams")
  }

  /// More pages than any TDCS has.
  private static let mostTDCX = 16
  /// More pages than there can be.
  private static let mostPages: UInt64 = 1 << 40
}

extension TDParameters {
  fileprivate func check() throws(ArchiveError) {
    for (hash, name) in [(mrConfigID, "MRCONFIGID"), (mrOwner, "MROWNER"), (mrOwnerConfig, "MROWNERCONFIG")] {
      try ArchiveCheck.count(hash, is: 48, name)
    }
    try ArchiveCheck.range(numL2VMs, 0...3, "NUM_L2_VMS")
    try ArchiveCheck.range(tscFrequency, 0...400, "TSC_FREQUENCY")
    for values in cpuidValues { try ArchiveCheck.count(values, is: 4, "a CPUID value") }
  }
}

extension TDMeasurement {
  fileprivate func check() throws(ArchiveError) {
    try ArchiveCheck.count(mrtd, is: Self.digestSize, "MRTD")
    try ArchiveCheck.count(rtmrs, is: 4, "the RTMRs")
    for rtmr in rtmrs { try ArchiveCheck.count(rtmr, is: Self.digestSize, "an RTMR") }
    try ArchiveCheck.count(servtdHash, is: Self.digestSize, "SERVTD_HASH")
  }
}

extension MigrationState {
  fileprivate func check() throws(ArchiveError) {
    for key in [encryptionKey, decryptionKey, encryptionWorkingKey, decryptionWorkingKey] {
      try ArchiveCheck.count(key, is: 4, "a migration key")
    }
    if let preImportUUID { try ArchiveCheck.count(preImportUUID, is: 4, "PRE_IMPORT_UUID") }
    try ArchiveCheck.range(streams.count, 0...Self.maxStreams, "NUM_MIGS")
    for stream in streams {
      switch stream.interrupted {
      case .exportState(let export, _)?: try export.check()
      case .importState(let state, _)?: try state.mbmd.check()
      case .memory(let operands)?:
        try ArchiveCheck.range(operands.processed, 0...(1 << 32), "the progress of an operation on memory")
      case nil: break
      }
    }
  }
}

extension VCPU {
  fileprivate func check(_ tdvpr: UInt64, _ machine: MachineConfiguration) throws(ArchiveError) {
    try ArchiveCheck.require(pages.first == tdvpr, "its first page is another")
    try ArchiveCheck.range(pages.count, 1...Self.maxPages, "the number of its pages")
    if let associatedLP {
      try ArchiveCheck.range(associatedLP, 0...(machine.logicalProcessors - 1), "ASSOC_LPID")
    }
    if let lastSEAMDBIndex { try ArchiveCheck.range(lastSEAMDBIndex, 0...65_535, "LAST_SEAMDB_INDEX") }
  }
}
