import SEAM

/// A place in the secure EPT of a TD, as RCX names it: address in bits 51:12, level of the entry in bits 2:0.
struct SEPTPlace: Equatable {
  let tdr: UInt64
  let gpa: UInt64
  let level: UInt8

  /// Bytes that an entry of the level maps.
  var size: UInt64 { 1 << PAMT.shift(level) }
}

extension SEPTState {
  /// The name as the specification spells it.
  var name: String {
    switch self {
    case .free: "FREE"
    case .blocked: "BLOCKED"
    case .pending: "PENDING"
    case .pendingBlocked: "PENDING_BLOCKED"
    case .mapped: "MAPPED"
    case .removed: "REMOVED"
    case .blockedW: "BLOCKEDW"
    case .exportedBlockedW: "EXPORTED_BLOCKEDW"
    case .exportedDirty: "EXPORTED_DIRTY"
    case .exportedDirtyBlockedW: "EXPORTED_DIRTY_BLOCKEDW"
    case .pendingBlockedW: "PENDING_BLOCKEDW"
    case .pendingExportedBlockedW: "PENDING_EXPORTED_BLOCKEDW"
    case .pendingExportedDirty: "PENDING_EXPORTED_DIRTY"
    case .pendingExportedDirtyBlockedW: "PENDING_EXPORTED_DIRTY_BLOCKEDW"
    case .nonLeafBlocked: "NL_BLOCKED"
    case .nonLeafMapped: "NL_MAPPED"
    }
  }
}

/// The "SEPT checks" (tdx-module.md 1.0), of a TD whose TD checks have passed.
extension TDXModule {
  /// Level of the root table of the TD's secure EPT.
  func rootLevel(_ tdr: UInt64) -> UInt8 { tds[tdr]?.parameters.rootLevel ?? 3 }

  /// RCX = `raw` of a leaf that works on entries of `levels`.
  func requirePlace(_ raw: UInt64, levels: ClosedRange<UInt8>, of tdr: UInt64) throws(ModuleError) -> SEPTPlace {
    let reserved: UInt64 = 0xFFF0_0000_0000_0FF8
    guard raw & reserved == 0 else { throw .invalid(.rcx, "RCX = \(raw.text): reserved bits are not zero") }
    let level = UInt8(truncatingIfNeeded: raw & 7)
    guard levels.contains(level) else {
      throw .invalid(.rcx, "RCX = \(raw.text): level \(level) is not \(levels.lowerBound) to \(levels.upperBound)")
    }
    let place = SEPTPlace(tdr: tdr, gpa: raw & ~7, level: level)
    guard place.gpa & (place.size &- 1) == 0 else {
      throw .invalid(.rcx, "RCX = \(raw.text): the address is not a multiple of what level \(level) maps")
    }
    try requirePrivate(place.gpa, of: tdr)
    return place
  }

  /// A private address of the TD: below the shared bit.
  func requirePrivate(_ gpa: UInt64, of tdr: UInt64) throws(ModuleError) {
    guard let shared = tds[tdr]?.parameters.sharedBit, gpa < shared else { throw notPrivate(gpa) }
  }

  func notPrivate(_ gpa: UInt64) -> ModuleError {
    .invalid(.rcx, "RCX = \(gpa.text) is not a private address of the TD")
  }

  /// Locks the tree as `access` says, and walks to the entry at `place`, which is locked then. Gives the entry.
  func requireEntry(
    _ place: SEPTPlace, _ access: Access, _ call: inout Call
  ) throws(ModuleError) -> SEPTEntry {
    try requireTree(place.tdr, access)
    let entry = try walk(to: place, &call)
    try requireEntryLock(place, entry, &call)
    return entry
  }

  /// The lock of the tree.
  func requireTree(_ tdr: UInt64, _ access: Access) throws(ModuleError) {
    let lock = locks.septTrees[tdr] ?? .free
    guard access == .shared ? lock.admitsShared : lock.admitsExclusive else {
      throw .busy(.septTree, "the secure EPT of the TD at \(tdr.text) is locked")
    }
  }

  /// The lock of the entry.
  func requireEntryLock(_ place: SEPTPlace, _ entry: SEPTEntry, _ call: inout Call) throws(ModuleError) {
    guard locks.septEntries[place.tdr]?.contains(place.gpa | UInt64(place.level)) != true else {
      show(entry, level: place.level, in: &call)
      throw .busy(.rcx, "the secure EPT entry for \(place.gpa.text) is locked")
    }
  }

