import SEAM

extension TDXModule {
  /// Operand RCX of TDH.VP.ENTER.
  private struct EnterOperand {
    let rawValue: UInt64

    /// Bits 51:12.
    var tdvpr: UInt64 { rawValue & 0x000F_FFFF_FFFF_F000 }
    /// Bit 52, HOST_RECOVERABILITY_HINT.
    var recoverabilityHint: Bool { rawValue >> 52 & 1 != 0 }
    /// Bit 53, RESUME_L1.
    var resumesL1: Bool { rawValue >> 53 & 1 != 0 }
    /// Bits 11:0 and 63:54, must be 0.
    var reserved: UInt64 { rawValue & 0xFFC0_0000_0000_0FFF }
  }

  /// TDH.VP.ENTER, leaf 0: lets the guest run on the vCPU RCX until it leaves the TD (tdx-module.md 6.5).
  mutating func vpEnter(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    try requireUnlimitedCPUID(call.lp)
    let operand = EnterOperand(rawValue: call.registers.rcx)
    guard operand.reserved == 0 else {
      throw .invalid(.rcx, "RCX = \(operand.rawValue.text): reserved bits are not zero")
    }
    let (tdvpr, tdr) = try requireTDVPR(operand.tdvpr, .rcx, .shared)
    try requireTD(tdr, for: .vpEnter)
    try requireVCPUPages(tdvpr)
    try associate(tdvpr, with: call.lp)
    // From here on a refusal leaves the vCPU associated.
    if operand.recoverabilityHint, vcpus[tdvpr]?.lastExit != .asyncTrap {
      throw .invalid(.rcx, "HOST_RECOVERABILITY_HINT is for a vCPU whose last exit was trap-like")
    }
    if operand.resumesL1 { throw .invalid(.rcx, "RESUME_L1 is for a vCPU whose last exit was from an L2 VM") }
    try requireTSCAdjust(call.lp)
    guard !conditions.tscRolledBack.contains(call.lp) else {
      throw .refused(.tscRollback, "the TSC of LP \(call.lp) is behind that of the vCPU's last exit")
    }
    guard (locks.epochs[tdr] ?? .free).admitsShared else {
      throw .busy(.tdEpoch, "TD_EPOCH of the TD at \(tdr.text) is locked")
    }
    let exit = enterGuest(
      tdvpr, tdr, host: call.registers, hint: operand.recoverabilityHint, machine: &machine)
    call.registers = exit.registers
    return exit.registers.status
  }

  /// From the entry to the exit: epoch, registers, the guest's steps, and what the exit leaves behind.
  private mutating func enterGuest(
    _ tdvpr: UInt64, _ tdr: UInt64, host: Registers, hint: Bool, machine: inout Machine
  ) -> TDExit {
    let epoch = tds[tdr]?.epoch ?? 0
    let reader = Int(truncatingIfNeeded: epoch & 1)
    tds[tdr]?.epochReaders[reader] &+= 1
    vcpus[tdvpr]?.epoch = epoch
    vcpus[tdvpr]?.state = .active
    var program = machine.guests.removeValue(forKey: tdvpr) ?? GuestProgram()
    resume(tdvpr, host: host, hint: hint, program: &program)
    let exit = runGuest(tdvpr, tdr, program: &program, machine: &machine)
    machine.guests[tdvpr] = program
    switch exit.fate {
    case .ready(let lastExit):
      vcpus[tdvpr]?.state = .ready
      vcpus[tdvpr]?.lastExit = lastExit
    case .vcpuDisabled:
      vcpus[tdvpr]?.state = .disabled
    case .tdFatal:
      // The state of the vCPU is not touched any more: it stays ACTIVE.
      tds[tdr]?.isFatal = true
    case .tdInaccessible:
      // Nor are the control structures: the vCPU stays a reader of its epoch.
      tds[tdr]?.isFatal = true
      return exit
    }
    if let readers = tds[tdr]?.epochReaders[reader] { tds[tdr]?.epochReaders[reader] = readers - min(1, readers) }
    return exit
  }

  /// What the guest sees first: the answer to its TDG.VP.VMCALL, with the registers that it exposed as the host left them, or
  /// the status of a TDCALL that ended in a trap.
  private mutating func resume(_ tdvpr: UInt64, host: Registers, hint: Bool, program: inout GuestProgram) {
    guard let vcpu = vcpus[tdvpr], let pending = vcpu.pending else { return }
    var registers = vcpu.registers
    switch vcpu.lastExit {
    case .tdVMCall:
      registers.copyExposed(by: TDVMCallControl(rawValue: registers.rcx), from: host)
      registers.status = .success
    case .asyncTrap:
      if hint { registers.rax |= CompletionStatus.hostRecoverabilityHint }
    case .asyncFault:
      // Nothing waits after a fault: the step is done again.
      return
    }
    vcpus[tdvpr]?.registers = registers
    vcpus[tdvpr]?.pending = nil
    switch pending {
    case .tdcall: program.outcomes.append(.registers(registers))
    case .halt: program.outcomes.append(.resumed)
    }
  }
}

extension CompletionStatus {
  /// Bit 60, HOST_RECOVERABILITY_HINT.
  static let hostRecoverabilityHint: UInt64 = 1 << 60
}
