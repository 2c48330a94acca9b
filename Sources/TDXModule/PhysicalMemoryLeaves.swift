import SEAM

extension TDXModule {
  /// TDH.PHYMEM.*: pages and caches, whichever TD they belong to.
  mutating func physicalMemoryLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    switch leaf {
    case .phymemPageRDMD: return try pageRDMD(&call)
    case .phymemPageReclaim: return try pageReclaim(&call)
    case .phymemCacheWB: return try cacheWB(call, machine: machine)
    case .phymemPageWBINVD: return try pageWBINVD(call)
    default: throw notEmulated(leaf)
    }
  }

  /// TDH.PHYMEM.PAGE.RDMD, leaf 24: the metadata of a page.
  private func pageRDMD(_ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let address = call.registers.rcx
    clearResults(&call)
    let tdmr = try requirePage(address, .rcx)
    let type = pageType(address, in: tdmr)
    let entry = pamt[address]
    call.registers.rcx = UInt64(type.rawValue)
    call.registers.rdx = entry?.owner ?? 0
    call.registers.r8 = UInt64(entry?.level ?? 0)
    if type == .reg || type == .ept { call.registers.r9 = entry?.blockedEpoch ?? 0 }
    return .success
  }

  /// TDH.PHYMEM.PAGE.RECLAIM, leaf 28: takes a page back from a TD that was torn down.
  private func pageReclaim(_ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let address = call.registers.rcx
    clearResults(&call)
    let tdmr = try requirePage(address, .rcx)
    let type = pageType(address, in: tdmr)
    guard type != .nda, type != .rsvd else {
      throw .refused(.pageMetadataIncorrect.with(.rcx), "page \(address.text) is PT_\(type), no TD has it")
    }
    throw notEmulated(.phymemPageReclaim)
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
  private func pageWBINVD(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let raw = call.registers.rcx
    let keyIDBits = UInt64(PhysicalAddress(rawValue: raw).keyID)
    let shift = MachineConfiguration.maxPA - MachineConfiguration.keyIDBits
    try requirePage(raw & ~(keyIDBits << shift), .nda, .rcx)
    return .success
  }

  /// TDH.PHYMEM.CACHE.WB, leaf 40: writes the caches of the caller's package back for every FLUSHED KeyID. Done at once, so
  /// there is never anything to resume.
  private mutating func cacheWB(_ call: Call, machine: Machine) throws(ModuleError) -> CompletionStatus {
    let command = call.registers.rcx
    guard command <= 1 else { throw .invalid(.rcx, "RCX = \(command.text): 0 starts, 1 resumes") }
    let package = machine.configuration.package(of: call.lp)
    guard !locks.packages.contains(package) else {
      throw .busy(.wbcache, "package \(package) is writing its caches back")
    }
    guard locks.kot.admitsShared else { throw .busy(.kot, "the KeyID ownership table is locked") }
    guard command == 0 else {
      throw .refused(.wbcacheResumeError, "no cache write-back of package \(package) was interrupted")
    }
    let bit: UInt32 = 1 << UInt32(truncatingIfNeeded: package & 31)
    var found = false
    for keyID in MachineConfiguration.firstPrivateKeyID..<MachineConfiguration.endOfPrivateKeyIDs
    where state?.handoff.kot[Int(keyID)].state == .flushed {
      state?.handoff.kot[Int(keyID)].wbinvdBitmap &= ~bit
      found = true
    }
    guard found else {
      lastDiagnostic = "no KeyID is waiting for a cache write-back"
      return .noHKIDReadyToWbcache
    }
    return .success
  }
}
