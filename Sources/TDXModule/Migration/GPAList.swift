import SEAM

extension TDXModule {
  /// RCX of the leaves that work through a list of pages of the TD.
  func requireGPAList(_ raw: UInt64, in machine: Machine) throws(ModuleError) -> GPAListInfo {
    let info = GPAListInfo(rawValue: raw)
    guard info.format == 0, info.reserved == 0, info.firstEntry <= info.lastEntry else {
      throw .invalid(.rcx, "RCX = \(raw.text) is not a list of GPAs")
    }
    try requireShared(info.address, size: 4096, alignment: 4096, .rcx, in: machine)
    return info
  }

  /// Writes entry `index` of the list back.
  func store(_ entry: GPAListEntry, at index: Int, of info: GPAListInfo, in machine: inout Machine) {
    storeWord(entry.rawValue, at: index, of: info.address, in: &machine)
  }

  /// Writes word `index` of the list at `address`.
  func storeWord(_ word: UInt64, at index: Int, of address: UInt64, in machine: inout Machine) {
    let base = PhysicalAddress(rawValue: address).withoutKeyID
    machine.memory.hostWrite(word.littleEndianBytes, at: base &+ 8 &* UInt64(index))
  }

  /// Whether the entry names a private page of the TD.
  func isPrivate(_ entry: GPAListEntry, of tdr: UInt64) -> Bool {
    guard let shared = tds[tdr]?.parameters.sharedBit else { return false }
    return entry.isWellFormed && entry.gpa < shared
  }

  /// The secure EPT entry that maps the 4 KiB at `gpa`, locked, or why there is none to work on.
  func smallEntry(_ gpa: UInt64, of tdr: UInt64) -> Result<SEPTEntry, GPAListEntry.Failure> {
    guard let position = tds[tdr]?.sept.walk(gpa, to: 0, root: rootLevel(tdr)), position.level == 0 else {
      return .failure(.init(status: .septWalkFailed))
    }
    guard locks.septEntries[tdr]?.contains(gpa) != true else {
      return .failure(.init(status: .septEntryBusyHostPriority))
    }
    return .success(position.entry)
  }

  /// Whether no vCPU can have a translation from `epoch` any more.
  func isEpochOver(_ epoch: UInt64, of tdr: UInt64) -> Bool {
    guard let td = tds[tdr] else { return false }
    if epoch &+ 1 == td.epoch { return td.epochReaders[Int(epoch & 1)] == 0 }
    return epoch &+ 1 < td.epoch
  }

  /// Whether the leaves that only change states leave the entry alone.
  private func skips(_ entry: GPAListEntry) -> Bool { entry.operation == .none || entry.operation == .cancel }

  /// TDH.EXPORT.BLOCKW and TDH.EXPORT.RESTORE: goes through the list RCX and changes each page as `change` says, which gives
  /// why not. RCX is where it ended; the status counts the pages that were not changed.
  mutating func changeListed(
    _ tdr: UInt64, _ call: inout Call, machine: inout Machine,
    _ change: (inout TDXModule, SEPTEntry, UInt64) -> GPAListEntry.Status
  ) throws(ModuleError) -> CompletionStatus {
    try requireTree(tdr, .shared)
    let list = try requireGPAList(call.registers.rcx, in: machine)
    var problems: UInt32 = 0
    for index in list.firstEntry...list.lastEntry {
      var entry = GPAListEntry(rawValue: listWord(list.address, index, in: machine))
      guard entry.isWellFormed, skips(entry) || isPrivate(entry, of: tdr) else {
        entry.operation = .none
        entry.status = .gpaListEntryInvalid
        store(entry, at: index, of: list, in: &machine)
        call.registers.rcx = list.starting(at: index).rawValue
        throw .invalid(.gpaListEntry, "entry \(index) of the list is no private page of the TD")
      }
      let status: GPAListEntry.Status
      if skips(entry) {
        status = .skipped
      } else {
        switch smallEntry(entry.gpa, of: tdr) {
        case .success(let current): status = change(&self, current, entry.gpa)
        case .failure(let failure): status = failure.status
        }
      }
      entry.status = status
      if status != .success { entry.operation = .none }
      if status != .success, status != .skipped { problems += 1 }
      store(entry, at: index, of: list, in: &machine)
      if index < list.lastEntry, machine.takeInterrupt(on: call.lp) {
        call.registers.rcx = list.starting(at: index + 1).rawValue
        lastDiagnostic = "an interrupt was pending: a call with the RCX that this one gave back goes on"
        return .interruptedResumable
      }
    }
    call.registers.rcx = list.starting(at: list.lastEntry + 1).rawValue
    return .success.with(details: problems)
  }
}

extension GPAListEntry {
  /// Why there is no secure EPT entry to work on.
  struct Failure: Error {
    let status: Status
  }
}
