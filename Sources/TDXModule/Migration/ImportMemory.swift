import SEAM

/// TDH.IMPORT.MEM, leaf 83 (the order of checks is that of module source 1.5.01).
extension TDXModule {
  /// Takes the pages of the list RCX out of the migration buffers of the list R9 into the new pages of the list R13, or in place.
  mutating func importMem(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let (bundle, stream) = try requireMemoryBundle(call, for: .importMem, machine: machine)
    if stream.command {
      _ = try resumeMemory(bundle, call)
    } else {
      try beginMemoryImport(bundle, machine: machine)
    }
    var problems: UInt32 = 0
    for index in bundle.list.firstEntry...bundle.list.lastEntry {
      call.registers.rcx = bundle.list.starting(at: index).rawValue
      let status = try importEntry(index, bundle, machine: &machine)
      if status != .success, status != .skipped { problems += 1 }
      if index < bundle.list.lastEntry, machine.takeInterrupt(on: call.lp) {
        let rest = bundle.list.starting(at: index + 1)
        call.registers.rcx = rest.rawValue
        let epoch = tds[bundle.tdr]?.migration.epoch ?? 0
        return interrupt(
          bundle.tdr, bundle.stream, .memory(bundle.operands(call, list: rest, epoch: epoch, processed: 0)))
      }
    }
    call.registers.rcx = bundle.list.starting(at: bundle.list.lastEntry + 1).rawValue
    tds[bundle.tdr]?.migration.totalBundles &+= 1
    return .success.with(details: problems)
  }

  /// The first call: the MBMD must be the next one.
  private mutating func beginMemoryImport(_ bundle: MemoryBundle, machine: Machine) throws(ModuleError) {
    guard bundle.list.firstEntry == 0 else { throw .invalid(.rcx, "a list that begins has FIRST_ENTRY 0") }
    let (tdr, index) = (bundle.tdr, bundle.stream)
    try requireNotInterrupted(tdr, index)
    if tds[tdr]?.migration.streams[index].isInitialized == false { tds[tdr]?.migration.streams[index].initialize() }
    guard let td = tds[tdr] else { throw .fatal("no TD") }
    let stream = UInt16(truncatingIfNeeded: index - 1)
    let mbmd = MBMD(machine.memory.hostRead(bundle.mbmd, count: MBMDLayout.size))
    guard mbmd.isWellFormed(.memory, stream: stream), mbmd.epoch == td.migration.epoch,
      mbmd.body == UInt64(bundle.list.lastEntry + 1),
      !td.opState.isImportInOrder || mbmd.counter == td.migration.streams[index].expectedBundle
    else { throw .refused(.invalidMBMD, "R8 does not hold the next MBMD, of this list") }
    try requireSigned(mbmd, key: td.migration.decryptionWorkingKey, stream: stream)
    tds[tdr]?.migration.streams[index].ivCounter = mbmd.ivCounter
    tds[tdr]?.migration.streams[index].expectedBundle &+= 1
  }

  /// Why an entry was not imported, and what follows.
  fileprivate struct Problem: Error {
    enum Consequence {
      /// The session ends.
      case aborts
      /// The session ends when it is in order; otherwise the entry is skipped.
      case abortsInOrder
    }
    let consequence: Consequence
    let status: CompletionStatus
    let entry: GPAListEntry.Status
  }

  /// One entry of the list.
  private mutating func importEntry(
    _ index: Int, _ bundle: MemoryBundle, machine: inout Machine
  ) throws(ModuleError) -> GPAListEntry.Status {
    var entry = GPAListEntry(rawValue: listWord(bundle.list.address, index, in: machine))
    var newPage = bundle.newPages.map { PageListEntry(rawValue: listWord($0, index, in: machine)) }
    tds[bundle.tdr]?.migration.streams[bundle.stream].ivCounter &+= 1
    var status = GPAListEntry.Status.success
    do throws(Problem) {
      status = try importPage(entry, newPage, index, bundle, machine: &machine) ? .success : .skipped
    } catch {
      status = error.entry
      entry.operation = .none
      entry.status = status
      if let newPages = bundle.newPages {
        storeWord(PageListEntry.invalid.rawValue, at: index, of: newPages, in: &machine)
      }
      store(entry, at: index, of: bundle.list, in: &machine)
      if error.consequence == .aborts || tds[bundle.tdr]?.opState.isImportInOrder == true {
        throw abortImport(bundle.tdr, error.status, "entry \(index) of the list cannot be imported: \(status)")
      }
      return status
    }
    if status == .skipped {
      entry.operation = .none
      entry.status = .skipped
      newPage?.rawValue |= PageListEntry.invalid.rawValue
    }
    if let newPages = bundle.newPages, let newPage {
      storeWord(newPage.rawValue, at: index, of: newPages, in: &machine)
    }
    store(entry, at: index, of: bundle.list, in: &machine)
    return status
  }

