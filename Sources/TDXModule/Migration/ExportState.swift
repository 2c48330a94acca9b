import SEAM

/// TDH.EXPORT.STATE.*: the state of a TD and of its vCPUs, encrypted, into pages of the host (tdx-module.md 1.1, 9; the
/// order of checks is that of module source 1.5.01).
extension TDXModule {
  /// Fewest pages of each kind of state: NUM_IMMUTABLE_STATE_PAGES, NUM_TD_STATE_PAGES, NUM_VP_STATE_PAGES (tdx-module.md 5.3).
  private enum Pages {
    static let system = 1
    static let immutable = 3
    static let td = 2
    static let vcpu = 5
  }

  /// TDH.EXPORT.STATE.IMMUTABLE, leaf 72: begins an export session of the TD RCX.
  mutating func exportStateImmutable(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus
  {
    let operands = call.registers
    call.registers.rdx = 0
    let tdr = try requireTD(operands.rcx, .rcx, .shared, for: .exportStateImmutable, opState: .exclusive)
    try requireMigrationLock(tdr, .exclusive)
    guard let td = tds[tdr] else { throw .fatal("no TD") }
    guard td.parameters.attributes.contains(.migratable) else {
      throw .refused(.tdNotMigratable, "ATTRIBUTES of the TD at \(tdr.text) do not have MIGRATABLE")
    }
    guard td.migration.exportedPages == 0 else {
      throw .refused(
        .previousExportCleanupIncomplete,
        "\(td.migration.exportedPages) pages are still in the state of an earlier export: TDH.EXPORT.RESTORE")
    }
    try requireStreams(td)
    _ = try requireMBMD(operands.r8, in: machine)
    let (index, stream) = try requireStream(operands.r10, of: tdr, onlyFirst: true)
    let known = StateOperands(leaf: call.leaf.rawValue, pageList: operands.r9, tdvpr: nil)
    let export: StateExport
    if stream.command {
      export = try resumeExport(tdr, index, known)
    } else {
      try requireNotInterrupted(tdr, index)
      _ = try requirePageList(operands.r9, atLeast: Pages.immutable, in: machine)
      try beginSession(tdr, machine: &machine)
      tds[tdr]?.migration.dirtyCount = 0
      tds[tdr]?.migration.streams[index].initialize()
      guard td.migration.exportCount < MigrationState.maxExportCount else {
        throw .refused(.maxExportsExceeded, "the TD at \(tdr.text) was exported too often")
      }
      tds[tdr]?.migration.exportCount &+= 1
      let image =
        systemImage.pages(.system, atLeast: Pages.system)
        + (tds[tdr]?.immutableImage.pages(.immutableTD, atLeast: Pages.immutable - Pages.system) ?? [])
      let body = UInt64(td.migration.forwardStreams) | UInt64(Pages.system) << 32
      export = try beginExport(tdr, index, .immutableTDState, body: body, image: image)
    }
    guard try writeState(export, known, tdr, index, &call, machine: &machine) else { return .interruptedResumable }
    tds[tdr]?.migration.totalBundles = 1
    tds[tdr]?.migration.streams[index].nextBundle = 1
    tds[tdr]?.opState = .liveExport
    if let handoff = state?.handoff, !handoff.nonBlockingExport { state?.handoff.writeBlockingExport = .used }
    return .success
  }

  /// TDH.EXPORT.STATE.TD, leaf 73: the mutable state of the TD RCX, which is paused.
  mutating func exportStateTD(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rdx = 0
    let tdr = try requireTD(operands.rcx, .rcx, .shared, for: .exportStateTD, opState: .exclusive)
    let (index, stream) = try requireStream(operands.r10, of: tdr, onlyFirst: true)
    try requireInitialized(tdr, index)
    let known = StateOperands(leaf: call.leaf.rawValue, pageList: operands.r9, tdvpr: nil)
    let export: StateExport
    if stream.command {
      export = try resumeExport(tdr, index, known)
    } else {
      _ = try requirePageList(operands.r9, atLeast: Pages.td, in: machine)
      try requireNotInterrupted(tdr, index)
      let image = tds[tdr]?.mutableImage.pages(.mutableTD, atLeast: Pages.td) ?? []
      export = try beginExport(tdr, index, .mutableTDState, body: 0, image: image)
    }
    guard try writeState(export, known, tdr, index, &call, machine: &machine) else { return .interruptedResumable }
    tds[tdr]?.migration.totalBundles &+= 1
    tds[tdr]?.migration.streams[index].nextBundle &+= 1
    return .success
  }

  /// TDH.EXPORT.STATE.VP, leaf 74: the state of the vCPU RCX of a TD that is paused.
  mutating func exportStateVP(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rdx = 0
    let (tdvpr, tdr) = try requireTDVPR(operands.rcx, .rcx, .exclusive)
    try requireTD(tdr, for: .exportStateVP)
    try requireVCPUPages(tdvpr)
    try associate(tdvpr, with: call.lp)
    guard let migration = tds[tdr]?.migration, let vcpu = vcpus[tdvpr] else { throw .fatal("no vCPU") }
    guard migration.exportedVCPUs[tdvpr] != migration.exportCount else {
      throw .refused(.vcpuAlreadyExported, "the vCPU at \(tdvpr.text) was exported in this session")
    }
    let (index, stream) = try requireStream(operands.r10, of: tdr, onlyFirst: false)
    let known = StateOperands(leaf: call.leaf.rawValue, pageList: operands.r9, tdvpr: tdvpr)
    let export: StateExport
    if stream.command {
      export = try resumeExport(tdr, index, known)
    } else {
      _ = try requirePageList(operands.r9, atLeast: Pages.vcpu, in: machine)
      try requireNotInterrupted(tdr, index)
      if !migration.streams[index].isInitialized { tds[tdr]?.migration.streams[index].initialize() }
      let image = vcpu.image(software: machine.guests[tdvpr]?.steps ?? []).pages(.vcpu, atLeast: Pages.vcpu)
      export = try beginExport(tdr, index, .mutableVCPUState, body: UInt64(vcpu.index & 0xFFFF), image: image)
    }
    guard try writeState(export, known, tdr, index, &call, machine: &machine) else { return .interruptedResumable }
    tds[tdr]?.migration.exportedVCPUs[tdvpr] = migration.exportCount
    tds[tdr]?.migration.totalBundles &+= 1
    tds[tdr]?.migration.streams[index].nextBundle &+= 1
    return .success
  }

  /// NUM_MIGS is enough for a session.
  func requireStreams(_ td: TD) throws(ModuleError) {
    guard td.migration.streams.count >= MigrationState.minStreams else {
      throw .refused(
        .minMIGsNotCreated, "\(td.migration.streams.count) of \(MigrationState.minStreams) migration streams are there")
    }
  }

  /// The stream at `index` is in use in this session.
  func requireInitialized(_ tdr: UInt64, _ index: Int) throws(ModuleError) {
    guard tds[tdr]?.migration.streams[index].isInitialized == true else {
      throw .refused(.migrationStreamStateIncorrect, "the migration stream was not used in this session")
    }
  }

  /// The module that exports: version, TDX_FEATURES0. An importing module looks at neither.
  private var systemImage: StateImage {
    var image = StateImage()
    guard let program = state?.program else { return image }
    image.append(program.version.major)
    image.append(program.version.minor)
    image.append(program.version.update)
    image.append(program.features0)
    return image
  }

  private mutating func beginExport(
    _ tdr: UInt64, _ index: Int, _ type: MigrationBundleType, body: UInt64, image: [UInt8]
  ) throws(ModuleError) -> StateExport {
    tds[tdr]?.migration.streams[index].ivCounter &+= 1
    guard let migration = tds[tdr]?.migration else { throw .fatal("no TD") }
    let stream = migration.streams[index]
    var mbmd = MBMD(type, counter: stream.nextBundle, epoch: migration.epoch, body: body)
    mbmd.stream = UInt16(truncatingIfNeeded: index - 1)
    mbmd.ivCounter = stream.ivCounter
    guard
      let export = StateExport(
        image: image, mbmd: mbmd, key: migration.encryptionWorkingKey, library: cryptoLibrary)
    else { throw .fatal("AES-GCM failed") }
    return export
  }

  /// Goes on with what was interrupted. A context of another crypto library is begun anew, so that its MAC is wrong.
  private mutating func resumeExport(
    _ tdr: UInt64, _ index: Int, _ operands: StateOperands
  ) throws(ModuleError) -> StateExport {
    guard case .exportState(var export, let saved) = try takeInterruption(tdr, index), saved == operands else {
      throw .refused(.invalidResumption, "another operation was interrupted, or one with other operands")
    }
    guard try !isContextUsable(export.library), let migration = tds[tdr]?.migration else { return export }
    export.restart(
      counter: migration.streams[index].ivCounter, key: migration.encryptionWorkingKey, library: cryptoLibrary)
    tds[tdr]?.migration.streams[index].ivCounter &+= 1
    return export
  }

  /// Writes the pages that are left, and the MBMD. False when an interrupt came between.
  private mutating func writeState(
    _ export: StateExport, _ operands: StateOperands, _ tdr: UInt64, _ index: Int, _ call: inout Call,
    machine: inout Machine
  ) throws(ModuleError) -> Bool {
    var export = export
    let list = try requirePageList(operands.pageList, atLeast: 1, in: machine)
    while !export.isComplete {
      guard export.processed <= list.lastEntry else {
        throw .invalid(.r9, "the list of \(list.lastEntry + 1) pages is too short: \(export.pages) are needed")
      }
      let page = listWord(list.address, export.processed, in: machine)
      try requireShared(page, size: 4096, alignment: 4096, .migBuffListEntry, in: machine)
      machine.memory.hostWrite(export.next(), at: PhysicalAddress(rawValue: page).withoutKeyID)
      if !export.isComplete, export.processed <= list.lastEntry, machine.takeInterrupt(on: call.lp) {
        call.registers.rdx = UInt64(export.processed)
        _ = interrupt(tdr, index, .exportState(export, operands))
        return false
      }
    }
    let address = try requireMBMD(call.registers.r8, in: machine)
    machine.memory.hostWrite(export.mbmd.bytes, at: address)
    call.registers.rdx = UInt64(export.processed)
    return true
  }
}
