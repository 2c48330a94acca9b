import SystemPackage

/// The bytes that were written to `data` and not uploaded yet (`fw_priv` with its pages).
///
/// Its size is the end of the write that reached farthest; it never shrinks but by being dropped. Gaps read as zeros,
/// where the kernel gives uninitialised pages.
struct StagedImage: Codable {
  private(set) var bytes: [UInt8] = []

  /// Room that is taken at the first byte: memory that is not touched costs nothing, growing by copying does.
  private static let firstRoom = 2 << 20

  /// At most `count` bytes at `offset`; none at or behind the end.
  func read(at offset: Int64, count: Int) -> [UInt8] {
    guard offset >= 0, offset < Int64(bytes.count), count > 0 else { return [] }
    let start = Int(offset)
    return Array(bytes[start..<(start + min(count, bytes.count - start))])
  }

  /// Puts `source` at `offset`.
  /// - Throws: EFBIG when it would end beyond `limit`, which leaves everything as it was. (The kernel narrows the end
  ///   to a signed int, and is lost near 2 GiB.)
  mutating func write(_ source: [UInt8], at offset: Int64, limit: Int) throws(Errno) {
    guard offset >= 0 else { throw .invalidArgument }
    let (end, overflow) = offset.addingReportingOverflow(Int64(source.count))
    guard !overflow, end <= Int64(limit) else { throw .fileTooLarge }
    let start = Int(offset)
    if bytes.isEmpty, limit >= Self.firstRoom { bytes.reserveCapacity(Self.firstRoom) }
    if start > bytes.count { bytes.append(contentsOf: repeatElement(0, count: start - bytes.count)) }
    let overlap = min(source.count, bytes.count - start)
    bytes.replaceSubrange(start..<(start + overlap), with: source.prefix(overlap))
    bytes.append(contentsOf: source.dropFirst(overlap))
  }

  /// How many more pages a write that ends at `end` needs.
  func missesPages(upTo end: Int64) -> Bool {
    end > (Int64(bytes.count) + 4095) / 4096 * 4096
  }

  /// Gives up the bytes (`fw_free_paged_buf`). The room is kept for the next ones, unless it is larger than any image of
  /// today.
  mutating func drop() { bytes.removeAll(keepingCapacity: bytes.capacity <= 2 * Self.firstRoom) }

  /// Hands the bytes over without copying them.
  mutating func take() -> [UInt8] {
    let taken = bytes
    bytes = []
    return taken
  }
}
