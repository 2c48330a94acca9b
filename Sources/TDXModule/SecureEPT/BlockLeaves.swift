import SEAM

/// Blocking and TLB tracking (tdx-module.md 6.6).
extension TDXModule {
  /// TDH.MEM.RANGE.BLOCK, leaf 7: no new translation of the range is made from here on.
  mutating func rangeBlock(_ operands: Registers, _ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: .memRangeBlock)
    let place = try requirePlace(operands.rcx, levels: 0...rootLevel(tdr), of: tdr)
    let entry = try requireEntry(place, .exclusive, &call)
    guard let blocked = entry.state.blockedForm else {
      guard entry.state.isBlocked else { throw incorrectState(entry, place, &call) }
      show(entry, level: place.level, in: &call)
      lastDiagnostic = "the range at \(place.gpa.text) is blocked already"
      return .gpaRangeAlreadyBlocked.with(.rcx)
    }
    tds[tdr]?.sept[place.gpa, place.level] = entry.with(blocked)
    pamt.block(entry.hpa, epoch: tds[tdr]?.epoch ?? 0)
    return .success
  }

  /// TDH.MEM.RANGE.UNBLOCK, leaf 39: takes a block back.
  mutating func rangeUnblock(_ operands: Registers, _ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: .memRangeUnblock)
    let place = try requirePlace(operands.rcx, levels: 0...rootLevel(tdr), of: tdr)
    let entry = try requireEntry(place, .exclusive, &call)
    guard entry.state.isBlocked else { throw incorrectState(entry, place, &call) }
    try requireTracked(entry, place, &call, operand: .septTree)
    tds[tdr]?.sept[place.gpa, place.level] = entry.with(entry.state.unblockedForm)
    return .success
  }

  /// TDH.MEM.TRACK, leaf 38: a new epoch begins. vCPUs that are inside belong to the one in which they entered.
  mutating func track(_ operands: Registers) throws(ModuleError) -> CompletionStatus {
    let tdr = try requireTD(operands.rcx, .rcx, .shared, for: .memTrack)
    guard (locks.epochs[tdr] ?? .free).admitsExclusive, let epoch = tds[tdr]?.epoch else {
      throw .busy(.tdEpoch, "TD_EPOCH of the TD at \(tdr.text) is locked")
    }
    let readers = tds[tdr]?.epochReaders[Int(1 - epoch & 1)] ?? 0
    guard readers == 0 else {
      throw .refused(.previousTLBEpochBusy, "\(readers) vCPUs are inside since the epoch before the current one")
    }
    tds[tdr]?.epoch &+= 1
    return .success
  }
}
