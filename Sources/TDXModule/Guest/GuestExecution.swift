import SEAM

extension TDXModule {
  /// Steps that one TDH.VP.ENTER runs at most; then the host's timer interrupts.
  static let stepsPerEntry = 4096

  /// Runs the software of the vCPU until something takes it out of the TD.
  mutating func runGuest(
    _ tdvpr: UInt64, _ tdr: UInt64, program: inout GuestProgram, machine: inout Machine
  ) -> TDExit {
    if let exit = forcedExit(tdvpr) { return exit }
    var done = 0
    defer { program.steps.removeFirst(min(done, program.steps.count)) }
    while done < program.steps.count, done < Self.stepsPerEntry {
      switch run(program.steps[done], tdvpr, tdr, machine: &machine) {
      case .outcome(let outcome):
        program.outcomes.append(outcome)
        done += 1
      case .trap(let exit):
        done += 1
        return exit
      case .fault(let exit):
        return exit
      }
    }
    // The vector is Linux's local timer: bit 31 says that the interrupt was taken from the APIC.
    return .asynchronous(.externalInterrupt, interruption: 0x8000_00EC)
  }

  /// What became of a step.
  private enum StepResult {
    /// It is done.
    case outcome(GuestOutcome)
    /// It is done, its outcome is known at the next entry.
    case trap(TDExit)
    /// It is done again at the next entry.
    case fault(TDExit)
  }

  private mutating func run(
    _ step: GuestStep, _ tdvpr: UInt64, _ tdr: UInt64, machine: inout Machine
  ) -> StepResult {
    do throws(GuestStop) {
      switch step {
      case .tdcall(let registers):
        return try tdcall(registers, tdvpr, tdr, machine: &machine)
      case .read(let gpa, let count):
        guard let td = tds[tdr] else { return .fault(.unhandledPageFault) }
        return .outcome(.bytes(try readGuest(gpa, count: count, in: td, machine: machine)))
      case .write(let gpa, let bytes):
        guard let td = tds[tdr] else { return .fault(.unhandledPageFault) }
        try writeGuest(bytes, at: gpa, in: td, machine: &machine)
        return .outcome(.written)
      case .halt:
        // The guest's #VE handler turns it into TDG.VP.VMCALL<HLT>, and has read VE_INFO before.
        var registers = Registers(rax: 0, rcx: TDVMCallControl.halt.rawValue, r11: UInt64(ExitReason.halt.rawValue))
        registers.r10 = 0
        vcpus[tdvpr]?.veInfo = nil
        vcpus[tdvpr]?.registers = registers
        vcpus[tdvpr]?.pending = .halt
        return .trap(.tdVMCall(registers))
      }
    } catch {
      switch error {
      case .exit(let exit):
        return .fault(exit)
      case .virtualizationException(let info):
        // One that was not read is overwritten: the guest's handler reads it at once, so that there is never a #DF.
        vcpus[tdvpr]?.veInfo = info
        return .outcome(.virtualizationException(reason: info.exitReason, gpa: info.gpa))
      case .status, .trap:
        // Only a TDCALL has a status, and it has dealt with it.
        return .fault(.unhandledPageFault)
      }
    }
  }

  private mutating func tdcall(
    _ operands: Registers, _ tdvpr: UInt64, _ tdr: UInt64, machine: inout Machine
  ) throws(GuestStop) -> StepResult {
    var registers = operands
    let rax = LeafAndVersion(rawValue: registers.rax)
    if rax.reserved == 0, rax.number == GuestLeaf.vpVMCall.rawValue, rax.version == 0, let td = tds[tdr],
      TDVMCallControl(rawValue: registers.rcx).isValid(noRBPMod: td.parameters.hasNoRBPMod)
    {
      vcpus[tdvpr]?.registers = registers
      vcpus[tdvpr]?.pending = .tdcall
      return .trap(.tdVMCall(registers))
    }
    do throws(GuestStop) {
      registers.status = try guestLeaf(rax, &registers, tdvpr, tdr, machine: &machine)
    } catch {
      switch error {
      case .status(let status): registers.status = status
      case .trap(let exit, let status):
        registers.status = status
        vcpus[tdvpr]?.registers = registers
        vcpus[tdvpr]?.pending = .tdcall
        return .trap(exit)
      case .exit, .virtualizationException: throw error
      }
    }
    vcpus[tdvpr]?.registers = registers
    if takesTooLong(tdvpr, registers.status) {
      vcpus[tdvpr]?.pending = .tdcall
      return .trap(.abnormal(.hostPriorityBusyTimeout, .ready(.asyncTrap)))
    }
    return .outcome(.registers(registers))
  }
}
