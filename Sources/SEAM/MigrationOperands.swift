// Operands of the migration leaves that are more than an address (TDX module ABI specification, "TD migration"; read in the
// module source 1.5.01). How a host moves a TD from one TDR to another, each line a SEAMCALL, `S` the source and `D` the
// destination:
//
//     TDH.MIG.STREAM.CREATE, twice at least, for S and D        the first stream goes backward, the others forward
//     TDH.SERVTD.BIND of a migration TD (type 0) to S and D     before TDH.MR.FINALIZE of S, before the import of D
//     in the migration TD: TDG.SERVTD.RD MIG_ENC_KEY of S, TDG.SERVTD.WR MIG_DEC_KEY of D, and the other way round
//     TDH.EXPORT.STATE.IMMUTABLE S                              RUNNABLE -> LIVE_EXPORT
//     TDH.IMPORT.STATE.IMMUTABLE D                              UNINITIALIZED -> MEMORY_IMPORT
//     TDH.EXPORT.BLOCKW, TDH.MEM.TRACK, TDH.EXPORT.MEM S        pages of a running TD
//     TDH.MEM.SEPT.ADD, TDH.IMPORT.MEM D
//     TDH.EXPORT.TRACK S, TDH.IMPORT.TRACK D                    next epoch
//     TDH.EXPORT.PAUSE S                                        -> PAUSED_EXPORT; its pages need no BLOCKW any more
//     TDH.EXPORT.STATE.TD S, TDH.IMPORT.STATE.TD D              D -> STATE_IMPORT
//     TDH.EXPORT.STATE.VP S, TDH.VP.CREATE, TDH.VP.ADDCX, TDH.IMPORT.STATE.VP D, for each vCPU
//     TDH.EXPORT.TRACK with the start token S, TDH.IMPORT.TRACK D   -> POST_EXPORT, POST_IMPORT
//     TDH.IMPORT.END D                                          -> RUNNABLE; S is torn down

/// R10 of the migration leaves: which stream, and whether an interrupted call goes on.
public struct MigrationStreamOperand: RawRepresentable, Equatable, Sendable {
  /// Bits 15:0 MIGS_INDEX, bit 63 COMMAND, others 0.
  public let rawValue: UInt64

  /// The operand with the bits `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Stream `index`; `command` is RESUME, in TDH.EXPORT.TRACK "the in-order phase is done" (start token).
  public init(index: UInt16 = 0, command: Bool = false) {
    rawValue = UInt64(index) | (command ? 1 << 63 : 0)
  }

  /// Index of a forward stream.
  public var index: UInt16 { UInt16(truncatingIfNeeded: rawValue) }
  /// Bit 63.
  public var command: Bool { rawValue >> 63 != 0 }
  /// Bits 62:16, must be 0.
  public var reserved: UInt64 { (rawValue & ~(1 << 63)) >> 16 }
}

/// R8 of the migration leaves: address and size of the buffer for an MBMD.
public struct MBMDOperand: RawRepresentable, Equatable, Sendable {
  /// Bits 51:0 HPA, bits 63:52 size of the buffer in bytes.
  public let rawValue: UInt64

  /// The operand with the bits `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// A buffer of `size` bytes at `address`.
  public init(address: UInt64, size: UInt16 = UInt16(MBMDLayout.size)) {
    rawValue = address & ((1 << 52) - 1) | UInt64(size) << 52
  }

  /// Address of the buffer, in shared memory, a multiple of ``MBMDLayout/alignment``.
  public var address: UInt64 { rawValue & ((1 << 52) - 1) }
  /// Bytes that the buffer has; at least ``MBMDLayout/size``.
  public var size: UInt64 { rawValue >> 52 }
}

