/// Memory under private KeyIDs, as software without them meets it.
///
/// A memory controller keeps a bit of every cache line that says whether it was written under a private KeyID. A read of
/// such a line with another KeyID gives zeros, never the ciphertext. A write with another KeyID is possible on silicon, and
/// makes the next read under the private KeyID a machine check; here such a write is lost.
extension PhysicalMemory {
  /// What the host reads at `hpa` (without key-id bits).
  public func hostRead(_ hpa: UInt64, count: Int) -> [UInt8] {
    var bytes = read(hpa, count: count)
    var start = 0
    while start < bytes.count {
      let address = hpa &+ UInt64(start)
      let end = min(bytes.count, start + Self.pageSize - Int(address % UInt64(Self.pageSize)))
      if page(at: address)?.isPrivate == true {
        for index in start..<end { bytes[index] = 0 }
      }
      start = end
    }
    return bytes
  }

  /// The host writes `bytes` at `hpa` (without key-id bits).
  public mutating func hostWrite(_ bytes: [UInt8], at hpa: UInt64) {
    var rest = bytes[...]
    var address = hpa
    while !rest.isEmpty {
      let chunk = rest.prefix(Self.pageSize - Int(address % UInt64(Self.pageSize)))
      if page(at: address)?.isPrivate != true { write(chunk, at: address) }
      address &+= UInt64(chunk.count)
      rest = rest.dropFirst(chunk.count)
    }
  }

  /// Copies the host's page that contains `source` over the page that contains `target`, under `keyID`. The bytes are shared
  /// until either page is written.
  public mutating func encryptPage(from source: UInt64, to target: UInt64, keyID: UInt16) {
    guard let page = page(at: source), !page.isPrivate else { return setPage(.zeros(keyID: keyID), at: target) }
    setPage(page.under(keyID), at: target)
  }

  /// Gives the pages of `range` that were written under private KeyIDs back to zeros.
  public mutating func forgetPrivatePages(_ range: Range<UInt64>) {
    var address = range.lowerBound
    while address < range.upperBound {
      if page(at: address)?.isPrivate == true { setPage(nil, at: address) }
      address &+= UInt64(Self.pageSize)
    }
  }

  /// Calls `body` with the `count` bytes at `hpa` (without key-id bits), which lie in one page and are not copied; what would
  /// lie in the next page is left out.
  public func withBytes<Result>(
    _ hpa: UInt64, count: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    let start = Int(hpa % UInt64(Self.pageSize))
    let page = page(at: hpa) ?? .zeros(keyID: 0)
    return try page.bytes.withUnsafeBytes { bytes in
      let end = min(bytes.count, start + max(0, count))
      return try body(UnsafeRawBufferPointer(rebasing: bytes[min(start, end)..<end]))
    }
  }
}
