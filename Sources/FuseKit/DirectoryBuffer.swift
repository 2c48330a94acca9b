import CFuse3
import Glibc

/// Entries of a directory in the form of the answer to readdir (`fuse_add_direntry`).
public struct DirectoryBuffer: ~Copyable {
  private let storage: UnsafeMutableRawBufferPointer
  private var used = 0

  /// A buffer of `capacity` bytes; of the request's size to answer one.
  public init(capacity: Int) {
    storage = .allocate(byteCount: max(0, min(capacity, 1 << 20)), alignment: 8)
  }

  deinit { storage.deallocate() }

  /// No entry was added.
  public var isEmpty: Bool { used == 0 }

  /// Adds an entry. `next` is the offset from which the entry behind it is read. False when there was no room.
  public mutating func append(name: String, inode: UInt64, type: FileType, next: Int64) -> Bool {
    var stat = Glibc.stat()
    stat.st_ino = numericCast(inode)
    stat.st_mode = type.rawValue
    let room = storage.count - used
    let position = storage.baseAddress.map { ($0 + used).assumingMemoryBound(to: CChar.self) }
    let needed = fuse_add_direntry(nil, position, room, name, &stat, off_t(next))
    guard needed <= room else { return false }
    used += needed
    return true
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[..<used]) }
}
