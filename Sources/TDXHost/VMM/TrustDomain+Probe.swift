import SEAM

/// What the module says of a TD, asked without any effect (TDH.MNG.RD).
extension TrustDomain {
  /// Fields of the TDR and the TDCS (tdx-module.md 6.9).
  public enum Field: UInt64, Sendable {
    /// LIFECYCLE_STATE of the TDR.
    case lifecycleState = 0x8010_0002_0000_0005
    /// OP_STATE of the TDCS.
    case opState = 0x9010_0002_0000_0004
  }

  /// The field's value; nil when the module does not give it.
  public func read(_ field: Field, host: LinuxHost, door: some SEAMCALLDoor) -> UInt64? {
    guard case .returned(let registers)? = ask(field, host: host, door: door), registers.rax == 0 else { return nil }
    return registers.r8
  }

  /// Whether its guest can go on: KVM has not given it up, and the module is there and works with it.
  public func isAlive(host: LinuxHost, door: some SEAMCALLDoor) -> Bool {
    guard bug == nil, case .returned(let registers)? = ask(.opState, host: host, door: door) else { return false }
    switch registers.status.code {
    case .sysShutdown, .sysNotReady, .tdFatal, .tdKeysNotConfigured, .lifecycleStateIncorrect, .pageMetadataIncorrect:
      return false
    case _:
      // Also a field that it does not give shows that it works with the TD.
      return true
    }
  }

  private func ask(_ field: Field, host: LinuxHost, door: some SEAMCALLDoor) -> SEAMCALLResult? {
    guard let tdr else { return nil }
    let call = Registers(rax: UInt64(ModuleLeaf.mngRD.rawValue), rcx: tdr, rdx: field.rawValue)
    return door.seamcall(call, on: host.anyCPU)
  }

  /// LIFECYCLE_STATE as the specification spells it.
  public static func name(ofLifecycle value: UInt64) -> String {
    switch value {
    case 0: "TD_HKID_ASSIGNED"
    case 1: "TD_KEYS_CONFIGURED"
    case 2: "TD_BLOCKED"
    case 3: "TD_TEARDOWN"
    default: "\(value)"
    }
  }

  /// OP_STATE as the specification spells it.
  public static func name(ofOpState value: UInt64) -> String {
    let names = [
      "UNINITIALIZED", "INITIALIZED", "RUNNABLE", "LIVE_EXPORT", "PAUSED_EXPORT", "POST_EXPORT", "MEMORY_IMPORT",
      "STATE_IMPORT", "POST_IMPORT", "LIVE_IMPORT", "FAILED_IMPORT",
    ]
    return Int(exactly: value).flatMap { names.indices.contains($0) ? names[$0] : nil } ?? "\(value)"
  }
}
