import SEAM

/// How a leaf takes a lock.
enum Access: Sendable {
  case shared
  case exclusive
}

extension TDXModule {
  /// The TDR operand `raw`, locked as `access` says, of a TD in any state. Gives the TDR's address.
  func requireTDR(_ raw: UInt64, _ operand: OperandID, _ access: Access) throws(ModuleError) -> UInt64 {
    _ = try requireSlot(raw, operand, access)
    return raw
  }

  /// Ditto; gives where the TD is in `tds`.
  private func requireSlot(_ raw: UInt64, _ operand: OperandID, _ access: Access) throws(ModuleError) -> Int {
    try requirePage(raw, .tdr, operand, access)
    guard let slot = tds.slot(of: raw) else { throw .fatal("page \(raw.text) is PT_TDR and holds no TD") }
    return slot
  }

  /// The first half of the "TD checks" (tdx-module.md 1.0): TDR, FATAL, keys.
  func requireLiveTD(_ raw: UInt64, _ operand: OperandID, _ access: Access) throws(ModuleError) -> UInt64 {
    try requireLive(raw, slot: try requireSlot(raw, operand, access))
    return raw
  }

  /// All of the "TD checks" (tdx-module.md 1.0) of `leaf`, in their order. Gives the TDR's address.
  func requireTD(
    _ raw: UInt64, _ operand: OperandID, _ access: Access, for leaf: ModuleLeaf, opState: Access = .shared
  ) throws(ModuleError) -> UInt64 {
    try requireTD(raw, slot: try requireSlot(raw, operand, access), for: leaf, opState: opState)
    return raw
  }

  /// The "TD checks" from FATAL on, of a TD whose TDR is locked already.
  func requireTD(_ tdr: UInt64, for leaf: ModuleLeaf, opState access: Access = .shared) throws(ModuleError) {
    guard let slot = tds.slot(of: tdr) else { throw .fatal("no TD at \(tdr.text)") }
    try requireTD(tdr, slot: slot, for: leaf, opState: access)
  }

  private func requireTD(
    _ tdr: UInt64, slot: Int, for leaf: ModuleLeaf, opState access: Access
  ) throws(ModuleError) {
    try requireLive(tdr, slot: slot)
    guard let minimum = state?.traits.minTDCX, let pages = tds[slot: slot]?.tdcxPages.count, pages >= minimum else {
      throw .refused(.tdcsNotAllocated, "the TD at \(tdr.text) has fewer TDCX pages than it needs")
    }
    let lock = locks.opStates[tdr] ?? .free
    guard access == .shared ? lock.admitsShared : lock.admitsExclusive else {
      throw .busy(.opState, "OP_STATE of the TD at \(tdr.text) is locked")
    }
    if let allowed = leaf.opStates, let opState = tds[slot: slot]?.opState, !allowed.contains(opState) {
      throw .refused(.opStateIncorrect, "\(leaf.name) does not work on a TD in OP_STATE \(opState.name)")
    }
  }

  private func requireLive(_ tdr: UInt64, slot: Int) throws(ModuleError) {
    guard tds[slot: slot]?.isFatal == false else {
      throw .refused(.tdFatal, "the TD at \(tdr.text) had a fatal exit; it can only be torn down")
    }
    guard tds[slot: slot]?.lifecycle == .keysConfigured else {
      throw .refused(.tdKeysNotConfigured, "the TD at \(tdr.text) is not in TD_KEYS_CONFIGURED")
    }
  }

  /// The TDVPR operand `raw`, locked as `access` says. Gives its address and the TDR's; of the TD nothing is checked.
  func requireTDVPR(
    _ raw: UInt64, _ operand: OperandID, _ access: Access
  ) throws(ModuleError) -> (tdvpr: UInt64, tdr: UInt64) {
    try requirePage(raw, .tdvpr, operand, access)
    guard let tdr = vcpus[raw]?.tdr, tds.slot(of: tdr) != nil else {
      throw .fatal("page \(raw.text) is PT_TDVPR and holds no vCPU")
    }
    guard !locks.pages.contains(tdr / 4096) else { throw .busy(.tdr, "the TDR at \(tdr.text) is locked") }
    return (raw, tdr)
  }

  /// Gives the page at `address` to the TD `tdr` as `type`. Its old bytes are gone; what it holds is zeros under the TD's
  /// KeyID, which the host can neither see nor change.
  mutating func assignPage(
    _ address: UInt64, _ type: PageType, to tdr: UInt64, machine: inout Machine
  ) {
    takePage(address, type, for: tdr, level: 0)
    machine.memory.setPage(.zeros(keyID: tds[tdr]?.hkid ?? 0), at: address)
  }

  /// Writes down that the page of `level` at `address` (0 is 4 KiB, 1 is 2 MiB) is the TD's. Its bytes stay as they are.
  mutating func takePage(_ address: UInt64, _ type: PageType, for tdr: UInt64, level: UInt8) {
    pamt.assign(PAMT.Entry(type: type, owner: tdr, level: level), at: address)
    tds[tdr]?.childCount &+= 1 << (9 * UInt64(level))
  }

  /// Takes the page of `level` at `address` from the TD `tdr`: it is PT_NDA, and what it held under a private KeyID is gone.
  mutating func releasePage(_ address: UInt64, of tdr: UInt64, level: UInt8, machine: inout Machine) {
    pamt.release(address)
    tds[tdr]?.childCount &-= 1 << (9 * UInt64(level))
    machine.memory.forgetPrivatePages(address..<(address &+ 1 << PAMT.shift(level)))
  }

  /// `count` random words, or the retryable refusal.
  func random(_ count: Int, _ machine: inout Machine) throws(ModuleError) -> [UInt64] {
    var words: [UInt64] = []
    while words.count < count {
      guard let word = machine.entropy.rdrand() else { throw .refused(.rndNoEntropy, "RDRAND has no entropy") }
      words.append(word)
    }
    return words
  }
}