  /// The session ends; a TD that runs already goes on with what it has.
  private mutating func abortImport(_ tdr: UInt64, _ status: CompletionStatus, _ reason: String) -> ModuleError {
    guard tds[tdr]?.opState == .liveImport else { return failImport(tdr, status, reason) }
    tds[tdr]?.opState = .runnable
    return .refused(status, reason)
  }

  /// False when there was nothing to do.
  private mutating func importPage(
    _ entry: GPAListEntry, _ newPage: PageListEntry?, _ index: Int, _ bundle: MemoryBundle, machine: inout Machine
  ) throws(Problem) -> Bool {
    let tdr = bundle.tdr
    let gpaListEntry = CompletionStatus.operandInvalid.with(.gpaListEntry)
    if entry.operation == .none {
      _ = try decrypt([], entry, index, bundle, machine: machine)
      guard entry.isWellFormed else { throw .aborting(gpaListEntry, .gpaListEntryInvalid) }
      return false
    }
    guard isPrivate(entry, of: tdr) else { throw .aborting(gpaListEntry, .gpaListEntryInvalid) }
    let current: SEPTEntry
    switch smallEntry(entry.gpa, of: tdr) {
    case .success(let found): current = found
    case .failure(let failure):
      let isBusy = failure.status == .septEntryBusyHostPriority
      throw .inOrder((isBusy ? CompletionStatus.operandBusy : .eptWalkFailed).with(.gpaListEntry), failure.status)
    }
    let incorrect = CompletionStatus.eptEntryStateIncorrect.with(.gpaListEntry)
    guard [.free, .removed, .mapped, .pending].contains(current.state) else {
      throw .inOrder(incorrect, .septEntryStateIncorrect)
    }
    guard tds[tdr]?.opState.isImportInOrder == true || entry.operation == .migrate else {
      throw .aborting(.opStateIncorrect, .opStateIncorrect)
    }
    var ciphertext: [UInt8] = []
    let buffer = PageListEntry(rawValue: listWord(bundle.buffers, index, in: machine))
    if entry.operation != .cancel, !entry.isPending {
      guard !buffer.isInvalid, machine.isSharedAddress(buffer.address, size: 4096, alignment: 4096) else {
        throw .aborting(.operandInvalid.with(.migBuffListEntry), .migrationBufferNotAvailable)
      }
      ciphertext = machine.memory.hostRead(
        PhysicalAddress(rawValue: buffer.address).withoutKeyID, count: PhysicalMemory.pageSize)
    }
    let isMapped = current.state == .mapped || current.state == .pending
    let epoch = tds[tdr]?.migration.epoch ?? 0
    switch entry.operation {
    case .none: return false
    case .migrate:
      guard !isMapped else { throw .inOrder(incorrect, .septEntryStateIncorrect) }
      if current.state == .removed, let removed = tds[tdr]?.migration.removedEpochs[entry.gpa], removed >= epoch {
        throw .aborting(
          .disallowedImportOverRemoved.with(.gpaListEntry), .disallowedImportOverRemoved)
      }
      let page = try newPageAddress(newPage, buffer, for: tdr)
      let content = try decrypt(ciphertext, entry, index, bundle, machine: machine)
      assignPage(page, .reg, to: tdr, machine: &machine)
      place(content, entry, page, tdr, machine: &machine)
    case .remigrate:
      guard isMapped else { throw .aborting(incorrect, .septEntryStateIncorrect) }
      try requireEarlierEpoch(current, epoch)
      guard !entry.isPending || current.state == .pending else {
        throw .aborting(.importMismatch.with(.gpaListEntry), .septEntryStateIncorrect)
      }
      let content = try decrypt(ciphertext, entry, index, bundle, machine: machine)
      place(content, entry, current.hpa, tdr, machine: &machine)
    case .cancel:
      guard isMapped else { throw .aborting(incorrect, .septEntryStateIncorrect) }
      _ = try decrypt([], entry, index, bundle, machine: machine)
      try requireEarlierEpoch(current, epoch)
      tds[tdr]?.sept[entry.gpa, 0] = SEPTEntry(state: .removed, hpa: 0)
      tds[tdr]?.migration.removedEpochs[entry.gpa] = epoch
      releasePage(current.hpa, of: tdr, level: 0, machine: &machine)
    }
    return true
  }

