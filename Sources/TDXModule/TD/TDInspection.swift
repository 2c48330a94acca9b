/// One TD, for those who look at the machine from outside. No part of the ABI.
public struct TDInspection: Equatable, Sendable {
  /// Address of the TDR.
  public let tdr: UInt64
  /// HKID.
  public let keyID: UInt16
  /// LIFECYCLE_STATE.
  public let lifecycle: LifecycleState
  /// OP_STATE.
  public let opState: OpState
  /// FATAL.
  public let isFatal: Bool
  /// SEAMDB_INDEX: the load of the module that created the TD.
  public let seamdbIndex: Int
  /// CHLDCNT: pages that the TD owns, in 4-KiB pages, the TDR left out.
  public let childCount: UInt64
  /// Ditto, counted in the PAMT.
  public let ownedPages: UInt64
  /// Pages that the secure EPT maps, blocked and pending ones included, in 4-KiB pages.
  public let mappedPages: UInt64
  /// Addresses of the TDVPRs, ascending.
  public let vcpus: [UInt64]

  /// Whether the TD holds its KeyID, which nobody else may then have.
  public var holdsKeyID: Bool { lifecycle != .teardown }
}

extension TDXModule {
  /// Number of TDs, those that are being torn down included.
  public var tdCount: Int { tds.count }

  /// Every TD by the address of its TDR, ascending.
  public var inspectedTDs: [TDInspection] {
    var owned: [UInt64: UInt64] = [:]
    for (_, entry) in pamt.assigned where entry.type != .tdr {
      owned[entry.owner, default: 0] &+= 1 << (9 * UInt64(entry.level))
    }
    let byTD = Dictionary(grouping: vcpus.keys) { vcpus[$0]?.tdr ?? 0 }
    return tds.keys.sorted().compactMap { tdr in
      guard let td = tds[tdr] else { return nil }
      return TDInspection(
        tdr: tdr, keyID: td.hkid, lifecycle: td.lifecycle, opState: td.opState, isFatal: td.isFatal,
        seamdbIndex: td.seamdb.index, childCount: td.childCount, ownedPages: owned[tdr] ?? 0,
        mappedPages: td.sept.mappedPages, vcpus: (byTD[tdr] ?? []).sorted())
    }
  }
}

extension SecureEPT {
  /// Pages that leaf entries name, in 4-KiB pages.
  fileprivate var mappedPages: UInt64 {
    entries.reduce(0) { sum, item in
      item.value.state.isLeaf ? sum &+ 1 << (9 * (item.key & 7)) : sum
    }
  }
}