  /// Walks to the entry at `place`, without locks.
  func walk(to place: SEPTPlace, _ call: inout Call) throws(ModuleError) -> SEPTEntry {
    let root = rootLevel(place.tdr)
    guard let position = tds[place.tdr]?.sept.walk(place.gpa, to: place.level, root: root) else {
      throw .fatal("no TD")
    }
    guard position.level == place.level else {
      show(position.entry, level: position.level, in: &call)
      throw .refused(
        .eptWalkFailed.with(.rcx),
        "the walk to \(place.gpa.text) ends at level \(position.level), whose entry is \(position.entry.state.name)")
    }
    return position.entry
  }

  /// Walks to the page that `gpa` is mapped to, of whatever size; without one the leaf answers EPT_ENTRY_NOT_PRESENT.
  func walkToLeaf(
    _ gpa: UInt64, of tdr: UInt64, _ call: inout Call
  ) throws(ModuleError) -> SecureEPT.Position {
    try requirePrivate(gpa, of: tdr)
    let root = rootLevel(tdr)
    guard let position = tds[tdr]?.sept.walk(gpa, to: 0, root: root) else { throw .fatal("no TD") }
    guard position.entry.state.isLeaf, position.entry.state.isPresent else {
      throw notPresent(gpa, position, &call)
    }
    return position
  }

  /// The walk to the page of `gpa` ended at `position`, which is none that the hardware finds.
  func notPresent(_ gpa: UInt64, _ position: SecureEPT.Position, _ call: inout Call) -> ModuleError {
    show(position.entry, level: position.level, in: &call)
    return .refused(
      .eptEntryNotPresent.with(.rcx), "\(gpa.text) is mapped to no page: \(position.entry.state.name)")
  }

  /// RCX and RDX: the entry as the host sees it.
  func show(_ entry: SEPTEntry, level: UInt8, in call: inout Call) {
    call.registers.rcx = entry.architectural
    call.registers.rdx = entry.information(level: level)
  }

  /// The entry is in a state in which the leaf does not work.
  func incorrectState(_ entry: SEPTEntry, _ place: SEPTPlace, _ call: inout Call) -> ModuleError {
    show(entry, level: place.level, in: &call)
    return .refused(
      .eptEntryStateIncorrect.with(.rcx),
      "\(call.leaf.name) does not work on an entry that is \(entry.state.name), as that for \(place.gpa.text)")
  }

  /// The checks before something that vCPUs may be using is taken away: it was blocked, and no vCPU has been inside since
  /// before that. Only needed when vCPUs may run (tdx-module.md 6.6).
  func requireTracked(
    _ entry: SEPTEntry, _ place: SEPTPlace, _ call: inout Call, operand: OperandID = .rcx
  ) throws(ModuleError) {
    guard entry.state.requiresTracking, tds[place.tdr]?.opState.requiresTLBTracking == true else { return }
    guard entry.state.isBlocked else {
      show(entry, level: place.level, in: &call)
      throw .refused(
        .gpaRangeNotBlocked.with(.rcx), "the range at \(place.gpa.text) is \(entry.state.name), not blocked")
    }
    guard isTracked(pamt[entry.hpa]?.blockedEpoch ?? 0, of: place.tdr) else {
      throw .refused(
        .tlbTrackingNotDone.with(operand),
        "vCPUs may have translations of \(place.gpa.text) from before it was blocked: TDH.MEM.TRACK is needed")
    }
  }

  /// Whether nothing of `epoch` can be in a TLB any more. Bit 63 marks an epoch of a migration, which is none.
  private func isTracked(_ epoch: UInt64, of tdr: UInt64) -> Bool {
    guard let current = tds[tdr]?.epoch, epoch >> 63 == 0 else { return false }
    if epoch &+ 1 == current { return tds[tdr]?.epochReaders[Int(epoch & 1)] == 0 }
    return epoch &+ 1 < current
  }

  /// The lock of the page that an entry leads to.
  func requirePageLock(_ entry: SEPTEntry) throws(ModuleError) {
    let number = entry.hpa / 4096
    guard !locks.pages.contains(number), !locks.sharedPages.contains(number) else {
      throw .busy(.rcx, "the PAMT entry of page \(entry.hpa.text) is locked")
    }
  }
}
