import SEAM

extension GuestLeaf {
  /// Whether the leaf has versions above 0 (module source 1.5.01).
  var hasVersions: Bool { self == .vmRD }

  /// Whether a module with `traits` has the leaf; a TDCALL without one answers as for a number that nobody ever assigned.
  ///
  /// TD partitioning, sealing keys and TDX Connect are answered as if they were not there
  /// (tdx-module.md 11).
  func isKnown(_ traits: ModuleTraits) -> Bool {
    switch self {
    case .vpVMCall, .vpInfo, .mrRTMRExtend, .vpVEInfoGet, .mrReport, .vpCPUIDVESet, .memPageAccept, .vmRD, .vmWR,
      .vpRD, .vpWR, .sysRD, .sysRdall, .servtdRD, .servtdWR:
      true
    case .mrVerifyReport: traits.has(.localAttestation)
    case .memPageAttrRD, .memPageAttrWR, .vpEnter, .vpINVEPT, .vpINVVPID, .mrKeyGet,
      .servtdRebindApprove, .spdmTPASet, .spdmTPAGet, .devifValidate, .devifRD, .devifRequest, .devifResponse,
      .dmarAccept, .tdiMMIOAccept, .iqInvRequest:
      false
    }
  }
}

extension TDXModule {
  /// Executes one TDCALL that stays in the TD: the checks before every leaf, then the leaf (tdx-module.md 1.3).
  mutating func guestLeaf(
    _ rax: LeafAndVersion, _ registers: inout Registers, _ tdvpr: UInt64, _ tdr: UInt64, machine: inout Machine
  ) throws(GuestStop) -> CompletionStatus {
    guard rax.reserved == 0, let traits = state?.traits, let leaf = GuestLeaf(rawValue: rax.number),
      rax.version == 0 || leaf.hasVersions, leaf.isKnown(traits)
    else { throw .invalid(.rax) }
    switch leaf {
    case .vpVMCall:
      // One that leaves the TD does not come here.
      throw .invalid(.rcx)
    case .vpInfo: return vpInfo(&registers, tdvpr, tdr)
    case .mrRTMRExtend: return try rtmrExtend(registers, tdr, machine: machine)
    case .vpVEInfoGet: return try veInfoGet(&registers, tdvpr)
    case .mrReport: return try mrReport(registers, tdr, machine: &machine)
    case .vpCPUIDVESet: return try cpuidVESet(registers, tdvpr)
    case .memPageAccept: return try pageAccept(registers, tdr, machine: &machine)
    case .mrVerifyReport: return try verifyReport(registers, tdr, machine: machine)
    case .servtdRD, .servtdWR:
      return try serviceTDAccess(&registers, writes: leaf == .servtdWR, by: tdr, machine: &machine)
    case .vmRD: return try vmRD(rax, &registers, tdr, machine: machine)
    case .vmWR: return try vmWR(&registers, tdr, machine: machine)
    case .vpRD: return try guestVPRD(&registers, tdvpr, tdr)
    case .vpWR: return try guestVPWR(&registers, tdvpr, tdr, machine: machine)
    case .sysRD: return try guestSysRD(&registers, machine: machine)
    case .sysRdall: return try guestSysRdall(&registers, tdr, machine: &machine)
    case .memPageAttrRD, .memPageAttrWR, .vpEnter, .vpINVEPT, .vpINVVPID, .mrKeyGet,
      .servtdRebindApprove, .spdmTPASet, .spdmTPAGet, .devifValidate, .devifRD, .devifRequest, .devifResponse,
      .dmarAccept, .tdiMMIOAccept, .iqInvRequest:
      throw .invalid(.rax)
    }
  }

  /// The TD at `tdr`, which a guest that runs has.
  func guestTD(_ tdr: UInt64) throws(GuestStop) -> TD {
    guard let td = tds[tdr] else { throw .exit(.abnormal(.nonRecoverableTDCorruptedMD, .tdFatal)) }
    return td
  }
}