/// The migration bundle metadata: 48 bytes, byte offsets from the start.
public enum MBMDLayout {
  /// Bytes of an MBMD, its field SIZE.
  public static let size = 48
  /// Alignment of the buffer.
  public static let alignment: UInt64 = 128
  /// u16: SIZE.
  public static let sizeField = 0
  /// u16: MIG_VERSION.
  public static let version = 2
  /// u16: MIGS_INDEX, not covered by the MAC.
  public static let streamIndex = 4
  /// u8: MB_TYPE, see ``MigrationBundleType``; u8 reserved.
  public static let type = 6
  /// u32: MB_COUNTER.
  public static let counter = 8
  /// u32: MIG_EPOCH.
  public static let epoch = 12
  /// u64: IV_COUNTER, not covered by the MAC.
  public static let ivCounter = 16
  /// u64: what the type says: number of GPAs, NUM_F_MIGS | NUM_SYS_MD_PAGES << 32, VP_INDEX, TOTAL_MB.
  public static let body = 24
  /// 16 bytes: AES-GCM tag of the bytes before, with MIGS_INDEX and IV_COUNTER zero, and of what the bundle carries.
  public static let mac = 32
}

/// MB_TYPE.
public enum MigrationBundleType: UInt8, Sendable {
  case immutableTDState = 0
  case mutableTDState = 1
  case mutableVCPUState = 2
  case memory = 16
  case epochToken = 32
  case abortToken = 33
}

/// R9 of TDH.EXPORT.STATE.* and TDH.IMPORT.STATE.*: a page of page addresses.
public struct PageListInfo: RawRepresentable, Equatable, Sendable {
  /// Bits 51:12 HPA, bits 63:55 LAST_ENTRY, others 0.
  public let rawValue: UInt64

  /// The operand with the bits `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// A list of `count` (1 to 512) addresses, 8 bytes each, in the page at `address`.
  public init(address: UInt64, count: Int) {
    rawValue = address & PageListInfo.addressBits | UInt64(max(1, min(count, 512)) - 1) << 55
  }

  /// Address of the list.
  public var address: UInt64 { rawValue & Self.addressBits }
  /// Index of the last address.
  public var lastEntry: Int { Int(truncatingIfNeeded: rawValue >> 55) }
  /// Bits 11:0 and 54:52, must be 0.
  public var reserved: UInt64 { rawValue & 0x0070_0000_0000_0FFF }

  static let addressBits: UInt64 = 0x000F_FFFF_FFFF_F000
}

/// RCX of TDH.EXPORT.MEM, TDH.IMPORT.MEM, TDH.EXPORT.BLOCKW and TDH.EXPORT.RESTORE, in and out: a page of ``GPAListEntry``.
public struct GPAListInfo: RawRepresentable, Equatable, Sendable {
  /// Bits 2:0 FORMAT (0), 11:3 FIRST_ENTRY, 51:12 HPA, 63:55 LAST_ENTRY, others 0.
  public let rawValue: UInt64

  /// The operand with the bits `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// A list of `count` (1 to 512) entries in the page at `address`.
  public init(address: UInt64, count: Int) {
    rawValue = address & PageListInfo.addressBits | UInt64(max(1, min(count, 512)) - 1) << 55
  }

  /// FORMAT: 0 = GPAs only.
  public var format: UInt64 { rawValue & 7 }
  /// Index of the first entry to look at.
  public var firstEntry: Int { Int(truncatingIfNeeded: rawValue >> 3 & 0x1FF) }
  /// Address of the list.
  public var address: UInt64 { rawValue & PageListInfo.addressBits }
  /// Index of the last entry to look at.
  public var lastEntry: Int { Int(truncatingIfNeeded: rawValue >> 55) }
  /// Bits 54:52, must be 0.
  public var reserved: UInt64 { rawValue >> 52 & 7 }

  /// The same list from entry `index` on, of which 9 bits are kept.
  public func starting(at index: Int) -> Self {
    Self(rawValue: rawValue & ~(0x1FF << 3) | (UInt64(truncatingIfNeeded: index) & 0x1FF) << 3)
  }
}

