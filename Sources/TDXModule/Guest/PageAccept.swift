import SEAM

extension TDXModule {
  /// TDG.MEM.PAGE.ACCEPT, leaf 6: takes the PENDING page at RCX, an address with its level in bits 2:0, which becomes zero
  /// (tdx-module.md 1.3, 6.6).
  mutating func pageAccept(
    _ registers: Registers, _ tdr: UInt64, machine: inout Machine
  ) throws(GuestStop) -> CompletionStatus {
    let level = UInt8(truncatingIfNeeded: registers.rcx & 7)
    let gpa = registers.rcx & 0x000F_FFFF_FFFF_F000
    guard registers.rcx & 0xFFF0_0000_0000_0FF8 == 0, level <= 1, gpa & ((1 << PAMT.shift(level)) - 1) == 0 else {
      throw .invalid(.rcx)
    }
    let place = try acceptPlace(gpa, level: level, tdr)
    let entry = place.entry
    if entry.state.isReadable { return .pageAlreadyAccepted.with(details: UInt32(place.level)) }
    if place.level == level {
      if entry.state == .nonLeafMapped || entry.state == .nonLeafBlocked {
        throw .status(.pageSizeMismatch.with(details: UInt32(level)))
      }
      if entry.state.isAcceptable {
        let keyID = tds[tdr]?.hkid ?? 0
        for page: UInt64 in 0..<(level == 0 ? 1 : 512) {
          machine.memory.setPage(.zeros(keyID: keyID), at: entry.hpa &+ 4096 * page)
        }
        tds[tdr]?.sept[gpa, level]?.state = entry.state == .pending ? .mapped : .exportedDirty
        return .success
      }
    }
    // ACCEPT writes; there is nothing here that could be written.
    throw .exit(
      .eptViolation(
        gpa: gpa, qualification: GuestAccess.write.rawValue,
        extended: .accept(requested: level, level: place.level, state: entry.state)))
  }

  /// Where the walk for a page to accept ends. A function of its own, so that nobody holds the tables when they change.
  private func acceptPlace(
    _ gpa: UInt64, level: UInt8, _ tdr: UInt64
  ) throws(GuestStop) -> SecureEPT.Position {
    let td = try guestTD(tdr)
    guard gpa < td.parameters.sharedBit else { throw .invalid(.rcx) }
    let place = td.sept.walk(gpa, to: level, root: td.parameters.rootLevel)
    if place.level == level, locks.septEntries[tdr]?.contains(gpa | UInt64(level)) == true {
      throw .status(.operandBusy.with(.rcx))
    }
    return place
  }
}
