extension TDXModule {
  /// What contradicts itself in the module's data about TDs, one sentence each; empty when all is well. For tests: nothing that
  /// a host does may make it say anything.
  ///
  /// Secure EPT and PAMT name the same pages, no page belongs to two TDs or twice to one, the control structures' pages are
  /// their TD's, CHLDCNT counts them all, and a KeyID has one TD.
  public var inconsistencies: [String] {
    var found: [String] = []
    var named: [UInt64: UInt64] = [:]
    func claim(_ page: UInt64, _ type: PageType, level: UInt8 = 0, _ tdr: UInt64) {
      if let other = named.updateValue(tdr, forKey: page) {
        found.append("page \(page.text) belongs to the TDs at \(other.text) and \(tdr.text)")
      }
      guard let entry = pamt[page], entry.type == type, entry.owner == tdr, entry.level == level else {
        found.append("page \(page.text) of the TD at \(tdr.text) is not PT_\(type) of level \(level) in the PAMT")
        return
      }
    }
    for (tdr, td) in tds {
      if pamt[tdr]?.type != .tdr { found.append("page \(tdr.text) holds a TD and is not PT_TDR") }
      for page in td.tdcxPages where isOwned(page, by: tdr, td) { claim(page, .tdcx, tdr) }
      for (key, entry) in td.sept.entries {
        let level = UInt8(truncatingIfNeeded: key & 7)
        if entry.state.isLeaf, isOwned(entry.hpa, by: tdr, td) {
          claim(entry.hpa, .reg, level: level, tdr)
        } else if entry.state == .nonLeafMapped || entry.state == .nonLeafBlocked, isOwned(entry.hpa, by: tdr, td) {
          claim(entry.hpa, .ept, tdr)
        }
      }
      for page in td.sept.l2Tables.values where isOwned(page, by: tdr, td) { claim(page, .ept, tdr) }
    }
    for (tdvpr, vcpu) in vcpus {
      guard let td = tds[vcpu.tdr] else {
        found.append("the vCPU at \(tdvpr.text) has no TD")
        continue
      }
      for page in vcpu.pages where isOwned(page, by: vcpu.tdr, td) {
        claim(page, page == tdvpr ? .tdvpr : .tdcx, vcpu.tdr)
      }
    }
    return found + miscounts(named) + sharedKeyIDs
  }

  /// Of a TD that is being torn down, pages go one by one while the tables that named them stay as they are.
  private func isOwned(_ page: UInt64, by tdr: UInt64, _ td: TD) -> Bool {
    td.lifecycle != .teardown || pamt[page]?.owner == tdr
  }

  /// TDs whose CHLDCNT is not what the PAMT says, and guests' pages that no secure EPT names.
  private func miscounts(_ named: [UInt64: UInt64]) -> [String] {
    var found: [String] = []
    var owned: [UInt64: UInt64] = [:]
    for (page, entry) in pamt.assigned where entry.type != .tdr {
      owned[entry.owner, default: 0] &+= 1 << (9 * UInt64(entry.level))
      if tds[entry.owner] == nil { found.append("page \(page.text) belongs to \(entry.owner.text), where no TD is") }
      if entry.type == .reg || entry.type == .ept, named[page] == nil {
        found.append("page \(page.text) of the TD at \(entry.owner.text) is in no secure EPT")
      }
    }
    for (tdr, td) in tds where td.childCount != owned[tdr] ?? 0 {
      found.append("the TD at \(tdr.text) counts \(td.childCount) pages and has \(owned[tdr] ?? 0)")
    }
    return found
  }

  private var sharedKeyIDs: [String] {
    var owners: [UInt16: UInt64] = [:]
    var found: [String] = []
    for (tdr, td) in tds where td.lifecycle != .teardown {
      if let other = owners.updateValue(tdr, forKey: td.hkid) {
        found.append("KeyID \(td.hkid) is that of the TDs at \(other.text) and \(tdr.text)")
      }
      let state = state?.handoff.kot[Int(td.hkid) & (KOTEntry.count - 1)].state
      let expected: KOTEntry.State = td.lifecycle == .blocked ? .flushed : .assigned
      // A module that is being updated has no table yet.
      if sysState == .ready, state != expected {
        found.append("KeyID \(td.hkid) of the TD at \(tdr.text) is not \(expected)")
      }
    }
    return found
  }
}
