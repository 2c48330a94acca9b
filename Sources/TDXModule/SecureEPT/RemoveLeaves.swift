import SEAM

/// What takes pages from a TD (tdx-module.md 6.6).
extension TDXModule {
  /// TDH.MEM.PAGE.REMOVE, leaf 29: gives a page back to the host; RCX is its address.
  mutating func pageRemove(
    _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: .memPageRemove)
    let place = try requirePlace(operands.rcx, levels: 0...2, of: tdr)
    let entry = try requireEntry(place, .shared, &call)
    switch entry.state {
    case .mapped, .blocked, .blockedW, .pending, .pendingBlocked, .pendingBlockedW: break
    case .free, .removed, .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW, .pendingExportedBlockedW,
      .pendingExportedDirty, .pendingExportedDirtyBlockedW, .nonLeafBlocked, .nonLeafMapped:
      throw incorrectState(entry, place, &call)
    }
    try requirePageLock(entry)
    try requireTracked(entry, place, &call)
    // While an import is in progress, what comes for the page later must not be taken for its first version.
    let isImporting = tds[tdr]?.opState.isImportInProgress == true
    tds[tdr]?.sept[place.gpa, place.level] = isImporting ? SEPTEntry(state: .removed, hpa: 0) : nil
    releasePage(entry.hpa, of: tdr, level: place.level, machine: &machine)
    call.registers.rcx = entry.hpa
    return .success
  }

  /// TDH.MEM.SEPT.REMOVE, leaf 30: gives a table without entries back to the host; RCX is its address. Version 1 gives those
  /// of L2 VMs in R9 to R11, all ones for none.
  mutating func septRemove(
    _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    clearL2Results(&call)
    try requireVersion1(call)
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: .memSEPTRemove)
    let place = try requirePlace(operands.rcx, levels: 1...rootLevel(tdr), of: tdr)
    let entry = try requireEntry(place, .exclusive, &call)
    guard entry.state == .nonLeafMapped || entry.state == .nonLeafBlocked else {
      throw incorrectState(entry, place, &call)
    }
    try requirePageLock(entry)
    try requireTracked(entry, place, &call)
    guard entry.children == 0 else {
      show(entry, level: place.level, in: &call)
      throw .refused(
        .eptPageNotFree.with(.rcx), "\(entry.children) entries of the table for \(place.gpa.text) are in use")
    }
    releaseL2Tables(entry, place, &call, machine: &machine)
    tds[tdr]?.sept.removeTable(place.gpa, level: place.level)
    releasePage(entry.hpa, of: tdr, level: 0, machine: &machine)
    call.registers.rcx = entry.hpa
    return .success
  }

  /// R9 to R11 of version 1: no table of an L2 VM was given back.
  func clearL2Results(_ call: inout Call) {
    guard call.leaf.version > 0 else { return }
    call.registers.r9 = TablePages.none
    call.registers.r10 = TablePages.none
    call.registers.r11 = TablePages.none
  }

  /// Gives back the tables of L2 VMs beside the one that `entry` leads to.
  mutating func releaseL2Tables(
    _ entry: SEPTEntry, _ place: SEPTPlace, _ call: inout Call, machine: inout Machine
  ) {
    for vm in 1...3 where entry.aliases >> UInt8(vm) & 1 != 0 {
      guard let table = tds[place.tdr]?.sept[place.gpa, place.level, vm: vm] else { continue }
      tds[place.tdr]?.sept[place.gpa, place.level, vm: vm] = nil
      releasePage(table, of: place.tdr, level: 0, machine: &machine)
      guard call.leaf.version > 0 else { continue }
      switch vm {
      case 1: call.registers.r9 = table
      case 2: call.registers.r10 = table
      default: call.registers.r11 = table
      }
    }
  }
}
