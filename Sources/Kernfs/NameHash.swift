/// The hash by which kernfs orders the children of a directory, 2…2^31-2 (`kernfs_name_hash`).
func kernfsNameHash(_ name: String) -> UInt32 {
  var hash: UInt64 = 0
  for byte in name.utf8 {
    let character = UInt64(byte)
    hash = (hash &+ (character << 4) &+ (character >> 4)) &* 11
  }
  let folded = UInt32(truncatingIfNeeded: (hash &* 0x61C8_8646_80B5_83EB) >> 32) & 0x7FFF_FFFF
  // 0, 1 and INT_MAX stand for the ends of a directory.
  if folded < 2 { return folded + 2 }
  return min(folded, 0x7FFF_FFFE)
}

/// A line of a directory listing (`struct dirent`).
public struct DirectoryEntry: Hashable, Sendable {
  /// `d_name`.
  public let name: String
  /// `d_ino`; ``NodeID/unknown`` for a child that nobody has looked up.
  public let id: NodeID
  /// `d_type`.
  public let kind: FileKind
  /// `d_off`: where a listing goes on behind this line.
  public let nextOffset: UInt64
}

/// Brings children into kernfs' order and gives them their offsets: "." at 0, ".." at 1, a child at its hash. Children
/// of equal hash stand one behind the other, so that no line is lost where a listing is cut.
func listing(
  itself: NodeID, parent: NodeID, children: [(name: String, id: NodeID, kind: FileKind)], from offset: UInt64
) -> [DirectoryEntry] {
  var lines: [DirectoryEntry] = []
  if offset < 1 { lines.append(DirectoryEntry(name: ".", id: itself, kind: .directory, nextOffset: 1)) }
  if offset < 2 { lines.append(DirectoryEntry(name: "..", id: parent, kind: .directory, nextOffset: 2)) }
  let ordered =
    children
    .map { (hash: UInt64(kernfsNameHash($0.name)), child: $0) }
    .sorted { ($0.hash, $0.child.name) < ($1.hash, $1.child.name) }
  var next: UInt64 = 2
  for (hash, child) in ordered {
    let position = max(hash, next)
    next = position + 1
    guard position >= offset else { continue }
    lines.append(DirectoryEntry(name: child.name, id: child.id, kind: child.kind, nextOffset: next))
  }
  return lines
}
