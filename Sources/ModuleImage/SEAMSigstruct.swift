import Basics

/// SEAM_SIGSTRUCT: the signed description of a TDX module image, 2048 bytes (pseamldr.md 2.4).
///
/// The bytes are kept as they are; the fields are read from and written to them.
public struct SEAMSigstruct: Equatable, Sendable {
  /// Size in bytes.
  public static let size = 2048

  /// All 2048 bytes.
  public private(set) var bytes: [UInt8]

  /// A sigstruct of `bytes`; anything beyond 2048 bytes is left out, and nil is for fewer.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count >= Self.size else { return nil }
    self.bytes = Array(bytes.prefix(Self.size))
  }

  /// A sigstruct of zeros.
  public init() {
    bytes = [UInt8](repeating: 0, count: Self.size)
  }

  /// A field of the structure: where it lies and what integer it holds.
  public typealias Field = WireField

  /// Reads or writes one field.
  public subscript<Value>(field: Field<Value>) -> Value {
    get { Value(littleEndianBytes: bytes[field.offset..<(field.offset + MemoryLayout<Value>.size)]) }
    set { bytes.store(newValue, at: field.offset) }
  }

  /// HEADER_TYPE, must be 6.
  public static let headerType = Field<UInt32>(offset: 0, name: "HEADER_TYPE")
  /// HEADER_LENGTH in dwords, must be 0xE1.
  public static let headerLength = Field<UInt32>(offset: 4, name: "HEADER_LENGTH")
  /// HEADER_VERSION, must be 0x00010000.
  public static let headerVersion = Field<UInt32>(offset: 8, name: "HEADER_VERSION")
  /// MODULE_TYPE: bit 31 = debug-signed, bits 30:0 = 0.
  public static let moduleType = Field<UInt32>(offset: 12, name: "MODULE_TYPE")
  /// MODULE_VENDOR, must be 0x8086.
  public static let moduleVendor = Field<UInt32>(offset: 16, name: "MODULE_VENDOR")
  /// DATE, BCD yyyymmdd.
  public static let date = Field<UInt32>(offset: 20, name: "DATE")
  /// SIZE in dwords, must be 0x200.
  public static let sizeInDwords = Field<UInt32>(offset: 24, name: "SIZE")
  /// KEY_SIZE in dwords, must be 0x60.
  public static let keySize = Field<UInt32>(offset: 28, name: "KEY_SIZE")
  /// MODULUS_SIZE in dwords, must be 0x60.
  public static let modulusSize = Field<UInt32>(offset: 32, name: "MODULUS_SIZE")
  /// EXPONENT_SIZE in dwords, must be 1.
  public static let exponentSize = Field<UInt32>(offset: 36, name: "EXPONENT_SIZE")
  /// EXPONENT, must be 65537.
  public static let exponent = Field<UInt32>(offset: 512, name: "EXPONENT")
  /// SEAMSVN minor.
  public static let minorSVN = Field<UInt8>(offset: 948, name: "SEAMSVN.MINOR")
  /// SEAMSVN major.
  public static let majorSVN = Field<UInt8>(offset: 949, name: "SEAMSVN.MAJOR")
  /// ATTRIBUTES, must be 0.
  public static let attributes = Field<UInt64>(offset: 950, name: "ATTRIBUTES")
  /// RIP_OFFSET: entry point from the start of the image.
  public static let ripOffset = Field<UInt32>(offset: 958, name: "RIP_OFFSET")
  /// NUM_STACK_PAGES: data-stack pages a LP, minus one.
  public static let numStackPages = Field<UInt8>(offset: 962, name: "NUM_STACK_PAGES")
  /// NUM_TLS_PAGES: data pages a LP, minus one.
  public static let numTLSPages = Field<UInt8>(offset: 963, name: "NUM_TLS_PAGES")
  /// NUM_KEYHOLE_PAGES a LP, minus one.
  public static let numKeyholePages = Field<UInt16>(offset: 964, name: "NUM_KEYHOLE_PAGES")
  /// NUM_GLOBAL_DATA_PAGES minus one.
  public static let numGlobalDataPages = Field<UInt16>(offset: 966, name: "NUM_GLOBAL_DATA_PAGES")
  /// MAX_TDMRS, 0 in all releases.
  public static let maxTDMRs = Field<UInt16>(offset: 968, name: "MAX_TDMRS")
  /// MAX_RSVD_PER_TDMR, 0 in all releases.
  public static let maxReservedPerTDMR = Field<UInt16>(offset: 970, name: "MAX_RSVD_PER_TDMR")
  /// PAMT entry size of 4 KiB pages, 0 in all releases.
  public static let pamt4KEntrySize = Field<UInt16>(offset: 972, name: "PAMT_ENTRY_SIZE_4K")
  /// PAMT entry size of 2 MiB pages, 0 in all releases.
  public static let pamt2MEntrySize = Field<UInt16>(offset: 974, name: "PAMT_ENTRY_SIZE_2M")
  /// PAMT entry size of 1 GiB pages, 0 in all releases.
  public static let pamt1GEntrySize = Field<UInt16>(offset: 976, name: "PAMT_ENTRY_SIZE_1G")
  /// MODULE_HV: native handoff version.
  public static let moduleHV = Field<UInt16>(offset: 984, name: "MODULE_HV")
  /// MIN_UPDATE_HV: oldest handoff version that the module imports.
  public static let minUpdateHV = Field<UInt16>(offset: 986, name: "MIN_UPDATE_HV")
  /// NO_DOWNGRADE.
  public static let noDowngrade = Field<UInt8>(offset: 988, name: "NO_DOWNGRADE")
  /// NUM_HANDOFF_PAGES minus one.
  public static let numHandoffPages = Field<UInt16>(offset: 990, name: "NUM_HANDOFF_PAGES")
  /// GDT_IDT_OFFSET, a multiple of 4096.
  public static let gdtIDTOffset = Field<UInt32>(offset: 992, name: "GDT_IDT_OFFSET")
  /// FAULT_WRAPPER_OFFSET.
  public static let faultWrapperOffset = Field<UInt32>(offset: 996, name: "FAULT_WRAPPER_OFFSET")
  /// MODULE_VERSION of the 2.0 line: u16 update, u8 minor, u8 major.
  public static let moduleVersion = Field<UInt32>(offset: 1000, name: "MODULE_VERSION")
  /// RELEASE_INFO of the 2.0 line: u16 build number, u16 internal version.
  public static let releaseInfo = Field<UInt32>(offset: 1004, name: "RELEASE_INFO")
  /// CPUID_TABLE_SIZE, at most 255 entries.
  public static let cpuidTableSize = Field<UInt32>(offset: 1024, name: "CPUID_TABLE_SIZE")

  /// Where the CPUID table lies: 255 entries of 4 bytes.
  public static let cpuidTableOffset = 1028
  /// Entries that there is room for.
  public static let maxCPUIDEntries = 255

  /// 88 bytes, must be 0.
  public static let reserved0 = 40..<128
  /// MODULUS, 384 bytes, a little-endian number. Not signed.
  public static let modulusRange = 128..<512
  /// SIGNATURE, 384 bytes, a little-endian number. Not signed.
  public static let signatureRange = 516..<900
  /// SEAMHASH, SHA-384 of the image pages.
  public static let seamHashRange = 900..<948
  /// 6 bytes, must be 0.
  public static let reserved1 = 978..<984
  /// 1 byte, must be 0.
  public static let reserved2 = 989..<990
  /// 24 bytes: must be 0 by the 1.5 loaders' rules; MODULE_VERSION and RELEASE_INFO in the 2.0 line.
  public static let reserved3 = 1000..<1024

  /// The bytes in `range`.
  public func slice(_ range: Range<Int>) -> ArraySlice<UInt8> { bytes[range] }

  /// Replaces the bytes of `range`, of which `newBytes` must have the length; else nothing happens.
  public mutating func replace(_ range: Range<Int>, with newBytes: some Collection<UInt8>) {
    guard newBytes.count == range.count else { return }
    bytes.store(newBytes, at: range.lowerBound)
  }

  /// The bytes that the signature covers: [0, 128) and [900, 2048), 1276 in all.
  public var signedBytes: [UInt8] { Array(bytes[0..<128]) + Array(bytes[900..<2048]) }

  /// MODULE_TYPE bit 31.
  public var isDebugSigned: Bool { self[Self.moduleType] >> 31 != 0 }

  /// The CPUID.1.EAX values of the table, as many as CPUID_TABLE_SIZE says and there is room for.
  public var cpuidTable: [UInt32] {
    let count = min(Int(self[Self.cpuidTableSize]), Self.maxCPUIDEntries)
    return (0..<count).map { self[Field<UInt32>(offset: Self.cpuidTableOffset + 4 * $0, name: "CPUID_TABLE")] }
  }
}
