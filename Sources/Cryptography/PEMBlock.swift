import CLibcrypto

/// One block of a PEM file (RFC 7468).
struct PEMBlock {
  /// What stands behind BEGIN.
  let label: String
  /// The decoded bytes.
  let bytes: [UInt8]

  /// The block in `text`; nil when there is none or more than one. What stands around it does not count.
  static func only(in text: String) -> PEMBlock? {
    var text = Array(text.utf8)
    let reader = BIO_new_mem_buf(&text, Int32(clamping: text.count))
    defer {
      BIO_free(reader)
      ERR_clear_error()
    }
    guard let block = next(reader), next(reader) == nil else { return nil }
    return block
  }

  private static func next(_ reader: OpaquePointer?) -> PEMBlock? {
    var label: UnsafeMutablePointer<CChar>?
    var header: UnsafeMutablePointer<CChar>?
    var bytes: UnsafeMutablePointer<UInt8>?
    var count = 0
    guard PEM_read_bio(reader, &label, &header, &bytes, &count) == 1, let label else { return nil }
    defer {
      clibcrypto_free(label)
      clibcrypto_free(header)
      clibcrypto_free(bytes)
    }
    return PEMBlock(
      label: String(cString: label), bytes: Array(UnsafeBufferPointer(start: bytes, count: max(0, count))))
  }
}
