import SEAM

extension TDXModule {
  /// TDH.SYS.SHUTDOWN, leaf 52 (tdx-module.md 3.7): writes the handoff data and stops for good, or changes nothing.
  mutating func sysShutdown(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    guard let state else { throw .fatal("no TDX module") }
    let (version, avoidsSensitive) = try handoffVersion(call.registers.rcx, state)
    try requireGlobalLockExclusive()
    let others = lpsInside.subtracting([call.lp])
    guard others.isEmpty else {
      throw .refused(.sysBusy, "\(others.count) other LPs are inside the module, LP \(others.min() ?? 0) the first")
    }
    if avoidsSensitive {
      try checkCompatibilitySensitive(state.handoff)
    }
    let size = HandoffData.size(version: version, line: state.traits.line)
    guard size > 0, size <= state.negotiation.bufferSize else {
      throw .fatal("\(size) bytes of handoff data do not fit the \(state.negotiation.bufferSize) bytes there are")
    }
    let body = state.handoff.bytes(version: version, size: size)
    machine.memory.write(body, at: machine.dataRegionBase + UInt64(SEAMLayout.HandoffHeader.size))
    HandoffHeader(valid: true, version: version, size: UInt32(truncatingIfNeeded: size)).store(in: &machine)
    self.state?.sysState = .shutdown
    return .success
  }

  /// RCX of TDH.SYS.SHUTDOWN: version and AVOID_COMPAT_SENSITIVE. A module that predates the flag takes RCX as a whole.
  private func handoffVersion(
    _ rcx: UInt64, _ state: ModuleState
  ) throws(ModuleError) -> (version: UInt16, avoidsSensitive: Bool) {
    let known = state.negotiation
    let version = state.program.version
    var requested = rcx
    if state.traits.hasUpdateCompatibility {
      guard rcx >> 17 == 0 else { throw .invalid(.rcx, "RCX = \(rcx.text): bits 63:17 are not zero") }
      requested = rcx & 0xFFFF
    } else if rcx >> 16 != 0 {
      throw .invalid(
        .rcx,
        "RCX bits 63:16 are not zero: module \(version) (handoff versions \(known.range)) does not know AVOID_COMPAT_SENSITIVE"
      )
    }
    guard requested >= UInt64(known.minUpdateHV) else {
      throw .invalid(
        .rcx, "handoff version \(requested) is below MIN_UPDATE_HV \(known.minUpdateHV) of module \(version)")
    }
    guard requested <= UInt64(known.moduleHV) else {
      throw .invalid(.rcx, "handoff version \(requested) is above MODULE_HV \(known.moduleHV) of module \(version)")
    }
    guard !known.noDowngrade || requested == UInt64(known.moduleHV) else {
      throw .invalid(
        .rcx,
        "handoff version \(requested) is not MODULE_HV \(known.moduleHV), and module \(version) has NO_DOWNGRADE set")
    }
    return (UInt16(truncatingIfNeeded: requested), state.traits.hasUpdateCompatibility && rcx >> 16 & 1 != 0)
  }

  /// TD builds first, then migrations (tdx-module.md 9). DETAILS_L2: 31:16 the count, 15:0 the reason.
  private func checkCompatibilitySensitive(_ handoff: HandoffData) throws(ModuleError) {
    guard handoff.tdBuildCount == 0 else {
      throw .refused(
        .updateCompatibilitySensitive.with(details: UInt32(handoff.tdBuildCount) << 16),
        "\(handoff.tdBuildCount) \(handoff.tdBuildCount == 1 ? "TD is" : "TDs are") being built, an update could spoil the measurement"
      )
    }
    guard handoff.migInterruptedCount == 0 else {
      throw .refused(
        .updateCompatibilitySensitive.with(details: UInt32(handoff.migInterruptedCount) << 16 | 1),
        "\(handoff.migInterruptedCount) migration operations are interrupted, an update could spoil them")
    }
  }

  /// TDH.SYS.UPDATE, leaf 53 (tdx-module.md 3.8): takes over what the previous image handed off, from SYSINIT_DONE to SYS_READY.
  mutating func sysUpdate(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    guard let state else { throw .fatal("no TDX module") }
    guard call.leaf.version <= 1 else { throw .invalid(.rax, "TDH.SYS.UPDATE has no version \(call.leaf.version)") }
    let isVersion1 = call.leaf.version == 1
    // 1.5.34 looks at the operands of version 1 first, 2.0.16 after the state.
    var flags: UInt64 = 0
    if isVersion1, state.traits.checksUpdateOperandsFirst {
      flags = try enableFlags(call.registers, traits: state.traits)
    }
    try requireGlobalLockExclusive()
    guard state.sysState == .initDone else {
      throw .refused(.sysStateIncorrect, "TDH.SYS.UPDATE needs SYSINIT_DONE, the module is in \(state.sysState.name)")
    }
    guard state.allLPsInitialized else {
      throw .refused(
        .sysStateIncorrect, "only \(state.initializedLPs.count) of \(state.totalLPs) LPs did TDH.SYS.LP.INIT")
    }
    if isVersion1, !state.traits.checksUpdateOperandsFirst {
      flags = try enableFlags(call.registers, traits: state.traits)
    }

    let header = HandoffHeader(machine)
    guard header.valid else {
      throw .refused(.sysInvalidHandoff, "there are no handoff data: no module was shut down for this one")
    }
    guard header.version >= state.negotiation.minUpdateHV, header.version <= state.negotiation.moduleHV else {
      throw .refused(
        .sysInvalidHandoff,
        "the handoff data have version \(header.version), module \(state.program.version) reads \(state.negotiation.range)"
      )
    }
    guard header.size > 0, Int(header.size) <= state.negotiation.bufferSize else {
      throw .fatal("the handoff data say that they have \(header.size) bytes: corrupt, the module stopped")
    }
    let address = machine.dataRegionBase + UInt64(SEAMLayout.HandoffHeader.size)
    let body = machine.memory.read(address, count: Int(header.size))
    guard var data = HandoffData(version: header.version, body: body) else {
      throw .fatal("the handoff data are corrupt, the module stopped")
    }
    if isVersion1 {
      try chooseExport(flags, in: &data, traits: state.traits)
      self.state?.updateCompatibility = flags >> ModuleTraits.Feature.updateCompatibility.rawValue & 1 != 0
    }
    self.state?.handoff = data
    HandoffHeader(valid: false, version: header.version, size: 0).store(in: &machine)
    self.state?.sysState = .ready
    return .success
  }

  /// Version 1 of a module that has non-blocking export: the choice must not contradict what was handed off.
  private func chooseExport(
    _ flags: UInt64, in data: inout HandoffData, traits: ModuleTraits
  ) throws(ModuleError) {
    guard traits.hasScanAndRebind else { return }
    let wanted = flags >> ModuleTraits.Feature.nonBlockingExport.rawValue & 1 != 0
    if wanted, !data.nonBlockingExport, data.writeBlockingExport == .used {
      throw .invalid(.r9, "R9 enables non-blocking export, but write-blocking export was used")
    }
    if !wanted, data.nonBlockingExport {
      throw .invalid(.r9, "R9 does not enable non-blocking export, which was configured before the update")
    }
    data.nonBlockingExport = wanted
  }
}
