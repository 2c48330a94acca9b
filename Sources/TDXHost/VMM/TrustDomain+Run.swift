import SEAM
import SystemPackage

/// KVM_RUN (`tdx_vcpu_run`, `tdx_handle_exit`).
extension TrustDomain {
  /// TDH.VP.ENTERs of one run; a guest that makes more page faults at a stretch is left to run again.
  private static let entriesPerRun = 4096
  /// Attempts at an entry while the module is busy.
  private static let busyAttempts = 16

  /// What KVM does about an exit.
  private enum Action {
    /// The run ends.
    case leave(VCPUExit.Kind)
    /// A page of the guest is missing.
    case addPage(UInt64)
  }

  /// Runs the vCPU `number` on `cpu` until it leaves with something that is not KVM's affair alone. Pages that the guest
  /// misses are added on the way. On another CPU than last time the vCPU is flushed there first.
  ///
  /// The exit is also ``lastExit``. A firmware that is not there, or that does not work with TDs, is an exit too, as in
  /// KVM; without a firmware the VM is bugged from then on.
  /// - Throws: EINVAL for a vCPU or CPU that is not there, and before TDH.MR.FINALIZE; EBUSY; ENOMEM; EIO when the VM is
  ///   bugged, or has just become so by a page fault.
  @discardableResult
  public mutating func run(
    vcpu number: Int = 0, on cpu: Int? = nil, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> VCPUExit {
    let index = try runnable(number)
    let lp: Int
    if let cpu { lp = try host.requireOnline(cpu) } else { lp = vcpus[index].cpu ?? host.anyCPU(for: index) }
    if vcpus[index].cpu != lp {
      flush(vcpu: index, host: &host, door: door)
      try requireUsable()
      vcpus[index].cpu = lp
    }
    var entries = 0
    var busy = 0
    while true {
      let call = enterOperands(of: index)
      let result = host.tdh(call, on: lp, door: door)
      if let failure = result.failure(of: call, on: lp), failure.isOperandBusy {
        busy += 1
        guard busy < Self.busyAttempts else { throw TDError(.resourceBusy, failure) }
        continue
      }
      entries += 1
      vcpus[index].answer = nil
      var exit = VCPUExit(
        kind: .other, vcpu: index, lp: lp, result: result, registers: result.registers(after: call), entries: entries)
      let action = handle(exit, host: &host)
      switch action {
      case .leave(let kind): exit.kind = kind
      case .addPage(let gpa): exit.kind = .blockedAccess(gpa)
      }
      lastExit = exit
      switch action {
      case .leave: return exit
      case .addPage(let gpa):
        guard entries < Self.entriesPerRun else { return exit }
        try augment(gpa, for: .kvm, host: &host, door: door)
      }
    }
  }

  /// The index of a vCPU that can run.
  func runnable(_ number: Int) throws(TDError) -> Int {
    try requireUsable()
    guard state != .initialized else {
      throw TDError(.invalidArgument, "TD \(name) is not finalized, so no vCPU can run (tdx_vcpu_pre_run)")
    }
    return try vcpu(number)
  }

  /// RCX is the TDVPR; the other registers reach the guest only after TDG.VP.VMCALL.
  private func enterOperands(of index: Int) -> Registers {
    var call = Registers(rax: UInt64(ModuleLeaf.vpEnter.rawValue), rcx: vcpus[index].tdvpr)
    if let answer = vcpus[index].answer { call.r10 = answer.rawValue }
    return call
  }

  /// `tdx_handle_exit`.
  private mutating func handle(_ exit: VCPUExit, host: inout LinuxHost) -> Action {
    if exit.result.isSoftwareError {
      let failure = SEAMCALLFailure(
        lp: exit.lp, registers: exit.registers, result: exit.result, errno: exit.result.linuxErrno ?? .ioError)
      if bug == nil { host.warnKVMOnce("tdx_handle_exit", cpu: exit.lp) }
      bug = "TDH.VP.ENTER failed with \(failure.statusText)"
      return .leave(.internalError)
    }
    let reason = ExitReason(rawValue: UInt16(truncatingIfNeeded: exit.reason))
    if reason == .tripleFault { return .leave(.shutdown) }
    // Errors, and what can't be repaired: bits 63 and 62.
    guard exit.status.rawValue >> 62 == 0 else {
      host.log.append(.error, "kvm: TD vp_enter_ret 0x\(String(exit.status.rawValue, radix: 16))")
      return .leave(.internalError)
    }
    switch reason {
    case .externalInterrupt: return .leave(.externalInterrupt)
    case .tdcall:
      let function = exit.registers.r11
      vcpus[exit.vcpu].answer = VMCallAnswer(function: function, vendor: exit.registers.r10)
      return .leave(.vmCall(function))
    case .eptViolation: return handleEPTViolation(exit, host: &host)
    case .tripleFault, nil: return .leave(.other)
    }
  }

  /// `tdx_handle_ept_violation`.
  private mutating func handleEPTViolation(_ exit: VCPUExit, host: inout LinuxHost) -> Action {
    let gpa = exit.registers.r8 & ~0xFFF
    guard gpa & parameters.sharedBit == 0 else { return .leave(.sharedAccess(exit.registers.r8)) }
    // `TDX_EXT_EXIT_QUAL_TYPE_PENDING_EPT_VIOLATION`, bits 3:0 of the extended exit qualification.
    if exit.registers.rdx & 0xF == 6 {
      host.logKVM(.warning, "Guest access before accepting \(gpa.hex) on vCPU \(exit.vcpu)")
      bug = "the guest touched \(gpa.hex) before it accepted that page (kvm_vm_dead)"
      return .leave(.blockedAccess(gpa))
    }
    return memory.pages[gpa] == nil ? .addPage(gpa) : .leave(.blockedAccess(gpa))
  }
}

extension VMCallAnswer {
  /// What this monitor, which has no devices, answers.
  init(function: UInt64, vendor: UInt64) {
    switch (vendor, function) {
    // HLT, GetTdVmCallInfo.
    case (0, 12), (0, 0x10000): self = .success
    case _: self = .unsupported
    }
  }
}
