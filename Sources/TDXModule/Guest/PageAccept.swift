import SEAM

extension TDXModule {
  /// TDG.MEM.PAGE.ACCEPT, leaf 6: takes the PENDING page at RCX, an address with its level in bits 2:0, which becomes zero
  /// (tdx-module.md 1.3, 6.6).
  mutating func pageAccept(
    _ registers: Registers, _ tdr: UInt64, machine: inout Machine
  ) throws(GuestStop) -> CompletionStatus {
    let td = try guestTD(tdr)
    let level = UInt8(truncatingIfNeeded: registers.rcx & 7)
    let gpa = registers.rcx & 0x000F_FFFF_FFFF_F000
    let size: UInt64 = level == 0 ? 4096 : 2 << 20
    guard registers.rcx & 0xFFF0_0000_0000_0FF8 == 0, level <= 1, gpa & (size - 1) == 0, gpa < td.parameters.sharedBit
    else { throw .invalid(.rcx) }
    let place = td.sept.walk(gpa, to: level, root: td.parameters.rootLevel)
    let (entry, found) = (place.entry, place.level)
    if found == level, locks.septEntries[tdr]?.contains(gpa | UInt64(level)) == true {
      throw .status(.operandBusy.with(.rcx))
    }
    if entry.state.isReadable { return .pageAlreadyAccepted.with(details: UInt32(found)) }
    if found == level {
      if entry.state == .nonLeafMapped || entry.state == .nonLeafBlocked {
        throw .status(.pageSizeMismatch.with(details: UInt32(found)))
      }
      if entry.state.isAcceptable {
        accept(entry, at: gpa, level: level, tdr, keyID: td.hkid, machine: &machine)
        return .success
      }
    }
    // ACCEPT writes; there is nothing here that could be written.
    throw .exit(
      .eptViolation(
        gpa: gpa, qualification: GuestAccess.write.rawValue,
        extended: .accept(requested: level, level: found, state: entry.state)))
  }

  private mutating func accept(
    _ entry: SEPTEntry, at gpa: UInt64, level: UInt8, _ tdr: UInt64, keyID: UInt16, machine: inout Machine
  ) {
    let pages: UInt64 = level == 0 ? 1 : 512
    for page in 0..<pages { machine.memory.setPage(.zeros(keyID: keyID), at: entry.hpa &+ 4096 * page) }
    tds[tdr]?.sept[gpa, level]?.state = entry.state == .pending ? .mapped : .exportedDirty
  }
}
