import SEAM

extension TDXModule {
  /// TDH.MR.*: a TD's measurement.
  mutating func measurementLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
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
}
