import SEAM

/// The operands of TDH.EXPORT.MEM and TDH.IMPORT.MEM after their checks: lists of up to 512 entries.
struct MemoryBundle {
  let tdr: UInt64
  /// Index of the stream among all.
  let stream: Int
  let list: GPAListInfo
  /// List of migration buffers.
  let buffers: UInt64
  /// Lists of MACs, 256 of 16 bytes in each page.
  let macs: [UInt64]
  /// List of new pages; nil when none was given.
  let newPages: UInt64?
  /// Where the MBMD is or goes.
  let mbmd: UInt64

  /// Number of pages that hold MAC lists in use.
  var macPages: UInt64 { list.lastEntry >= 256 ? 2 : 1 }

  /// Address of the MAC of entry `index`.
  func mac(_ index: Int) -> UInt64 {
    let page = PhysicalAddress(rawValue: macs[index >> 8 & 1]).withoutKeyID
    return page &+ 16 &* UInt64(index & 0xFF)
  }

  /// What must be the same when an interrupted call goes on.
  func operands(_ call: Call, list: GPAListInfo, epoch: UInt32, processed: UInt64) -> MemoryOperands {
    MemoryOperands(
      leaf: call.leaf.rawValue, list: list.rawValue, buffers: buffers, macs: macs, newPages: newPages ?? 0,
      epoch: epoch, processed: processed)
  }
}

extension TDXModule {
  /// The checks that both leaves have in common, in their order: TDR in RDX, stream in R10, lists in RCX, R9, R11, R12 and,
  /// for an import, R13, MBMD in R8.
  mutating func requireMemoryBundle(
    _ call: Call, for leaf: ModuleLeaf, machine: Machine
  ) throws(ModuleError) -> (MemoryBundle, MigrationStreamOperand) {
    let operands = call.registers
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: leaf)
    try requireMigrationLock(tdr, .shared)
    let (index, stream) = try requireStream(operands.r10, of: tdr, onlyFirst: false)
    try requireTree(tdr, .shared)
    let list = try requireGPAList(operands.rcx, in: machine)
    try requireShared(operands.r9, size: 4096, alignment: 4096, .r9, in: machine)
    if list.firstEntry < 256 { try requireShared(operands.r11, size: 4096, alignment: 4096, .r11, in: machine) }
    if list.lastEntry >= 256 { try requireShared(operands.r12, size: 4096, alignment: 4096, .r12, in: machine) }
    // NULL_PA: no list.
    let hasNewPages = leaf == .importMem && operands.r13 != .max
    if hasNewPages { try requireShared(operands.r13, size: 4096, alignment: 4096, .r13, in: machine) }
    let mbmd = try requireMBMD(operands.r8, in: machine)
    let bundle = MemoryBundle(
      tdr: tdr, stream: index, list: list, buffers: operands.r9, macs: [operands.r11, operands.r12],
      newPages: hasNewPages ? operands.r13 : nil, mbmd: mbmd)
    return (bundle, stream)
  }

  /// A call with the RESUME bit: it must have the operands of the one that was interrupted. Gives how many pages that one had
  /// processed.
  mutating func resumeMemory(_ bundle: MemoryBundle, _ call: Call) throws(ModuleError) -> UInt64 {
    guard case .memory(let saved) = try takeInterruption(bundle.tdr, bundle.stream),
      saved
        == bundle.operands(
          call, list: bundle.list, epoch: tds[bundle.tdr]?.migration.epoch ?? 0, processed: saved.processed)
    else {
      throw .refused(.invalidResumption, "another operation was interrupted, or one with other operands")
    }
    return saved.processed
  }
}
