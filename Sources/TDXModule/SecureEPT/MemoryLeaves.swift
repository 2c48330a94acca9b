import SEAM

extension TDXModule {
  /// TDH.MEM.*: a TD's memory and its secure EPT. RCX and RDX are results, zero unless the leaf says otherwise.
  mutating func memoryLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    guard leaf != .memTrack else { return try track(operands) }
    call.registers.rcx = 0
    call.registers.rdx = 0
    switch leaf {
    case .memSEPTAdd: return try septAdd(operands, &call, machine: &machine)
    case .memPageAdd: return try pageAdd(operands, &call, machine: &machine)
    case .memPageAug: return try pageAug(operands, &call, machine: &machine)
    case .memRangeBlock: return try rangeBlock(operands, &call)
    case .memRangeUnblock: return try rangeUnblock(operands, &call)
    case .memPageRemove: return try pageRemove(operands, &call, machine: &machine)
    case .memSEPTRemove: return try septRemove(operands, &call, machine: &machine)
    case .memPageRelocate: return try pageRelocate(operands, &call, machine: &machine)
    case .memPageDemote: return try pageDemote(operands, &call, machine: &machine)
    case .memPagePromote: return try pagePromote(operands, &call, machine: &machine)
    case .memSEPTRD: return try septRead(operands, &call)
    case .memRD: return try memoryReadWrite(nil, operands, &call, machine: &machine)
    case .memWR: return try memoryReadWrite(operands.r8, operands, &call, machine: &machine)
    default: throw notEmulated(leaf)
    }
  }
}
