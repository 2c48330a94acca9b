import SEAM

/// TDH.MNG.*: a TD as a whole, from its creation to the release of its KeyID (tdx-module.md 6.2, 6.8).
extension TDXModule {
  /// TDH.MNG.CREATE, leaf 9: makes a TD of the page RCX with the KeyID RDX.
  mutating func mngCreate(_ call: Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    guard operands.rdx >> 16 == 0, let keyID = privateKeyID(operands.rdx) else {
      throw .invalid(.rdx, "RDX = \(operands.rdx.text) is not a private KeyID")
    }
    try requirePage(operands.rcx, .nda, .rcx, .exclusive)
    guard locks.kot.admitsExclusive else { throw .busy(.kot, "the KeyID ownership table is locked") }
    guard state?.handoff.kot[Int(keyID)].state == .free else {
      throw .refused(.hkidNotFree, "KeyID \(keyID) is not free")
    }
    guard let state, let seamdb = state.seamdb else { throw .fatal("the module does not know its SEAMDB entry") }
    let uuid = try random(4, &machine)
    self.state?.handoff.kot[Int(keyID)] = KOTEntry(stateByte: KOTEntry.State.assigned.rawValue)
    pamt[operands.rcx] = PAMT.Entry(type: .tdr)
    tds[operands.rcx] = TD(
      hkid: keyID, uuid: uuid, seamdb: seamdb, handoffVersion: state.negotiation.moduleHV)
    machine.memory.setPage(.zeros(keyID: state.handoff.hkid), at: operands.rcx)
    return .success
  }

  /// TDH.MNG.KEY.CONFIG, leaf 8: puts the TD's key into the caller's package.
  mutating func mngKeyConfig(_ call: Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTDR(call.registers.rcx, .rcx, .exclusive)
    guard tds[tdr]?.isFatal == false else { throw .refused(.tdFatal, "the TD at \(tdr.text) had a fatal exit") }
    guard tds[tdr]?.lifecycle == .hkidAssigned else {
      throw .refused(.lifecycleStateIncorrect, "the TD at \(tdr.text) is not in TD_HKID_ASSIGNED")
    }
    let package = machine.configuration.package(of: call.lp)
    let bit: UInt32 = 1 << UInt32(truncatingIfNeeded: package & 31)
    guard (tds[tdr]?.packageBitmap ?? 0) & bit == 0 else {
      lastDiagnostic = "package \(package) has the key already"
      return .keyConfigured
    }
    try configureKey(.mngKeyConfig, package: package, machine: &machine)
    tds[tdr]?.packageBitmap |= bit
    if tds[tdr]?.packageBitmap == state?.handoff.packageBitmap { tds[tdr]?.lifecycle = .keysConfigured }
    return .success
  }

  /// TDH.MNG.ADDCX, leaf 1: gives the page RCX to the TDCS of the TD RDX.
  mutating func mngAddcx(_ call: Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireLiveTD(call.registers.rdx, .rdx, .exclusive)
    guard let traits = state?.traits, let count = tds[tdr]?.tdcxPages.count else { throw .fatal("no TD") }
    guard count < traits.maxTDCX else {
      throw .refused(.tdcxNumIncorrect, "the TD at \(tdr.text) has all of its \(traits.maxTDCX) TDCX pages")
    }
    try requirePage(call.registers.rcx, .nda, .rcx, .exclusive)
    if count + 1 == traits.minTDCX {
      let key = try random(4, &machine)
      tds[tdr]?.migration.encryptionKey = key
    } else if count >= traits.minTDCX, let opState = tds[tdr]?.opState, opState != .uninitialized {
      throw .refused(.opStateIncorrect, "TDH.MNG.ADDCX does not work on a TD in OP_STATE \(opState.name)")
    }
    assignPage(call.registers.rcx, .tdcx, to: tdr, machine: &machine)
    tds[tdr]?.tdcxPages.append(call.registers.rcx)
    return .success
  }