  /// Where an imported page goes: the new page, or the migration buffer itself.
  private func newPageAddress(
    _ newPage: PageListEntry?, _ buffer: PageListEntry, for tdr: UInt64
  ) throws(Problem) -> UInt64 {
    let isInPlace = newPage?.isInvalid ?? true
    if isInPlace, buffer.isInvalid {
      throw .aborting(.operandInvalid.with(.migBuffListEntry), .migrationBufferNotAvailable)
    }
    let address = isInPlace ? buffer.address : newPage?.rawValue ?? 0
    do throws(ModuleError) {
      try requireFreePage(address, .newPageListEntry, for: tdr)
    } catch {
      guard case .refused(let status, _) = error else { return 0 }
      throw .inOrder(status, .newPageNotAvailable)
    }
    return address
  }

  /// The content of the entry's page, if its MAC is right; empty without one.
  private func decrypt(
    _ ciphertext: [UInt8], _ entry: GPAListEntry, _ index: Int, _ bundle: MemoryBundle, machine: Machine
  ) throws(Problem) -> [UInt8] {
    guard let migration = tds[bundle.tdr]?.migration,
      let plain = MigrationCrypto.open(
        ciphertext, tag: machine.memory.hostRead(bundle.mac(index), count: 16),
        aad: entry.rawValue.littleEndianBytes, key: migration.decryptionWorkingKey,
        counter: migration.streams[bundle.stream].ivCounter, stream: UInt16(truncatingIfNeeded: bundle.stream - 1))
    else { throw .aborting(.invalidPageMAC.with(.gpaListEntry), .invalidPageMAC) }
    return plain
  }

  /// PAMT.BEPOCH of an imported page: bit 63 a migration epoch, bits 62:32 EXPORT_COUNT, bits 31:0 the epoch.
  private func importEpoch(_ tdr: UInt64) -> UInt64 {
    guard let migration = tds[tdr]?.migration else { return 0 }
    return 1 << 63 | UInt64(migration.exportCount & MigrationState.maxExportCount) << 32 | UInt64(migration.epoch)
  }

  private func requireEarlierEpoch(_ entry: SEPTEntry, _ epoch: UInt32) throws(Problem) {
    let imported = UInt32(truncatingIfNeeded: pamt[entry.hpa]?.blockedEpoch ?? 0)
    guard imported < epoch else {
      throw .aborting(.migratedInCurrentEpoch.with(.gpaListEntry), .migratedInCurrentEpoch)
    }
  }

  /// The page at `page` is what the entry says, with `content`.
  private mutating func place(
    _ content: [UInt8], _ entry: GPAListEntry, _ page: UInt64, _ tdr: UInt64, machine: inout Machine
  ) {
    pamt[page] = PAMT.Entry(type: .reg, owner: tdr, level: 0, blockedEpoch: importEpoch(tdr))
    tds[tdr]?.sept[entry.gpa, 0] = SEPTEntry(state: entry.isPending ? .pending : .mapped, hpa: page)
    tds[tdr]?.migration.removedEpochs[entry.gpa] = nil
    if !entry.isPending { machine.memory.write(content, at: page, keyID: tds[tdr]?.hkid ?? 0) }
  }
}

extension TDXModule.Problem {
  fileprivate static func aborting(_ status: CompletionStatus, _ entry: GPAListEntry.Status) -> Self {
    Self(consequence: .aborts, status: status, entry: entry)
  }

  fileprivate static func inOrder(_ status: CompletionStatus, _ entry: GPAListEntry.Status) -> Self {
    Self(consequence: .abortsInOrder, status: status, entry: entry)
  }
}

extension OpState {
  /// Whether an import is in its in-order phase.
  var isImportInOrder: Bool {
    switch self {
    case .memoryImport, .stateImport: true
    case .uninitialized, .initialized, .runnable, .liveExport, .pausedExport, .postExport, .postImport, .liveImport,
      .failedImport:
      false
    }
  }
}
