import SEAM

/// TDH.EXPORT.MEM, leaf 68 (tdx-module.md 6.6; the order of checks is that of module source 1.5.01).
extension TDXModule {
  /// Encrypts the pages of the list RCX into the migration buffers of the list R9, each with a MAC of its own.
  mutating func exportMem(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let (bundle, stream) = try requireMemoryBundle(call, for: .exportMem, machine: machine)
    var processed: UInt64
    if stream.command {
      processed = try resumeMemory(bundle, call)
    } else {
      try beginMemoryExport(bundle, machine: &machine)
      processed = 1 + bundle.macPages
    }
    var problems: UInt32 = 0
    for index in bundle.list.firstEntry...bundle.list.lastEntry {
      // Whatever happens, RCX tells how far the list was done.
      call.registers.rcx = bundle.list.starting(at: index).rawValue
      let status = try exportPage(index, bundle, &processed, machine: &machine)
      if status != .success, status != .skipped { problems += 1 }
      if index < bundle.list.lastEntry, machine.takeInterrupt(on: call.lp) {
        let rest = bundle.list.starting(at: index + 1)
        call.registers.rcx = rest.rawValue
        let epoch = tds[bundle.tdr]?.migration.epoch ?? 0
        return interrupt(
          bundle.tdr, bundle.stream,
          .memory(bundle.operands(call, list: rest, epoch: epoch, processed: processed)))
      }
    }
    call.registers.rcx = bundle.list.starting(at: bundle.list.lastEntry + 1).rawValue
    call.registers.rdx = processed
    tds[bundle.tdr]?.migration.totalBundles &+= 1
    return .success.with(details: problems)
  }

  /// The first call: the MBMD, whose MAC covers nothing but itself.
  private mutating func beginMemoryExport(_ bundle: MemoryBundle, machine: inout Machine) throws(ModuleError) {
    guard bundle.list.firstEntry == 0 else { throw .invalid(.rcx, "a list that begins has FIRST_ENTRY 0") }
    let (tdr, index) = (bundle.tdr, bundle.stream)
    try requireNotInterrupted(tdr, index)
    if tds[tdr]?.migration.streams[index].isInitialized == false { tds[tdr]?.migration.streams[index].initialize() }
    tds[tdr]?.migration.streams[index].ivCounter &+= 1
    guard let migration = tds[tdr]?.migration else { throw .fatal("no TD") }
    let stream = migration.streams[index]
    let mbmd = try sign(
      MBMD(.memory, counter: stream.nextBundle, epoch: migration.epoch, body: UInt64(bundle.list.lastEntry + 1)),
      key: migration.encryptionWorkingKey, counter: stream.ivCounter, stream: UInt16(truncatingIfNeeded: index - 1))
    machine.memory.hostWrite(mbmd.bytes, at: bundle.mbmd)
    tds[tdr]?.migration.streams[index].nextBundle &+= 1
  }

  /// One entry of the list. The entry that comes out, with what became of it, is what the destination must be given.
  private mutating func exportPage(
    _ index: Int, _ bundle: MemoryBundle, _ processed: inout UInt64, machine: inout Machine
  ) throws(ModuleError) -> GPAListEntry.Status {
    let tdr = bundle.tdr
    var entry = GPAListEntry(rawValue: listWord(bundle.list.address, index, in: machine))
    var buffer = PageListEntry(rawValue: listWord(bundle.buffers, index, in: machine))
    guard entry.isWellFormed, entry.operation == .none || isPrivate(entry, of: tdr) else {
      entry.operation = .none
      entry.status = .gpaListEntryInvalid
      store(entry, at: index, of: bundle.list, in: &machine)
      throw .invalid(.gpaListEntry, "entry \(index) of the list is no private page of the TD")
    }
    let found = smallEntry(entry.gpa, of: tdr)
    let status: GPAListEntry.Status
    var content: [UInt8] = []
    if entry.operation == .none {
      status = .skipped
    } else if case .success(let current) = found {
      status = refusesExport(current.state, &entry, hasBuffer: !buffer.isInvalid, tdr)
      if status == .success {
        let isCancelled = entry.operation == .cancel
        entry.isPending = current.state.isContentPending
        if !isCancelled, !entry.isPending {
          try requireShared(buffer.address, size: 4096, alignment: 4096, .migBuffListEntry, in: machine)
          content = machine.memory.read(current.hpa, count: PhysicalMemory.pageSize)
        }
        changeExported(current.state, entry.gpa, cancelled: isCancelled, tdr)
      }
    } else if case .failure(let failure) = found {
      status = failure.status
    } else {
      status = .septWalkFailed
    }
    if status != .success {
      entry.operation = .none
      entry.status = status
    }
    if content.isEmpty { buffer = PageListEntry(rawValue: buffer.rawValue | PageListEntry.invalid.rawValue) }
    tds[tdr]?.migration.streams[bundle.stream].ivCounter &+= 1
    guard let migration = tds[tdr]?.migration,
      let sealed = MigrationCrypto.seal(
        content, aad: entry.rawValue.littleEndianBytes, key: migration.encryptionWorkingKey,
        counter: migration.streams[bundle.stream].ivCounter, stream: UInt16(truncatingIfNeeded: bundle.stream - 1))
    else { throw .fatal("AES-GCM failed") }
    if !content.isEmpty {
      machine.memory.hostWrite(sealed.ciphertext, at: PhysicalAddress(rawValue: buffer.address).withoutKeyID)
      processed &+= 1
    }
    machine.memory.hostWrite(sealed.tag, at: bundle.mac(index))
    storeWord(buffer.rawValue, at: index, of: bundle.buffers, in: &machine)
    store(entry, at: index, of: bundle.list, in: &machine)
    return status
  }

  /// Whether the page can be exported, or its export cancelled, now; the entry gets the operation that it is.
  private func refusesExport(
    _ state: SEPTState, _ entry: inout GPAListEntry, hasBuffer: Bool, _ tdr: UInt64
  ) -> GPAListEntry.Status {
    guard let td = tds[tdr], state.exported != nil else { return .septEntryStateIncorrect }
    if td.opState == .postExport {
      guard entry.operation != .cancel else { return .opStateIncorrect }
      entry.operation = .migrate
    } else if entry.operation == .cancel {
      return state.isExported ? .success : .septEntryStateIncorrect
    } else {
      guard !state.isExported || state.isExportedDirty else { return .septEntryStateIncorrect }
      entry.operation = state.isExportedDirty ? .remigrate : .migrate
      if td.opState == .liveExport {
        guard state.isWriteBlocked else { return .septEntryStateIncorrect }
        guard isEpochOver(td.migration.blockedWriteEpoch, of: tdr) else { return .tlbTrackingNotDone }
      }
    }
    return hasBuffer || state.isContentPending ? .success : .migrationBufferNotAvailable
  }

  /// The page was exported, or its export is cancelled.
  private mutating func changeExported(_ state: SEPTState, _ gpa: UInt64, cancelled: Bool, _ tdr: UInt64) {
    if state.isExportedDirty { countDirty(tdr, -1) }
    if cancelled {
      countExported(tdr, -1)
      if let restored = state.restored { setState(restored, gpa, tdr) }
    } else {
      if !state.isExported { countExported(tdr, 1) }
      if let exported = state.exported { setState(exported, gpa, tdr) }
    }
  }
}
