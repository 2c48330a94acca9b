import SEAM

/// TDH.IMPORT.STATE.*: takes what TDH.EXPORT.STATE.* gave (the order of checks is that of module source 1.5.01). From a point
/// early in each leaf on, an error ends the session: the status has FATAL set, OP_STATE is FAILED_IMPORT.
extension TDXModule {
  /// TDH.IMPORT.STATE.IMMUTABLE, leaf 85: begins an import session of the TD RCX.
  mutating func importStateImmutable(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus
  {
    let operands = call.registers
    call.registers.rcx = 0
    call.registers.rdx = 0
    guard !conditions.limitCPUIDMaxval.contains(call.lp) else {
      throw .refused(.limitCPUIDMaxvalSet, "IA32_MISC_ENABLE of LP \(call.lp) limits CPUID to leaf 2")
    }
    let tdr = try requireTD(operands.rcx, .rcx, .exclusive, for: .importStateImmutable, opState: .exclusive)
    guard let td = tds[tdr], let state else { throw .fatal("no TD") }
    try requireStreams(td)
    let (index, stream) = try requireStream(operands.r10, of: tdr, onlyFirst: true)
    let known = StateOperands(leaf: call.leaf.rawValue, pageList: operands.r9, tdvpr: nil)
    let started: StateImport
    if stream.command {
      started = try resumeImport(tdr, index, known)
    } else {
      try requireNotInterrupted(tdr, index)
      try beginSession(tdr, machine: &machine)
      tds[tdr]?.migration.streams[index].initialize()
      let mbmd = try readMBMD(operands.r8, tdr, machine: machine)
      guard mbmd.isWellFormed(.immutableTDState, stream: 0), mbmd.counter == 0, mbmd.epoch == 0,
        mbmd.body & 0xFFFF_FF00_FFFF_0000 == 0, mbmd.body >> 32 & 0xFF != 0
      else { throw failImport(tdr, .invalidMBMD, "R8 does not hold the MBMD of a TD's immutable state") }
      guard mbmd.body & 0xFFFF <= UInt64(td.migration.forwardStreams) else {
        throw failImport(
          tdr, .numMIGsHigherThanCreated, "the export has \(mbmd.body & 0xFFFF) streams, this TD fewer")
      }
      tds[tdr]?.migration.streams[index].expectedBundle = 1
      started = StateImport(mbmd: mbmd, library: cryptoLibrary)
    }
    let systemPages = Int(started.mbmd.body >> 32 & 0xFF)
    guard
      let plain = try readState(
        started, known, atLeast: 1 + systemPages, tdr, index, &call, operands, machine: &machine)
    else { return .interruptedResumable }
    let rules = TDParameters.Rules(state: state, cpu: machine.configuration.cpu, tdcxPages: td.tdcxPages.count)
    let split = min(plain.count, systemPages * PhysicalMemory.pageSize)
    guard StateImageReader(plain[..<split], .system).isValid else {
      throw failImport(tdr, .importMismatch, "the first page is not that of the exporting module")
    }
    var imported = td
    imported.migration = tds[tdr]?.migration ?? td.migration
    if let status = imported.importImmutable(plain[split...], rules) {
      throw failImport(tdr, status, "this module cannot take the exported TD")
    }
    imported.migration.totalBundles = 1
    imported.opState = .memoryImport
    tds[tdr] = imported
    return .success
  }

  /// TDH.IMPORT.STATE.TD, leaf 86: the mutable state of the TD RCX.
  mutating func importStateTD(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rcx = 0
    call.registers.rdx = 0
    let tdr = try requireTD(operands.rcx, .rcx, .exclusive, for: .importStateTD, opState: .exclusive)
    let (index, stream) = try requireStream(operands.r10, of: tdr, onlyFirst: true)
    try requireInitialized(tdr, index)
    let known = StateOperands(leaf: call.leaf.rawValue, pageList: operands.r9, tdvpr: nil)
    let started: StateImport
    if stream.command {
      started = try resumeImport(tdr, index, known)
    } else {
      try requireNotInterrupted(tdr, index)
      let mbmd = try readMBMD(operands.r8, tdr, machine: machine)
      guard isNext(mbmd, .mutableTDState, tdr, index), mbmd.body == 0 else {
        throw failImport(tdr, .invalidMBMD, "R8 does not hold the next MBMD, of a TD's mutable state")
      }
      tds[tdr]?.migration.streams[index].expectedBundle &+= 1
      started = StateImport(mbmd: mbmd, library: cryptoLibrary)
    }
    guard
      let plain = try readState(started, known, atLeast: 1, tdr, index, &call, operands, machine: &machine),
      var td = tds[tdr]
    else { return .interruptedResumable }
    if let status = td.importMutable(plain[...]) {
      throw failImport(tdr, status, "this module cannot take the exported TD")
    }
    td.migration.totalBundles &+= 1
    td.opState = .stateImport
    tds[tdr] = td
    return .success
  }

  /// TDH.IMPORT.STATE.VP, leaf 87: the state of the vCPU RCX, which TDH.VP.CREATE has just made.
  mutating func importStateVP(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rcx = 0
    call.registers.rdx = 0
    let (tdvpr, tdr) = try requireTDVPR(operands.rcx, .rcx, .exclusive)
    try requireTD(tdr, for: .importStateVP)
    try requireVCPUPages(tdvpr)
    let (index, stream) = try requireStream(operands.r10, of: tdr, onlyFirst: false)
    let known = StateOperands(leaf: call.leaf.rawValue, pageList: operands.r9, tdvpr: tdvpr)
    let started: StateImport
    if stream.command {
      started = try resumeImport(tdr, index, known)
      guard vcpus[tdvpr]?.state == .imported else {
        throw failImport(tdr, .vcpuStateIncorrect, "the vCPU at \(tdvpr.text) is not being imported")
      }
      try requireAssociation(tdvpr, tdr, with: call.lp)
    } else {
      try requireNotInterrupted(tdr, index)
      if tds[tdr]?.migration.streams[index].isInitialized == false {
        tds[tdr]?.migration.streams[index].initialize()
      }
      guard vcpus[tdvpr]?.state == .uninitialized else {
        throw failImport(tdr, .vcpuStateIncorrect, "the vCPU at \(tdvpr.text) was initialised already")
      }
      let mbmd = try readMBMD(operands.r8, tdr, machine: machine)
      guard isNext(mbmd, .mutableVCPUState, tdr, index), mbmd.body >> 16 == 0 else {
        throw failImport(tdr, .invalidMBMD, "R8 does not hold the next MBMD, of a vCPU's state")
      }
      vcpus[tdvpr]?.state = .imported
      vcpus[tdvpr]?.associatedLP = call.lp
      vcpus[tdvpr]?.lastSEAMDBIndex = state?.seamdb?.index
      tds[tdr]?.associatedVCPUs &+= 1
      tds[tdr]?.migration.streams[index].expectedBundle &+= 1
      started = StateImport(mbmd: mbmd, library: cryptoLibrary)
    }
    guard
      let plain = try readState(started, known, atLeast: 4, tdr, index, &call, operands, machine: &machine),
      var vcpu = vcpus[tdvpr], let td = tds[tdr]
    else { return .interruptedResumable }
    guard let software = vcpu.importImage(plain[...]) else {
      throw failImport(tdr, .importMismatch, "this module cannot take the exported vCPU")
    }
    guard td.migration.migratedVCPUs < td.vcpuCount else {
      throw failImport(tdr, .allVCPUsImported, "the TD has \(td.vcpuCount) vCPUs, all of which were imported")
    }
    vcpu.state = .ready
    vcpus[tdvpr] = vcpu
    machine.guests[tdvpr] = GuestProgram(steps: software)
    tds[tdr]?.migration.migratedVCPUs &+= 1
    tds[tdr]?.migration.totalBundles &+= 1
    return .success
  }

  /// The MBMD that R8 points to; an error ends the session.
  private mutating func readMBMD(_ raw: UInt64, _ tdr: UInt64, machine: Machine) throws(ModuleError) -> MBMD {
    let address = try failingImport(tdr) { (module) throws(ModuleError) in try module.requireMBMD(raw, in: machine) }
    return MBMD(machine.memory.hostRead(address, count: MBMDLayout.size))
  }

  /// Whether `mbmd` is the one of `type` that must come now.
  private func isNext(_ mbmd: MBMD, _ type: MigrationBundleType, _ tdr: UInt64, _ index: Int) -> Bool {
    guard let migration = tds[tdr]?.migration else { return false }
    return mbmd.isWellFormed(type, stream: UInt16(truncatingIfNeeded: index - 1))
      && mbmd.counter == migration.streams[index].expectedBundle && mbmd.epoch == migration.epoch
  }

  private mutating func requireAssociation(_ tdvpr: UInt64, _ tdr: UInt64, with lp: Int) throws(ModuleError) {
    if let other = vcpus[tdvpr]?.associatedLP, other != lp {
      throw failImport(tdr, .vcpuAssociated, "the vCPU at \(tdvpr.text) is associated with LP \(other)")
    }
    guard vcpus[tdvpr]?.associatedLP == nil else { return }
    vcpus[tdvpr]?.associatedLP = lp
    tds[tdr]?.associatedVCPUs &+= 1
  }

  /// Goes on with what was interrupted. With a context of another crypto library the MAC is wrong.
  private mutating func resumeImport(
    _ tdr: UInt64, _ index: Int, _ operands: StateOperands
  ) throws(ModuleError) -> StateImport {
    guard case .importState(let started, let saved) = try takeInterruption(tdr, index), saved == operands else {
      throw failImport(tdr, .invalidResumption, "another operation was interrupted, or one with other operands")
    }
    let isUsable = try failingImport(tdr) { (module) throws(ModuleError) in
      try module.isContextUsable(started.library)
    }
    guard isUsable else {
      throw failImport(tdr, .incorrectMBMDMAC, "another crypto library cannot go on with the saved context")
    }
    return started
  }

  /// Reads the pages that are left, and checks the MAC. Nil when an interrupt came between; RCX and RDX are then as they were.
  private mutating func readState(
    _ started: StateImport, _ operands: StateOperands, atLeast minimum: Int, _ tdr: UInt64, _ index: Int,
    _ call: inout Call, _ original: Registers, machine: inout Machine
  ) throws(ModuleError) -> [UInt8]? {
    var started = started
    let list = try failingImport(tdr) { (module) throws(ModuleError) in
      try module.requirePageList(operands.pageList, atLeast: minimum, in: machine)
    }
    while started.processed <= list.lastEntry {
      let page = listWord(list.address, started.processed, in: machine)
      guard machine.isSharedAddress(page, size: 4096, alignment: 4096) else {
        throw failImport(tdr, .operandInvalid.with(.page), "\(page.text) in the list is not a shared page")
      }
      started.append(
        machine.memory.hostRead(PhysicalAddress(rawValue: page).withoutKeyID, count: PhysicalMemory.pageSize))
      if started.processed <= list.lastEntry, machine.takeInterrupt(on: call.lp) {
        call.registers.rcx = original.rcx
        call.registers.rdx = original.rdx
        _ = interrupt(tdr, index, .importState(started, operands))
        return nil
      }
    }
    guard let plain = started.open(key: tds[tdr]?.migration.decryptionWorkingKey ?? []) else {
      throw failImport(tdr, .incorrectMBMDMAC, "the MAC of the MBMD is not that of the state")
    }
    return plain
  }
}