/// What is to be done with one page of a GPA list, and what became of it.
public struct GPAListEntry: RawRepresentable, Equatable, Sendable {
  /// Bits 1:0 LEVEL (0), 2 PENDING, 9:7 L2_MAP, 11:10 MIG_TYPE, 51:12 GPA, 53:52 OPERATION, 60:56 STATUS, others 0.
  public var rawValue: UInt64

  /// The entry with the bits `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// `operation` on the page at `gpa`.
  public init(gpa: UInt64, _ operation: Operation = .migrate) {
    rawValue = gpa & PageListInfo.addressBits | UInt64(operation.rawValue) << 52
  }

  /// OPERATION.
  public enum Operation: UInt8, Sendable {
    case none = 0
    /// In a list for the export both of these mean MIGRATE.
    case migrate = 1
    case cancel = 2
    case remigrate = 3
  }

  /// STATUS.
  public enum Status: UInt8, Sendable {
    case success = 0
    case skipped = 1
    case septWalkFailed = 2
    case septEntryBusyHostPriority = 3
    case septEntryStateIncorrect = 4
    case tlbTrackingNotDone = 5
    case opStateIncorrect = 6
    case migratedInCurrentEpoch = 7
    case migrationBufferNotAvailable = 8
    case newPageNotAvailable = 9
    case invalidPageMAC = 10
    case disallowedImportOverRemoved = 11
    case tdPageBusyHostPriority = 12
    case l2SEPTWalkFailed = 13
    case attributeListEntryInvalid = 14
    case gpaListEntryInvalid = 15
  }

  /// Guest physical address of the page.
  public var gpa: UInt64 { rawValue & PageListInfo.addressBits }
  /// PENDING: the page has no contents yet.
  public var isPending: Bool {
    get { rawValue >> 2 & 1 != 0 }
    set { rawValue = rawValue & ~(1 << 2) | (newValue ? 1 << 2 : 0) }
  }
  /// What is to be done.
  public var operation: Operation {
    get { Operation(rawValue: UInt8(truncatingIfNeeded: rawValue >> 52 & 3)) ?? .none }
    set { rawValue = rawValue & ~(3 << 52) | UInt64(newValue.rawValue) << 52 }
  }
  /// What became of it; nil for a number without meaning.
  public var status: Status? {
    get { Status(rawValue: UInt8(truncatingIfNeeded: rawValue >> 56 & 0x1F)) }
    set { rawValue = rawValue & ~(0x1F << 56) | UInt64((newValue ?? .success).rawValue) << 56 }
  }
  /// Whether LEVEL and the reserved bits are 0.
  public var isWellFormed: Bool { rawValue & 0xE0C0_0000_0000_0078 == 0 && rawValue & 3 == 0 }
}

/// An entry of the list of migration buffers (R9 of TDH.EXPORT.MEM and TDH.IMPORT.MEM) or of new pages (R13 of
/// TDH.IMPORT.MEM).
public struct PageListEntry: RawRepresentable, Equatable, Sendable {
  /// Bits 51:12 HPA, bit 63 INVALID: there is no page.
  public var rawValue: UInt64

  /// The entry with the bits `rawValue`.
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// No page.
  public static let invalid = Self(rawValue: 1 << 63)

  /// Address of the page.
  public var address: UInt64 { rawValue & PageListInfo.addressBits }
  /// Whether there is no page.
  public var isInvalid: Bool { rawValue >> 63 != 0 }
}

/// Field ids that a migration TD reads with TDG.SERVTD.RD and writes with TDG.SERVTD.WR; element `n` of a key is the id + n.
public enum MigrationFieldID {
  /// MIG_DEC_KEY, 4 elements, writable: the key under which the peer encrypts.
  public static let decryptionKey: UInt64 = 0x9810_0003_0000_0010
  /// MIG_ENC_KEY, 4 elements: the key under which this TD encrypts. Reading the first element makes a new key.
  public static let encryptionKey: UInt64 = 0x9810_0003_0000_0018
  /// MIG_VERSION, writable.
  public static let version: UInt64 = 0x9810_0001_0000_0020
}
