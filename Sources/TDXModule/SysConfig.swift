import Basics
import SEAM

extension TDXModule {
  /// Operand R8 of TDH.SYS.CONFIG.
  private struct KeyIDOperand {
    let keyID: UInt16
    let dynamicPAMT: Bool
  }

  /// TDH.SYS.CONFIG, leaf 45 (tdx-module.md 3.5): the TDMRs and the global private KeyID.
  mutating func sysConfig(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    guard let state else { throw .fatal("no TDX module") }
    guard call.leaf.version <= 1 else { throw .invalid(.rax, "TDH.SYS.CONFIG has no version \(call.leaf.version)") }
    try requireGlobalLockExclusive()
    guard state.sysState == .initDone else {
      throw .refused(.sysConfigNotPending, "TDH.SYS.CONFIG needs SYSINIT_DONE, the module is in \(state.sysState.name)")
    }
    guard state.allLPsInitialized else {
      throw .refused(
        .sysConfigNotPending,
        "only \(state.initializedLPs.count) of \(state.totalLPs) LPs did TDH.SYS.LP.INIT")
    }
    try requireShared(operands.rcx, size: 512, alignment: 512, .rcx, in: machine)
    guard (1...UInt64(TDMR.maximum)).contains(operands.rdx) else {
      throw .invalid(.rdx, "RDX = \(operands.rdx): 1 to \(TDMR.maximum) TDMRs can be configured")
    }
    let key = try keyIDOperand(operands.r8, traits: state.traits)
    var flags: UInt64 = 0
    if call.leaf.version == 1 { flags = try enableFlags(operands, traits: state.traits) }

    // As in the module's source, the KeyID is taken before the TDMRs are looked at and not given back when one is wrong.
    self.state?.handoff.kot[Int(key.keyID)].stateByte = KOTEntry.State.reserved.rawValue
    self.state?.handoff.hkid = key.keyID

    let tdmrs = try readTDMRs(operands, dynamicPAMT: key.dynamicPAMT, machine: machine)
    self.state?.handoff.tdmrs = tdmrs
    self.state?.handoff.dynamicPAMT = key.dynamicPAMT
    self.state?.handoff.packageBitmap = 0
    self.state?.handoff.nonBlockingExport = flags >> ModuleTraits.Feature.nonBlockingExport.rawValue & 1 != 0
    self.state?.initializedPackages = 0
    self.state?.updateCompatibility = flags >> ModuleTraits.Feature.updateCompatibility.rawValue & 1 != 0
    self.state?.sysState = .configDone
    return .success
  }

  private func keyIDOperand(_ r8: UInt64, traits: ModuleTraits) throws(ModuleError) -> KeyIDOperand {
    let dynamicPAMT = r8 >> 16 & 1 != 0
    guard r8 >> 17 == 0, !dynamicPAMT || traits.has(.dynamicPAMT) else {
      throw .invalid(.r8, "R8 = \(r8.text): reserved bits are not zero")
    }
    guard let keyID = privateKeyID(r8) else { throw .invalid(.r8, "KeyID \(r8 & 0xFFFF) is not private") }
    return KeyIDOperand(keyID: keyID, dynamicPAMT: dynamicPAMT)
  }

  /// R9 and R10 of TDH.SYS.CONFIG and TDH.SYS.UPDATE version 1: features to enable, in the layout of TDX_FEATURES0.
  func enableFlags(_ operands: Registers, traits: ModuleTraits) throws(ModuleError) -> UInt64 {
    guard operands.r9 & ~traits.features0 == 0 else {
      throw .invalid(.r9, "R9 enables features that TDX_FEATURES0 lacks: \((operands.r9 & ~traits.features0).text)")
    }
    guard operands.r10 == 0 else { throw .invalid(.r10, "R10 = \(operands.r10.text): reserved, must be zero") }
    return operands.r9
  }

