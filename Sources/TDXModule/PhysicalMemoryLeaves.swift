import SEAM

/// TDH.PHYMEM.*: pages and caches, whichever TD they belong to (tdx-module.md 6.8).
extension TDXModule {
  /// TDH.PHYMEM.PAGE.RDMD, leaf 24: the metadata of a page, or of the large page that it is in.
  func pageRDMD(_ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let address = call.registers.rcx
    clearResults(&call)
    let tdmr = try requirePage(address, .rcx)
    let type = pageType(address, in: tdmr)
    let entry = pamt[address]
    showMetadata(type, entry, &call)
    if type == .reg || type == .ept { call.registers.r9 = entry?.blockedEpoch ?? 0 }
    return .success
  }

  /// TDH.PHYMEM.PAGE.RECLAIM, leaf 28: takes a page back from a TD that was torn down.
  mutating func pageReclaim(
    _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let address = call.registers.rcx
    clearResults(&call)
    let tdmr = try requirePage(address, .rcx, .exclusive)
    let type = pageType(address, in: tdmr)
    guard type != .nda, type != .rsvd, let entry = pamt[address] else {
      throw .refused(.pageMetadataIncorrect.with(.rcx), "page \(address.text) is PT_\(type), no TD has it")
    }
    showMetadata(type, entry, &call)
    guard PhysicalAddress(rawValue: address).isAligned(to: 1 << PAMT.shift(entry.level)) else {
      throw .invalid(.rcx, "RCX = \(address.text) is not the start of the large page that it is in")
    }
    let tdr = type == .tdr ? address : entry.owner
    if type != .tdr, locks.pages.contains(tdr / 4096) { throw .busy(.tdr, "the TDR at \(tdr.text) is locked") }
    guard let lifecycle = tds[tdr]?.lifecycle, let childCount = tds[tdr]?.childCount else {
      throw .fatal("page \(address.text) belongs to no TD")
    }
    guard lifecycle == .teardown else {
      throw .refused(.lifecycleStateIncorrect, "the TD at \(tdr.text) is not in TD_TEARDOWN")
    }
    guard type != .tdr || childCount == 0 else {
      throw .refused(.tdAssociatedPagesExist, "the TD at \(tdr.text) still has \(childCount) pages")
    }
    releasePage(address, of: tdr, level: entry.level, machine: &machine)
    if type == .tdr { tds[tdr] = nil }
    if type == .tdvpr {
      vcpus[address] = nil
      machine.guests[address] = nil
    }
    return .success
  }

  private func showMetadata(_ type: PageType, _ entry: PAMT.Entry?, _ call: inout Call) {
    call.registers.rcx = UInt64(type.rawValue)
    call.registers.rdx = entry?.owner ?? 0
    call.registers.r8 = UInt64(entry?.level ?? 0)
  }

  private func clearResults(_ call: inout Call) {
    call.registers.rcx = 0
    call.registers.rdx = 0
    call.registers.r8 = 0
    call.registers.r9 = 0
    call.registers.r10 = 0
    call.registers.r11 = 0
  }

  /// TDH.PHYMEM.PAGE.WBINVD, leaf 41: RCX is an address with KeyID. There are no caches here to write back.
  func pageWBINVD(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let raw = call.registers.rcx
    let keyIDBits = UInt64(PhysicalAddress(rawValue: raw).keyID)
    let shift = MachineConfiguration.maxPA - MachineConfiguration.keyIDBits
    try requirePage(raw & ~(keyIDBits << shift), .nda, .rcx)
    return .success
  }
}
