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
  /// Address of the page, or of the next table; 0 in FREE and REMOVED.
  var hpa: UInt64
  var state: SEPTState
  /// Bit n: the tree of L2 VM n has an entry here too. Bit 0 is not used.
  var aliases: UInt8 = 0
  /// Of a non-leaf entry: how many entries of the table that it leads to are neither FREE nor REMOVED.
  fileprivate(set) var children: UInt16 = 0

  init(state: SEPTState, hpa: UInt64, aliases: UInt8 = 0) {
    self.hpa = hpa
    self.state = state
    self.aliases = aliases
  }

  /// What nobody put into a table.
  static let free = Self(state: .free, hpa: 0)

  /// The entry with another state.
  func with(_ state: SEPTState) -> Self {
    var entry = self
    entry.state = state
    return entry
  }

  /// Counts an entry of the table that this one leads to, or one less.
  mutating func count(_ change: Int) {
    children = UInt16(clamping: Int(children) + change)
  }
}

extension SEPTState {
  /// Whether the entry maps a page.
  var isLeaf: Bool {
    switch self {
    case .blocked, .pending, .pendingBlocked, .mapped, .blockedW, .exportedBlockedW, .exportedDirty,
      .exportedDirtyBlockedW, .pendingBlockedW, .pendingExportedBlockedW, .pendingExportedDirty,
      .pendingExportedDirtyBlockedW:
      true
    case .free, .removed, .nonLeafBlocked, .nonLeafMapped: false
    }
  }

  /// Bits 2:0 of the entry, read, write and execute: what the hardware lets through. A walk goes on where one is set.
  var permissions: UInt64 {
    switch self {
    case .mapped, .exportedDirty, .nonLeafMapped: 0b111
    case .blockedW, .exportedBlockedW, .exportedDirtyBlockedW: 0b101
    case .free, .blocked, .pending, .pendingBlocked, .removed, .pendingBlockedW, .pendingExportedBlockedW,
      .pendingExportedDirty, .pendingExportedDirtyBlockedW, .nonLeafBlocked:
      0
    }
  }

  /// Whether the hardware finds a mapping here.
  var isPresent: Bool { permissions != 0 }

  /// Whether the entry is in one of the three blocked states.
  var isBlocked: Bool {
    switch self {
    case .blocked, .pendingBlocked, .nonLeafBlocked: true
    case .free, .pending, .mapped, .removed, .blockedW, .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW,
      .pendingBlockedW, .pendingExportedBlockedW, .pendingExportedDirty, .pendingExportedDirtyBlockedW,
      .nonLeafMapped:
      false
    }
  }

  /// Whether the guest has not accepted the page.
  var isPending: Bool {
    switch self {
    case .pending, .pendingBlocked, .pendingBlockedW, .pendingExportedBlockedW, .pendingExportedDirty,
      .pendingExportedDirtyBlockedW:
      true
    case .free, .blocked, .mapped, .removed, .blockedW, .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW,
      .nonLeafBlocked, .nonLeafMapped:
      false
    }
  }

  /// Whether a translation may be in a TLB, so that the entry must have been blocked and tracked before it goes. Not after
  /// an export, which had the TLBs flushed itself.
  var requiresTracking: Bool {
    switch self {
    case .free, .removed, .exportedBlockedW, .pendingExportedBlockedW: false
    case .blocked, .pending, .pendingBlocked, .mapped, .blockedW, .exportedDirty, .exportedDirtyBlockedW,
      .pendingBlockedW, .pendingExportedDirty, .pendingExportedDirtyBlockedW, .nonLeafBlocked, .nonLeafMapped:
      true
    }
  }

  /// What TDH.MEM.RANGE.BLOCK makes of the state; nil where it does not work.
  var blockedForm: SEPTState? {
    switch self {
    case .mapped, .blockedW: .blocked
    case .pending, .pendingBlockedW: .pendingBlocked
    case .nonLeafMapped: .nonLeafBlocked
    case .free, .blocked, .pendingBlocked, .removed, .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW,
      .pendingExportedBlockedW, .pendingExportedDirty, .pendingExportedDirtyBlockedW, .nonLeafBlocked:
      nil
    }
  }

  /// What the state is without the block, itself when there is none.
  var unblockedForm: SEPTState {
    switch self {
    case .blocked: .mapped
    case .pendingBlocked: .pending
    case .nonLeafBlocked: .nonLeafMapped
    case .free, .pending, .mapped, .removed, .blockedW, .exportedBlockedW, .exportedDirty, .exportedDirtyBlockedW,
      .pendingBlockedW, .pendingExportedBlockedW, .pendingExportedDirty, .pendingExportedDirtyBlockedW,
      .nonLeafMapped:
      self
    }
  }
}

extension SEPTEntry {
  /// What a host sees of the entry: the bits of the hardware's format without the module's own. A leaf shows R, W, X,
  /// memory type write-back (5:3), ignore-PAT (6), leaf (7), address and suppress-#VE (63); a non-leaf entry and REMOVED
  /// show only R, W and X; FREE only suppress-#VE.
  var architectural: UInt64 {
    if state == .free { return Self.suppressVE }
    guard state.isLeaf else { return state.permissions }
    return state.permissions | 6 << 3 | 1 << 6 | 1 << 7 | hpa | Self.suppressVE
  }

  private static let suppressVE: UInt64 = 1 << 63

  /// RDX beside it: level (2:0) and public state code (15:8); bits 17:16, the VM, are 0 for the TD itself.
  func information(level: UInt8) -> UInt64 { UInt64(level) | UInt64(state.rawValue) << 8 }
}