  /// Reads and checks the TDMR_INFO structures one after the other: the first that is wrong decides the answer.
  private func readTDMRs(
    _ operands: Registers, dynamicPAMT: Bool, machine: Machine
  ) throws(ModuleError) -> [TDMR] {
    let array = PhysicalAddress(rawValue: operands.rcx).withoutKeyID
    let count = Int(truncatingIfNeeded: operands.rdx)
    let pointers = ByteReader(machine.memory.read(array, count: 8 * count))
    var checks = TDMRChecks(table: SysInfoTable(machine), dynamicPAMT: dynamicPAMT)
    for index in 0..<count {
      let pointer = (try? pointers.integer(at: 8 * index, as: UInt64.self)) ?? 0
      guard machine.isSharedAddress(pointer, size: 512, alignment: 512) else {
        throw .invalid(.rcx, "entry \(index), \(pointer.text), is not a 512-byte-aligned shared address")
      }
      let address = PhysicalAddress(rawValue: pointer).withoutKeyID
      try checks.add(TDMRInfo(machine.memory.read(address, count: TDMRInfo.size)))
    }
    return checks.accepted.map(\.tdmr)
  }

  /// TDH.SYS.KEY.CONFIG, leaf 31 (tdx-module.md 3.5): once on one LP of every package.
  mutating func sysKeyConfig(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    try requireGlobalLockExclusive()
    guard let state, state.sysState == .configDone else {
      throw .refused(
        .sysKeyConfigNotPending, "TDH.SYS.KEY.CONFIG needs SYSCONFIG_DONE, the module is in \(sysState.name)")
    }
    let package = machine.configuration.package(of: call.lp)
    let bit: UInt32 = 1 << UInt32(truncatingIfNeeded: package & 31)
    guard state.handoff.packageBitmap & bit == 0 else {
      lastDiagnostic = "package \(package) has the global key already"
      return .keyConfigured
    }
    try configureKey(.sysKeyConfig, package: package, machine: &machine)
    self.state?.handoff.packageBitmap |= bit
    self.state?.initializedPackages += 1
    if state.initializedPackages + 1 >= state.totalPackages { self.state?.sysState = .ready }
    return .success
  }

  /// PCONFIG by `leaf`: a fresh key in the key table of `package`.
  mutating func configureKey(_ leaf: ModuleLeaf, package: Int, machine: inout Machine) throws(ModuleError) {
    if conditions.pconfigBusy > 0 {
      conditions.pconfigBusy -= 1
      throw .busy(.ket, "PCONFIG found the key table of package \(package) busy; \(leaf.name) may be repeated")
    }
    var hasEntropy = machine.entropy.rdrand() != nil
    if conditions.keyGenerationFailures > 0 {
      conditions.keyGenerationFailures -= 1
      hasEntropy = false
    }
    guard hasEntropy else {
      throw .refused(
        .keyGenerationFailed, "PCONFIG found no entropy on package \(package); \(leaf.name) may be repeated")
    }
  }

  /// TDH.SYS.TDMR.INIT, leaf 36 (tdx-module.md 3.6): the metadata of the next 4 MiB of a TDMR.
  mutating func sysTDMRInit(_ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let base = call.registers.rcx
    call.registers.rdx = 0
    let address = PhysicalAddress(rawValue: base)
    guard address.isAligned(to: TDMR.gigabyte), !address.exceedsMaxPA, address.keyID == 0,
      let index = state?.handoff.tdmrs.firstIndex(where: { $0.base == base }),
      let tdmr = state?.handoff.tdmrs[index]
    else { throw .invalid(.rcx, "RCX = \(base.text) is not the base of a configured TDMR") }
    guard !locks.tdmrs.contains(index) else { throw .busy(.rcx, "another LP is initialising TDMR \(index)") }
    guard tdmr.nextToInitialize < tdmr.end else {
      lastDiagnostic = "TDMR \(index) is initialised to its end"
      return .tdmrAlreadyInitialized
    }
    let next = tdmr.nextToInitialize &+ TDMR.step
    forgetPages(tdmr.nextToInitialize..<max(next, tdmr.nextToInitialize))
    state?.handoff.tdmrs[index].nextToInitialize = next
    call.registers.rdx = next & ~(TDMR.gigabyte - 1)
    return .success
  }
}
