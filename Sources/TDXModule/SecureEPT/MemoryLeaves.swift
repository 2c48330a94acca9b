import SEAM

extension TDXModule {
  /// TDH.MEM.*: a TD's memory and its secure EPT.
  mutating func memoryLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
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
}
