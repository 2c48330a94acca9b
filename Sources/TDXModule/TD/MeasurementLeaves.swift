import SEAM

/// TDH.MR.*: a TD's measurement (tdx-module.md 6.2, 6.7, 9).
extension TDXModule {
  mutating func measurementLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    leaf == .mrExtend ? try mrExtend(&call, machine: &machine) : try mrFinalize(call)
  }

  /// TDH.MR.EXTEND, leaf 16: measures the 256 bytes at RCX.
  private mutating func mrExtend(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rcx = 0
    call.registers.rdx = 0
    let tdr = try requireTD(operands.rdx, .rdx, .exclusive, for: .mrExtend)
    let gpa = operands.rcx
    guard gpa & 0xFF == 0 else { throw .invalid(.rcx, "RCX = \(gpa.text) is not a multiple of 256") }
    let position = try walkToLeaf(gpa, of: tdr, &call)
    guard position.entry.state == .mapped else {
      throw .refused(.eptEntryNotPresent, "the page at \(gpa.text) is \(position.entry.state.name), not MAPPED")
    }
    try requireCompatibleMeasurement(tdr)
    let library = state?.program.cryptoVersion ?? 0
    let address = position.entry.hpa | gpa & ((1 << PAMT.shift(position.level)) - 1)
    machine.memory.withBytes(address, count: 256) { bytes in
      tds[tdr]?.measurement.extend(gpa: gpa, bytes: bytes, library: library)
    }
    return .success
  }

  /// TDH.MR.FINALIZE, leaf 17: nothing more is measured into MRTD; the TD can run.
  private mutating func mrFinalize(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(call.registers.rcx, .rcx, .exclusive, for: .mrFinalize)
    guard let count = tds[tdr]?.vcpuCount, count > 0 else {
      throw .refused(.noVCPUs, "the TD at \(tdr.text) has no vCPU")
    }
    try requireCompatibleMeasurement(tdr)
    // Before the measurement forgets under which library it was begun.
    endBuild(tdr)
    tds[tdr]?.measurement.finish(library: state?.program.cryptoVersion ?? 0)
    if let hash = tds[tdr]?.serviceTDs.hash() { tds[tdr]?.measurement.servtdHash = hash }
    tds[tdr]?.opState = .runnable
    return .success
  }

  /// Under UPDATE_COMPATIBILITY, a build that another crypto library began is refused. The last check of a leaf.
  func requireCompatibleMeasurement(_ tdr: UInt64) throws(ModuleError) {
    guard state?.updateCompatibility == true else { return }
    let own = max(1, state?.program.cryptoVersion ?? 0)
    guard tds[tdr]?.measurement.contextVersion == own else {
      throw .refused(
        .incompatibleMRTDContext,
        "the measurement was begun by a module with another crypto library than this one (version \(own)); the TD can only be dropped"
      )
    }
  }
}
