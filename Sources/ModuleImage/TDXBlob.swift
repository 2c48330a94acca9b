/// The update image of header version 0x100, Linux's `struct tdx_blob` (kernel-abi.md 4.1).
///
/// A page of header, the sigstruct padded to whole pages, the module up to the end of the file.
public enum TDXBlob {
  /// Size of the header in bytes; the sigstruct begins here.
  public static let headerSize = 4096
  /// "TDX-BLOB".
  public static let signature = Array("TDX-BLOB".utf8)

  /// version, 0x0100.
  public static let version = WireField<UInt16>(offset: 0, name: "version")
  /// checksum: all 16-bit words of the file add up to 0.
  public static let checksum = WireField<UInt16>(offset: 2, name: "checksum")
  /// offset_of_module, from the start of the file.
  public static let offsetOfModule = WireField<UInt32>(offset: 4, name: "offset_of_module")
  /// signature, 8 bytes.
  public static let signatureRange = 8..<16
  /// length of the whole file.
  public static let length = WireField<UInt32>(offset: 16, name: "length")
  /// reserved0 and reserved1, zero.
  public static let reserved = 20..<4096
}

/// The update image of header version 0x200, Linux's `struct tdx_image` (kernel-abi.md 4.2).
///
/// A page of header, then the pages of the sigstruct, then those of the module.
public enum TDXImage {
  /// Size of the header in bytes; the sigstruct begins here.
  public static let headerSize = 4096
  /// "TDX-BLOB", the same as in ``TDXBlob`` but elsewhere.
  public static let signature = TDXBlob.signature

  /// version, 0x0200.
  public static let version = WireField<UInt16>(offset: 0, name: "version")
  /// checksum: all 16-bit words of the file add up to 0.
  public static let checksum = WireField<UInt16>(offset: 2, name: "checksum")
  /// signature, 8 bytes.
  public static let signatureRange = 4..<12
  /// sigstruct_nr_pages.
  public static let sigstructPages = WireField<UInt32>(offset: 12, name: "sigstruct_nr_pages")
  /// module_nr_pages.
  public static let modulePages = WireField<UInt32>(offset: 16, name: "module_nr_pages")
  /// reserved, zero.
  public static let reserved = 20..<4096
}

/// The checksum of update images of both versions.
public enum ImageChecksum {
  /// The sum of all little-endian 16-bit words of `bytes` modulo 65536, an odd last byte counted as a word with a zero
  /// above it. It is 0 for an intact image.
  public static func wordSum(_ bytes: [UInt8]) -> UInt16 {
    bytes.withUnsafeBytes { raw in
      var sum: UInt16 = 0
      var offset = 0
      while offset <= raw.count - 2 {
        sum &+= UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        offset += 2
      }
      if let last = raw.last, !raw.count.isMultiple(of: 2) { sum &+= UInt16(last) }
      return sum
    }
  }
}
