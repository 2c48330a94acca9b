import SEAM

extension TDXModule {
  /// TDH.EXPORT.*, TDH.IMPORT.*, TDH.MIG.*, TDH.MEM.SCAN.*: migration.
  mutating func migrationLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
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
}
