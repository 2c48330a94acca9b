import SEAM

extension TDXModule {
  /// TDH.VP.*: a vCPU.
  mutating func vcpuLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
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
    default:
      try requirePage(operands.rcx, .tdvpr, .rcx)
    }
    throw notEmulated(leaf)
  }
}
