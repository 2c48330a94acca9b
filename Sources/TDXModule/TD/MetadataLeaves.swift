import SEAM

extension TDXModule {
  /// TDH.MNG.RD, TDH.MNG.WR, TDH.VP.RD, TDH.VP.WR: metadata of a TD and of a vCPU.
  mutating func metadataLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.r8 = 0
    switch leaf {
    case .mngRD:
      try requireVersion1(call)
      if call.leaf.version == 1 { call.registers.rdx = MetadataFieldID.none.rawValue }
      try requirePage(operands.rcx, .tdr, .rcx)
    case .mngWR:
      try requirePage(operands.rcx, .tdr, .rcx)
    case .vpRD:
      try requireVersion1(call)
      if call.leaf.version == 1 { call.registers.rdx = MetadataFieldID.none.rawValue }
      try requirePage(operands.rcx, .tdvpr, .rcx)
    default:
      try requirePage(operands.rcx, .tdvpr, .rcx)
    }
    throw notEmulated(leaf)
  }
}