  /// TDH.MNG.INIT, leaf 21: takes TD_PARAMS at RDX (tdx-module.md 6.3). A refusal changes nothing.
  mutating func mngInit(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    guard let state else { throw .fatal("no TDX module") }
    try requireUnlimitedCPUID(call.lp)
    let operands = call.registers
    let hasFilters = state.traits.has(.eventFiltering) && operands.rcx & 1 != 0
    let tdr = try requireTD(
      hasFilters ? operands.rcx & ~1 : operands.rcx, .rcx, .exclusive, for: .mngInit, opState: .exclusive)
    try requireShared(operands.rdx, size: UInt64(TDParameters.size), alignment: 1024, .rdx, in: machine)
    let address = PhysicalAddress(rawValue: operands.rdx).withoutKeyID
    let rules = TDParameters.Rules(
      state: state, cpu: machine.configuration.cpu, tdcxPages: tds[tdr]?.tdcxPages.count ?? 0,
      isTSCAdjusted: conditions.tscAdjusted.contains(call.lp))
    let parameters: TDParameters
    do throws(TDParameters.Refusal) {
      parameters = try TDParameters(machine.memory.read(address, count: TDParameters.size), rules)
    } catch {
      if let leaf = error.cpuidLeaf { call.registers.rcx = leaf }
      throw .refused(error.status, error.reason)
    }
    if hasFilters { try requireEmptyEventFilters(operands.r8, machine: machine) }
    let library = state.program.cryptoVersion ?? 0
    tds[tdr]?.parameters = parameters
    tds[tdr]?.epoch = 1
    tds[tdr]?.epochReaders = [0, 0]
    tds[tdr]?.measurement.begin(library: library)
    tds[tdr]?.opState = .initialized
    if state.traits.hasUpdateCompatibility {
      tds[tdr]?.measurement.contextVersion = max(1, library)
      self.state?.handoff.tdBuildCount &+= 1
    }
    return .success
  }

  /// R8 of TDH.MNG.INIT: the layout of an event filter list is not published, so only one without filters is taken.
  private func requireEmptyEventFilters(_ r8: UInt64, machine: Machine) throws(ModuleError) {
    try requireShared(r8, size: 4096, alignment: 4096, .r8, in: machine)
    let list = machine.memory.read(PhysicalAddress(rawValue: r8).withoutKeyID, count: 4096)
    guard list.allSatisfy({ $0 == 0 }) else {
      throw .refused(.eventFilterInvalid, "tdxfs knows no event filters; the list at R8 must be all zero")
    }
  }

  /// TDH.MNG.VPFLUSHDONE, leaf 19: no LP has anything of the TD's vCPUs any more.
  mutating func mngVpflushdone(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTDR(call.registers.rcx, .rcx, .exclusive)
    guard let td = tds[tdr], td.lifecycle == .hkidAssigned || td.lifecycle == .keysConfigured else {
      throw .refused(.lifecycleStateIncorrect, "the TD at \(tdr.text) is being torn down already")
    }
    guard locks.kot.admitsExclusive else { throw .busy(.kot, "the KeyID ownership table is locked") }
    guard td.associatedVCPUs == 0 else {
      throw .refused(.flushvpNotDone, "\(td.associatedVCPUs) vCPUs of the TD are still associated with an LP")
    }
    let packages = state?.handoff.packageBitmap ?? 0
    state?.handoff.kot[Int(td.hkid)] = KOTEntry(
      wbinvdBitmap: packages, stateByte: KOTEntry.State.flushed.rawValue)
    tds[tdr]?.lifecycle = .blocked
    endBuild(tdr)
    let interrupted = td.migration.interruptedOperations
    if interrupted > 0 {
      let all = state?.handoff.migInterruptedCount ?? 0
      state?.handoff.migInterruptedCount = all - min(interrupted, all)
      tds[tdr]?.migration.interruptedOperations = 0
    }
    return .success
  }

  /// The TD is built no more: TD_BUILD_COUNT goes down, if the TD was counted.
  mutating func endBuild(_ tdr: UInt64) {
    guard let version = tds[tdr]?.measurement.contextVersion, version != 0 else { return }
    tds[tdr]?.measurement.contextVersion = 0
    if let count = state?.handoff.tdBuildCount, count > 0 { state?.handoff.tdBuildCount = count - 1 }
  }

  /// TDH.MNG.KEY.FREEID, leaf 20: the caches are clean, the KeyID is free.
  mutating func mngKeyFreeid(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTDR(call.registers.rcx, .rcx, .exclusive)
    guard let td = tds[tdr], td.lifecycle == .blocked else {
      throw .refused(.lifecycleStateIncorrect, "the TD at \(tdr.text) is not in TD_BLOCKED")
    }
    guard locks.kot.admitsExclusive else { throw .busy(.kot, "the KeyID ownership table is locked") }
    let bitmap = state?.handoff.kot[Int(td.hkid)].wbinvdBitmap ?? 0
    guard bitmap == 0 else {
      throw .refused(
        .wbcacheNotComplete, "packages with the bitmap 0x\(String(bitmap, radix: 16)) did not write their caches back")
    }
    state?.handoff.kot[Int(td.hkid)] = KOTEntry()
    tds[tdr]?.lifecycle = .teardown
    return .success
  }
}

extension TDXModule {
  /// TDH.SYS.TDMR.INIT made every page of `range` PT_NDA: what was a TD or a vCPU there is one no more.
  mutating func forgetPages(_ range: Range<UInt64>) {
    pamt.initialize(range)
    tds.removeAll(where: range.contains)
    if vcpus.keys.contains(where: range.contains) { vcpus = vcpus.filter { !range.contains($0.key) } }
  }
}
