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
    let program = state?.program
    let required = state?.updateCompatibility == true ? max(1, program?.cryptoVersion ?? 0) : nil
    let outcome = tds[tdr]?.extendMRTD(
      gpa, from: machine.memory, library: program?.cryptoVersion ?? 0, requiredVersion: required)
    switch outcome {
    case .measured: return .success
    case .notPrivate: throw notPrivate(gpa)
    case .noPage(let position): throw notPresent(gpa, position, &call)
    case .notMapped(let state):
      throw .refused(.eptEntryNotPresent, "the page at \(gpa.text) is \(state.name), not MAPPED")
    case .otherLibrary: throw incompatibleMeasurement(tdr)
    case nil: throw .fatal("no TD")
    }
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
    guard tds[tdr]?.measurement.contextVersion == max(1, state?.program.cryptoVersion ?? 0) else {
      throw incompatibleMeasurement(tdr)
    }
  }

  private func incompatibleMeasurement(_ tdr: UInt64) -> ModuleError {
    .refused(
      .incompatibleMRTDContext,
      "the measurement of the TD at \(tdr.text) was begun by a module with another crypto library; it can only be dropped"
    )
  }
}

/// What became of a TDH.MR.EXTEND.
private enum MRTDExtension {
  case measured
  case notPrivate
  /// The walk ended here.
  case noPage(SecureEPT.Position)
  case notMapped(SEPTState)
  /// MRTD_CONTEXT_VERSION is not what it must be.
  case otherLibrary
}

extension TD {
  /// Measures the 256 bytes at `gpa`. All in one place, since a build calls it four times for every KiB: the TD is looked up
  /// once and not copied.
  fileprivate mutating func extendMRTD(
    _ gpa: UInt64, from memory: borrowing PhysicalMemory, library: UInt16, requiredVersion: UInt16?
  ) -> MRTDExtension {
    guard gpa < parameters.sharedBit else { return .notPrivate }
    let position = sept.walk(gpa, to: 0, root: parameters.rootLevel)
    guard position.entry.state.isLeaf, position.entry.state.isPresent else { return .noPage(position) }
    guard position.entry.state == .mapped else { return .notMapped(position.entry.state) }
    guard requiredVersion == nil || measurement.contextVersion == requiredVersion else { return .otherLibrary }
    let address = position.entry.hpa | gpa & ((1 << PAMT.shift(position.level)) - 1)
    memory.withBytes(address, count: 256) { measurement.extend(gpa: gpa, bytes: $0, library: library) }
    return .measured
  }
}
