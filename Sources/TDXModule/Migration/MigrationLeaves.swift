import SEAM

extension TDXModule {
  /// TDH.EXPORT.*, TDH.IMPORT.*, TDH.MIG.*, TDH.MEM.SCAN.*: migration.
  mutating func migrationLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    switch leaf {
    case .migStreamCreate: return try migStreamCreate(call, machine: &machine)
    case .exportStateImmutable: return try exportStateImmutable(&call, machine: &machine)
    case .exportStateTD: return try exportStateTD(&call, machine: &machine)
    case .exportStateVP: return try exportStateVP(&call, machine: &machine)
    case .exportMem: return try exportMem(&call, machine: &machine)
    case .exportBlockw: return try exportBlockw(&call, machine: &machine)
    case .exportUnblockw: return try exportUnblockw(&call)
    case .exportRestore: return try exportRestore(&call, machine: &machine)
    case .exportPause: return try exportPause(call)
    case .exportTrack: return try exportTrack(call, machine: &machine)
    case .exportAbort: return try exportAbort(call, machine: machine)
    case .importStateImmutable: return try importStateImmutable(&call, machine: &machine)
    case .importStateTD: return try importStateTD(&call, machine: &machine)
    case .importStateVP: return try importStateVP(&call, machine: &machine)
    case .importMem: return try importMem(&call, machine: &machine)
    case .importTrack: return try importTrack(call, machine: machine)
    case .importCommit: return try importCommit(call)
    case .importEnd: return try importEnd(call)
    case .importAbort: return try importAbort(call, machine: &machine)
    default:
      // TDH.MEM.SCAN.*: their operands are not known.
      _ = try requireTD(call.registers.rdx, .rdx, .shared, for: leaf)
      throw notEmulated(leaf)
    }
  }

  /// TDH.MIG.STREAM.CREATE, leaf 96: gives the page RCX to the TD RDX as the context of one more migration stream.
  private mutating func migStreamCreate(_ call: Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let page = call.registers.rcx
    let tdr = try requireTD(call.registers.rdx, .rdx, .shared, for: .migStreamCreate, opState: .exclusive)
    try requireMigrationLock(tdr, .exclusive)
    guard let count = tds[tdr]?.migration.streams.count, count < MigrationState.maxStreams else {
      throw .refused(.maxMIGsNumExceeded, "the TD at \(tdr.text) has all of its \(MigrationState.maxStreams) streams")
    }
    try requirePage(page, .nda, .rcx, .exclusive)
    assignPage(page, .tdcx, to: tdr, machine: &machine)
    tds[tdr]?.migration.streams.append(MigrationStream(page: page))
    return .success
  }
}
