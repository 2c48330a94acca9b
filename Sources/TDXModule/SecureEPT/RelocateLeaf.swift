import SEAM

extension TDXModule {
  /// TDH.MEM.PAGE.RELOCATE, leaf 5: the page R8 takes the place of the one that is mapped; RCX is the old one.
  mutating func pageRelocate(
    _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: .memPageRelocate)
    let place = try requirePlace(operands.rcx, levels: 0...0, of: tdr)
    let entry = try requireEntry(place, .shared, &call)
    guard entry.state.isLeaf else { throw incorrectState(entry, place, &call) }
    guard entry.hpa != operands.r8 else { throw .invalid(.r8, "R8 is the page that is mapped already") }
    try requirePageLock(entry)
    try requireTracked(entry, place, &call)
    try requireFreePage(operands.r8, .r8, for: tdr)
    let bytes = entry.state.isPending ? nil : machine.memory.page(at: entry.hpa)
    assignPage(operands.r8, .reg, to: tdr, machine: &machine)
    if let bytes { machine.memory.setPage(bytes, at: operands.r8) }
    releasePage(entry.hpa, of: tdr, level: 0, machine: &machine)
    var moved = entry.with(entry.state.unblockedForm)
    moved.hpa = operands.r8
    tds[tdr]?.sept[place.gpa, 0] = moved
    call.registers.rcx = entry.hpa
    return .success
  }
}
