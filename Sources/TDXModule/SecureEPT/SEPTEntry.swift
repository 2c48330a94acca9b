/// State of an entry of a secure EPT (tdx-module.md 6.6). The raw value is the public code in RDX[15:8].
enum SEPTState: UInt8, CaseIterable, Sendable {
  case free = 0
  case blocked = 1
  case pending = 2
  case pendingBlocked = 3
  case mapped = 4
  case removed = 5
  case blockedW = 8
  case exportedBlockedW = 9
  case exportedDirty = 11
  case exportedDirtyBlockedW = 12
  case pendingBlockedW = 16
  case pendingExportedBlockedW = 17
  case pendingExportedDirty = 19
  case pendingExportedDirtyBlockedW = 20
  case nonLeafBlocked = 129
  case nonLeafMapped = 132
}

/// One entry of a secure EPT.
struct SEPTEntry: Equatable, Sendable {
  var state: SEPTState
  /// Address of the page, or of the next table; 0 in FREE and REMOVED.
  var hpa: UInt64
}
