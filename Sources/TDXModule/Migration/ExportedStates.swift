/// What an export makes of entries of the secure EPT (tdx-module.md 6.6; tables of module source 1.5.01).
extension SEPTState {
  /// TDH.EXPORT.BLOCKW: the state with writes blocked; nil where it does not work.
  var writeBlocked: SEPTState? {
    switch self {
    case .mapped: .blockedW
    case .exportedDirty: .exportedDirtyBlockedW
    case .pending: .pendingBlockedW
    case .pendingExportedDirty: .pendingExportedDirtyBlockedW
    case .free, .blocked, .pendingBlocked, .removed, .blockedW, .exportedBlockedW, .exportedDirtyBlockedW,
      .pendingBlockedW, .pendingExportedBlockedW, .pendingExportedDirtyBlockedW, .nonLeafBlocked, .nonLeafMapped:
      nil
    }
  }

  /// TDH.EXPORT.UNBLOCKW: the state in which the guest can write again; nil where it does not work.
  var writeUnblocked: SEPTState? {
    switch self {
    case .blockedW: .mapped
    case .exportedBlockedW, .exportedDirtyBlockedW: .exportedDirty
    case .pendingBlockedW: .pending
    case .pendingExportedBlockedW, .pendingExportedDirtyBlockedW: .pendingExportedDirty
    case .free, .blocked, .pending, .pendingBlocked, .mapped, .removed, .exportedDirty, .pendingExportedDirty,
      .nonLeafBlocked, .nonLeafMapped:
      nil
    }
  }

  /// TDH.EXPORT.RESTORE and a cancelled export: the state as if nothing had been exported; nil for a page that was not.
  var restored: SEPTState? {
    switch self {
    case .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW: .mapped
    case .pendingExportedBlockedW, .pendingExportedDirty, .pendingExportedDirtyBlockedW: .pending
    case .free, .blocked, .pending, .pendingBlocked, .mapped, .removed, .blockedW, .pendingBlockedW, .nonLeafBlocked,
      .nonLeafMapped:
      nil
    }
  }

  /// TDH.EXPORT.MEM: the state of a page that was just exported; nil where it does not work.
  var exported: SEPTState? {
    switch self {
    case .mapped, .blockedW, .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW: .exportedBlockedW
    case .pending, .pendingBlockedW, .pendingExportedBlockedW, .pendingExportedDirty, .pendingExportedDirtyBlockedW:
      .pendingExportedBlockedW
    case .free, .blocked, .pendingBlocked, .removed, .nonLeafBlocked, .nonLeafMapped: nil
    }
  }

  /// Whether the page was exported in this session, in whatever version.
  var isExported: Bool { restored != nil }

  /// Whether the page has changed, or may have, since it was exported.
  var isExportedDirty: Bool {
    switch self {
    case .exportedDirty, .exportedDirtyBlockedW, .pendingExportedDirty, .pendingExportedDirtyBlockedW: true
    case .free, .blocked, .pending, .pendingBlocked, .mapped, .removed, .blockedW, .exportedBlockedW,
      .pendingBlockedW, .pendingExportedBlockedW, .nonLeafBlocked, .nonLeafMapped:
      false
    }
  }

  /// Whether the guest cannot change the page, so that it can be exported while the guest runs.
  var isWriteBlocked: Bool {
    switch self {
    case .blockedW, .exportedBlockedW, .exportedDirtyBlockedW, .pendingBlockedW, .pendingExportedBlockedW,
      .pendingExportedDirtyBlockedW:
      true
    case .free, .blocked, .pending, .pendingBlocked, .mapped, .removed, .exportedDirty, .pendingExportedDirty,
      .nonLeafBlocked, .nonLeafMapped:
      false
    }
  }

  /// Whether there is no content.
  var isContentPending: Bool { exported == .pendingExportedBlockedW || self == .pendingBlocked }
}
