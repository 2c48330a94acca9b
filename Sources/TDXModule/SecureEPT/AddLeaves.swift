import SEAM

/// What gives pages to a TD (tdx-module.md 6.2, 6.6).
extension TDXModule {
  /// TDH.MEM.PAGE.ADD, leaf 2: the page R8 becomes the TD's, with the bytes of the host's page R9, and is measured.
  mutating func pageAdd(
    _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(operands.rdx, .rdx, .exclusive, for: .memPageAdd)
    let place = try requirePlace(operands.rcx, levels: 0...0, of: tdr)
    // The TDR is locked exclusively, so the tree and its entries are too.
    let entry = try walk(to: place, &call)
    guard entry.state == .free else { throw incorrectState(entry, place, &call) }
    try requireShared(operands.r9, size: 4096, alignment: 4096, .r9, in: machine)
    try requireFreePage(operands.r8, .r8, for: tdr)
    try requireCompatibleMeasurement(tdr)
    let source = PhysicalAddress(rawValue: operands.r9).withoutKeyID
    let library = state?.program.cryptoVersion ?? 0
    let keyID = tds[tdr]?.hkid ?? 0
    assignPage(operands.r8, .reg, to: tdr, machine: &machine)
    machine.memory.encryptPage(from: source, to: operands.r8, keyID: keyID)
    tds[tdr]?.sept[place.gpa, 0] = SEPTEntry(state: .mapped, hpa: operands.r8)
    tds[tdr]?.measurement.addPage(gpa: place.gpa, library: library)
    return .success
  }

  /// TDH.MEM.PAGE.AUG, leaf 6: the page R8 becomes the TD's when its guest accepts it.
  mutating func pageAug(
    _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: .memPageAug)
    let place = try requirePlace(operands.rcx, levels: 0...1, of: tdr)
    let entry = try requireEntry(place, .shared, &call)
    guard entry.state == .free || entry.state == .removed else { throw incorrectState(entry, place, &call) }
    try requireFreeRange(operands.r8, level: place.level, .r8, for: tdr)
    // The bytes stay the host's until TDG.MEM.PAGE.ACCEPT overwrites them.
    takePage(operands.r8, .reg, for: tdr, level: place.level)
    tds[tdr]?.sept[place.gpa, place.level] = SEPTEntry(state: .pending, hpa: operands.r8)
    return .success
  }
}
