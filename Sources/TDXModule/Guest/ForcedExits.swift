import SEAM

extension PlatformConditions {
  /// A way in which the next TDH.VP.ENTER of a vCPU ends, that nothing which the guest does here brings about.
  public enum VCPUExit: Equatable, Sendable, Codable {
    /// The guest made a triple fault: `NON_RECOVERABLE_VCPU`, the vCPU is DISABLED.
    case tripleFault
    /// An exit that no TD may have: `NON_RECOVERABLE_TD`, the TD is FATAL.
    case unexpected
    /// The TD's control structures are corrupt: `NON_RECOVERABLE_TD_CORRUPTED_MD`, the TD is FATAL.
    case corruptedMetadata
    /// Single-stepping met an APIC in the wrong mode: `NON_RECOVERABLE_TD_WRONG_APIC_MODE`, the TD is FATAL.
    case wrongAPICMode
    /// A machine check told of poisoned memory: `NON_RECOVERABLE_TD_NON_ACCESSIBLE`, the TD is FATAL.
    case machineCheck
    /// The guest's next TDCALL that finds a lock held finds it so for too long: `HOST_PRIORITY_BUSY_TIMEOUT`.
    case hostPriorityBusyTimeout
  }
}

extension TDXModule {
  /// Takes the exit that is planned for the vCPU, if it does not wait for a TDCALL.
  mutating func forcedExit(_ tdvpr: UInt64) -> TDExit? {
    guard let planned = conditions.vcpuExits[tdvpr] else { return nil }
    let exit: TDExit
    switch planned {
    case .tripleFault: exit = .abnormal(.nonRecoverableVCPU, .vcpuDisabled, reason: .tripleFault)
    case .unexpected: exit = .abnormal(.nonRecoverableTD, .tdFatal)
    case .corruptedMetadata: exit = .abnormal(.nonRecoverableTDCorruptedMD, .tdFatal)
    case .wrongAPICMode: exit = .abnormal(.nonRecoverableTDWrongAPICMode, .tdFatal, reason: .externalInterrupt)
    case .machineCheck: exit = .abnormal(.nonRecoverableTDNonAccessible, .tdInaccessible, reason: .smi)
    case .hostPriorityBusyTimeout: return nil
    }
    conditions.vcpuExits[tdvpr] = nil
    return exit
  }

  /// Whether a TDCALL that ended with `status` has waited for the host for too long, as planned.
  mutating func takesTooLong(_ tdvpr: UInt64, _ status: CompletionStatus) -> Bool {
    guard status.code == .operandBusy, conditions.vcpuExits[tdvpr] == .hostPriorityBusyTimeout else { return false }
    conditions.vcpuExits[tdvpr] = nil
    return true
  }
}
