import SEAM

/// Large pages: 2 MiB and 1 GiB (tdx-module.md 1.1, leaves 15 and 23).
extension TDXModule {
  /// TDH.MEM.PAGE.DEMOTE, leaf 15: a large page becomes 512 of the level below, in a table that is made of the page R8. R9 to
  /// R11 are tables for L2 VMs; RDX bit 0 says that they are needed only where the page has an alias.
  mutating func pageDemote(
    _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(operands.rdx & ~1, .rdx, .shared, for: .memPageDemote)
    let place = try requirePlace(operands.rcx, levels: 1...2, of: tdr)
    let entry = try requireEntry(place, .shared, &call)
    switch entry.state {
    case .mapped, .blocked, .pending, .pendingBlocked: break
    case .free, .removed, .blockedW, .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW, .pendingBlockedW,
      .pendingExportedBlockedW, .pendingExportedDirty, .pendingExportedDirtyBlockedW, .nonLeafBlocked,
      .nonLeafMapped:
      throw incorrectState(entry, place, &call)
    }
    try requireTracked(entry, place, &call)
    try requireFreePage(operands.r8, .r8, for: tdr)
    var pages = TablePages(operands, version: 1)
    let l2 = try requireL2Tables(&pages, place, isSparse: operands.rdx & 1 != 0)
    guard !conditions.takeInterrupt() else {
      call.registers.rcx = operands.rcx
      call.registers.rdx = operands.rdx
      throw .refused(.interruptedRestartable, "an interrupt is pending; nothing was changed")
    }
    let small = entry.state.unblockedForm
    pamt.demote(entry.hpa, level: place.level)
    addTable(operands.r8, place, vm: 0, machine: &machine)
    let shift = PAMT.shift(place.level - 1)
    for index: UInt64 in 0..<512 {
      let offset = index << shift
      tds[tdr]?.sept[place.gpa &+ offset, place.level - 1] = SEPTEntry(state: small, hpa: entry.hpa &+ offset)
    }
    for vm in l2 { addTable(pages.results[vm], place, vm: vm, machine: &machine) }
    call.registers.r9 = pages.results[1]
    call.registers.r10 = pages.results[2]
    call.registers.r11 = pages.results[3]
    return .success
  }

  /// The checks of R9 to R11 of TDH.MEM.PAGE.DEMOTE. Gives the L2 VMs that get a table.
  private func requireL2Tables(
    _ pages: inout TablePages, _ place: SEPTPlace, isSparse: Bool
  ) throws(ModuleError) -> [Int] {
    let count = Int(tds[place.tdr]?.parameters.numL2VMs ?? 0)
    var used: [Int] = []
    var taken = [pages.results[0]]
    for vm in 1...3 where vm <= count && pages.results[vm] != TablePages.none {
      // No page has an alias in tdxfs.
      guard !isSparse else {
        pages.results[vm] |= TablePages.unused
        continue
      }
      try requireFreePage(pages.results[vm], TablePages.operands[vm], for: place.tdr, taken: taken)
      var level = rootLevel(place.tdr)
      while level > place.level {
        guard tds[place.tdr]?.sept[place.gpa, level, vm: vm] != nil else {
          throw .refused(
            .l2SEPTWalkFailed.with(details: UInt32(vm) << 16 | UInt32(level)),
            "the walk to \(place.gpa.text) in the tree of L2 VM \(vm) ends at level \(level)")
        }
        level -= 1
      }
      taken.append(pages.results[vm])
      used.append(vm)
    }
    return used
  }

  /// TDH.MEM.PAGE.PROMOTE, leaf 23: 512 pages that lie side by side become one; RCX is the table that is needed no more, in
  /// version 1 R9 to R11 are those of L2 VMs.
  mutating func pagePromote(
    _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    clearL2Results(&call)
    try requireVersion1(call)
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: .memPagePromote)
    let place = try requirePlace(operands.rcx, levels: 1...2, of: tdr)
    let entry = try requireEntry(place, .shared, &call)
    guard entry.state == .nonLeafMapped || entry.state == .nonLeafBlocked else {
      throw incorrectState(entry, place, &call)
    }
    try requirePageLock(entry)
    try requireTracked(entry, place, &call)
    let below = place.gpa..<(place.gpa &+ place.size)
    if let locked = locks.septEntries[tdr],
      locked.contains(where: { below.contains($0 & ~7) && $0 & 7 == UInt64(place.level - 1) })
    {
      show(entry, level: place.level, in: &call)
      throw .busy(.rcx, "a secure EPT entry below \(place.gpa.text) is locked")
    }
    guard let merged = mergedPage(place) else {
      show(entry, level: place.level, in: &call)
      throw .refused(
        .eptInvalidPromoteConditions.with(.rcx),
        "the 512 entries below \(place.gpa.text) are not all MAPPED, or all PENDING, to pages that lie side by side")
    }
    guard !conditions.takeInterrupt() else {
      call.registers.rcx = operands.rcx
      call.registers.rdx = operands.rdx
      throw .refused(.interruptedRestartable, "an interrupt is pending; nothing was changed")
    }
    releaseL2Tables(entry, place, &call, machine: &machine)
    tds[tdr]?.sept.removeTable(place.gpa, level: place.level)
    tds[tdr]?.sept[place.gpa, place.level] = merged
    pamt.promote(merged.hpa, level: place.level)
    releasePage(entry.hpa, of: tdr, level: 0, machine: &machine)
    call.registers.rcx = entry.hpa
    return .success
  }

  /// What the table below `place` would be as one page; nil when it cannot be one.
  private func mergedPage(_ place: SEPTPlace) -> SEPTEntry? {
    guard let first = tds[place.tdr]?.sept[place.gpa, place.level - 1],
      first.state == .mapped || first.state == .pending, first.hpa & (place.size &- 1) == 0
    else { return nil }
    let shift = PAMT.shift(place.level - 1)
    for index: UInt64 in 1..<512 {
      let offset = index << shift
      guard let next = tds[place.tdr]?.sept[place.gpa &+ offset, place.level - 1], next.state == first.state,
        next.hpa == first.hpa &+ offset
      else { return nil }
    }
    return first
  }
}
