import SEAM

/// Pages that the guest may not write while they are exported, and what is left of an export that was aborted (tdx-module.md
/// 6.6; the order of checks is that of module source 1.5.01).
extension TDXModule {
  /// TDH.EXPORT.BLOCKW, leaf 65: blocks the pages of the list RCX for writing. TDH.MEM.TRACK must follow before they can be
  /// exported from a running TD.
  mutating func exportBlockw(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(call.registers.rdx, .rdx, .shared, for: .exportBlockw)
    return try changeListed(tdr, &call, machine: &machine) { module, entry, gpa in
      guard let blocked = entry.state.writeBlocked else { return .septEntryStateIncorrect }
      module.setState(blocked, gpa, tdr)
      let epoch = module.tds[tdr]?.epoch ?? 0
      module.tds[tdr]?.migration.blockedWriteEpoch = epoch
      return .success
    }
  }

  /// TDH.EXPORT.RESTORE, leaf 66: after an export was aborted, makes the pages of the list RCX what they were before.
  mutating func exportRestore(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(call.registers.rdx, .rdx, .shared, for: .exportRestore)
    return try changeListed(tdr, &call, machine: &machine) { module, entry, gpa in
      guard let restored = entry.state.restored else { return .septEntryStateIncorrect }
      module.setState(restored, gpa, tdr)
      module.countExported(tdr, -1)
      return .success
    }
  }

  /// TDH.EXPORT.UNBLOCKW, leaf 75: lets the guest write the page RCX again; one that was exported becomes dirty.
  mutating func exportUnblockw(_ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rcx = 0
    call.registers.rdx = 0
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: .exportUnblockw)
    let place = try requirePlace(operands.rcx, levels: 0...0, of: tdr)
    let entry = try requireEntry(place, .shared, &call)
    guard let unblocked = entry.state.writeUnblocked else { throw incorrectState(entry, place, &call) }
    setState(unblocked, place.gpa, tdr)
    if entry.state.isExported, !entry.state.isExportedDirty { countDirty(tdr, 1) }
    return .success
  }

  /// Changes the state of the entry that maps the 4 KiB at `gpa`.
  mutating func setState(_ state: SEPTState, _ gpa: UInt64, _ tdr: UInt64) {
    guard let entry = tds[tdr]?.sept[gpa, 0] else { return }
    tds[tdr]?.sept[gpa, 0] = entry.with(state)
  }

  /// MIG_COUNT.
  mutating func countExported(_ tdr: UInt64, _ change: Int64) {
    guard let count = tds[tdr]?.migration.exportedPages else { return }
    tds[tdr]?.migration.exportedPages = change < 0 ? count - min(1, count) : count &+ 1
  }

  /// DIRTY_COUNT.
  mutating func countDirty(_ tdr: UInt64, _ change: Int64) {
    guard let count = tds[tdr]?.migration.dirtyCount else { return }
    tds[tdr]?.migration.dirtyCount = change < 0 ? count - min(1, count) : count &+ 1
  }
}
