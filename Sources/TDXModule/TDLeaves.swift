import SEAM

// The leaves that work on a TD, one function a group; the operand checks come in the order of the module's source. No TD
// exists yet in this emulation, so a TDR or TDVPR operand never passes: the answer is that of the operand's class.

extension TDXModule {
  /// TDH.MNG.*: a TD as a whole.
  func managementLeaf(_ leaf: ModuleLeaf, _ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    switch leaf {
    case .mngKeyReclaimid:
      return .success
    case .mngCreate:
      guard operands.rdx >> 16 == 0, let keyID = privateKeyID(operands.rdx) else {
        throw .invalid(.rdx, "RDX = \(operands.rdx.text) is not a private KeyID")
      }
      try requirePage(operands.rcx, .nda, .rcx)
      guard locks.kot.admitsExclusive else { throw .busy(.kot, "the KeyID ownership table is locked") }
      guard state?.handoff.kot[Int(keyID)].state == .free else {
        throw .refused(.hkidNotFree, "KeyID \(keyID) is not free")
      }
    case .mngAddcx:
      try requirePage(operands.rdx, .tdr, .rdx)
    case .mngInit:
      // Bit 0 says that there are event filters.
      let mask: UInt64 = state?.traits.has(.eventFiltering) == true ? 1 : 0
      try requirePage(operands.rcx & ~mask, .tdr, .rcx)
    case .mngRD:
      try requireVersion1(call)
      call.registers.r8 = 0
      if call.leaf.version == 1 { call.registers.rdx = MetadataFieldID.none.rawValue }
      try requirePage(operands.rcx, .tdr, .rcx)
    case .mngWR:
      call.registers.r8 = 0
      try requirePage(operands.rcx, .tdr, .rcx)
    default:
      try requirePage(operands.rcx, .tdr, .rcx)
    }
    throw notEmulated(leaf)
  }

  /// TDH.VP.*: a vCPU.
  func vcpuLeaf(_ leaf: ModuleLeaf, _ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    switch leaf {
    case .vpEnter:
      let flags: UInt64 = 3 << 52
      guard operands.rcx & ~flags & 0xFFF0_0000_0000_0FFF == 0 else {
        throw .invalid(.rcx, "RCX = \(operands.rcx.text): reserved bits are not zero")
      }
      try requirePage(operands.rcx & ~flags, .tdvpr, .rcx)
    case .vpCreate:
      try requirePage(operands.rdx, .tdr, .rdx)
    case .vpAddcx:
      try requirePage(operands.rdx, .tdvpr, .rdx)
    case .vpInit:
      try requireVersion1(call)
      try requirePage(operands.rcx, .tdvpr, .rcx)
    case .vpRD:
      try requireVersion1(call)
      call.registers.r8 = 0
      if call.leaf.version == 1 { call.registers.rdx = MetadataFieldID.none.rawValue }
      try requirePage(operands.rcx, .tdvpr, .rcx)
    case .vpWR:
      call.registers.r8 = 0
      try requirePage(operands.rcx, .tdvpr, .rcx)
    default:
      try requirePage(operands.rcx, .tdvpr, .rcx)
    }
    throw notEmulated(leaf)
  }

  /// TDH.MEM.*: a TD's memory and its secure EPT.
  func memoryLeaf(_ leaf: ModuleLeaf, _ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    switch leaf {
    case .memTrack:
      try requirePage(operands.rcx, .tdr, .rcx)
    case .memRD, .memWR:
      call.registers.r8 = 0
      try requirePage(operands.rdx, .tdr, .rdx)
    case .memSEPTAdd:
      // RCX and RDX are results, the walk's, also when it did not begin.
      call.registers.rcx = 0
      call.registers.rdx = 0
      try requireVersion1(call)
      // Version 1: bit 0 is ALLOW_EXISTING.
      let mask: UInt64 = call.leaf.version == 1 ? 1 : 0
      try requirePage(operands.rdx & ~mask, .tdr, .rdx)
    case .memPageDemote:
      // Bit 0 is L2 mode.
      call.registers.rcx = 0
      call.registers.rdx = 0
      try requirePage(operands.rdx & ~1, .tdr, .rdx)
    default:
      call.registers.rcx = 0
      call.registers.rdx = 0
      try requireVersion1(call)
      try requirePage(operands.rdx, .tdr, .rdx)
    }
    throw notEmulated(leaf)
  }

  /// TDH.MR.*: a TD's measurement.
  func measurementLeaf(_ leaf: ModuleLeaf, _ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    if leaf == .mrExtend {
      call.registers.rcx = 0
      call.registers.rdx = 0
      try requirePage(operands.rdx, .tdr, .rdx)
    } else {
      try requirePage(operands.rcx, .tdr, .rcx)
    }
    throw notEmulated(leaf)
  }

  /// TDH.SERVTD.*: binding of service TDs.
  func serviceTDLeaf(_ call: inout Call) throws(ModuleError) -> CompletionStatus {
    try requirePage(call.registers.rcx, .tdr, .rcx)
    throw .invalid(.rax, "tdxfs does not emulate service TDs")
  }

  /// TDH.EXPORT.*, TDH.IMPORT.*, TDH.MIG.*, TDH.MEM.SCAN.*: migration.
  func migrationLeaf(_ leaf: ModuleLeaf, _ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    switch leaf {
    case .exportStateVP, .importStateVP:
      try requirePage(operands.rcx, .tdvpr, .rcx)
    case .exportBlockw, .exportRestore, .exportMem, .exportUnblockw, .importMem, .migStreamCreate, .memScanRange,
      .memScanComp, .memScanConfig, .memScanReset:
      try requirePage(operands.rdx, .tdr, .rdx)
    default:
      try requirePage(operands.rcx, .tdr, .rcx)
    }
    throw notEmulated(leaf)
  }

  /// A leaf with versions 0 and 1 refuses others itself.
  private func requireVersion1(_ call: Call) throws(ModuleError) {
    guard call.leaf.version <= 1 else {
      throw .invalid(.rax, "\(call.leaf.name) has no version \(call.leaf.version)")
    }
  }
}
