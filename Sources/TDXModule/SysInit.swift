import SEAM

extension TDXModule {
  /// TDH.SYS.INIT, leaf 33 (tdx-module.md 3.4): once per image, on any LP.
  mutating func sysInit(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rcx = 0
    call.registers.rdx = 0
    call.registers.r8 = 0
    call.registers.r9 = 0
    call.registers.r10 = 0
    guard let state else { throw .fatal("no TDX module") }
    guard call.leaf.version <= 1 else { throw .invalid(.rax, "TDH.SYS.INIT has no version \(call.leaf.version)") }
    try requireGlobalLockExclusive()
    guard operands.rcx == 0 else {
      throw .invalid(.rcx, "RCX = \(operands.rcx.text): the attributes of TDH.SYS.INIT must be zero")
    }
    guard state.sysState == .initPending else {
      throw .refused(.sysInitNotPending, "TDH.SYS.INIT was done already, the module is in \(state.sysState.name)")
    }
    if call.leaf.version == 1, operands.r8 != 0 {
      guard state.traits.has(.fatalDiagnostics),
        machine.isSharedAddress(operands.r8 & ~0xFFF, size: 4096, alignment: 4096)
      else {
        throw .invalid(.r8, "R8 = \(operands.r8.text) is no configuration of fatal-error diagnostics")
      }
    }
    if let fault = conditions.sysInit { throw fault.refusal(&call.registers) }
    let table = SysInfoTable(machine)
    try checkCMRs(table)
    guard !conditions.lacksSEAMDB else {
      throw .refused(.incompatibleSEAMCapabilities, "the CPU lacks SEAMDB_GETREF or SEAMDB_REPORT")
    }
    let negotiation = table.negotiation
    try checkSigstruct(negotiation, of: state)
    guard let reference = machine.seamdb.newestReference else {
      throw .fatal("SEAMDB_GETREF failed: the SEAMDB has no entry for this module")
    }
    guard machine.entropy.rdrand() != nil else {
      throw .refused(.rndNoEntropy, "RDRAND gave nothing for the stack canary; TDH.SYS.INIT may be repeated")
    }
    self.state?.negotiation = negotiation
    self.state?.totalLPs = Int(table.totalLPs)
    self.state?.totalPackages = Int(table.totalSockets)
    self.state?.seamdb = SEAMDBReference(index: reference.index, nonce: reference.nonce)
    self.state?.handoff.tdBuildCount = 0
    self.state?.handoff.migInterruptedCount = 0
    self.state?.sysState = .initDone
    return .success
  }

  /// Convertible memory: page-aligned, below MAXPA, KeyID bits 0, ascending without overlap, unused entries at the end.
  private func checkCMRs(_ table: SysInfoTable) throws(ModuleError) {
    var end: UInt64 = 0
    var last = false
    for index in 0..<SysInfoTable.maxCMRs {
      let (base, size) = table.cmr(index)
      guard size != 0 else {
        last = true
        continue
      }
      let (top, overflow) = base.addingReportingOverflow(size)
      let highest = PhysicalAddress(rawValue: top &- 1)
      guard !last, !overflow, base >= end, base % 4096 == 0, size % 4096 == 0, !highest.exceedsMaxPA, highest.keyID == 0
      else { throw .refused(.cmrListInvalid, "CMR \(index) of the SYS_INFO table is not valid or not in order") }
      end = top
    }
  }

  /// What the loader published of the sigstruct against what the code was built with (tdx-module.md 4.4).
  private func checkSigstruct(_ published: HandoffNegotiation, of state: ModuleState) throws(ModuleError) {
    let program = state.program
    guard published.moduleHV == program.moduleHV else {
      throw .refused(
        .sysIncompatibleSigstruct,
        "the sigstruct says MODULE_HV \(published.moduleHV), the module was built with \(program.moduleHV)")
    }
    guard published.minUpdateHV >= program.minUpdateHV else {
      throw .refused(
        .sysIncompatibleSigstruct,
        "the sigstruct says MIN_UPDATE_HV \(published.minUpdateHV), the module was built with \(program.minUpdateHV)")
    }
    guard !program.noDowngrade || published.noDowngrade else {
      throw .refused(.sysIncompatibleSigstruct, "the module was built with NO_DOWNGRADE, the sigstruct lacks it")
    }
    guard Int(published.numHandoffPages) + 1 >= HandoffData.pages else {
      throw .refused(
        .sysIncompatibleSigstruct,
        "the sigstruct reserves \(Int(published.numHandoffPages) + 1) handoff pages, the module needs \(HandoffData.pages)"
      )
    }
  }

  /// TDH.SYS.LP.INIT, leaf 35 (tdx-module.md 3.4): once on every LP.
  mutating func sysLPInit(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    call.registers.rcx = 0
    call.registers.rdx = 0
    call.registers.r8 = 0
    guard locks.global.admitsShared else {
      throw .refused(.sysBusy, "another LP is in a TDH.SYS leaf and holds the global lock")
    }
    guard state?.sysState == .initDone else {
      throw .refused(.sysLPInitNotPending, "TDH.SYS.LP.INIT needs SYSINIT_DONE, the module is in \(sysState.name)")
    }
    guard state?.initializedLPs.contains(call.lp) == false else {
      throw .refused(.sysLPInitDone, "LP \(call.lp) did TDH.SYS.LP.INIT already")
    }
    if let fault = conditions.lpInit[call.lp] { throw fault.refusal(on: call.lp, &call.registers) }
    state?.initializedLPs.insert(call.lp)
    return .success
  }

  /// TDH.SYS.DISABLE, leaf 69, of a module that announces it (tdx-module.md 3.9): everything is forgotten, only an
  /// initialisation from scratch works afterwards. One call does it all.
  mutating func sysDisable(machine: inout Machine) -> CompletionStatus {
    if let program = state?.program { state = ModuleState(program: program) }
    pamt = PAMT()
    HandoffHeader(valid: false, version: 0, size: 0).store(in: &machine)
    return .success
  }
}
