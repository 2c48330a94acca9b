import CFuse3
import Glibc
import SystemPackage

/// Answers getattr, open, read and release without libfuse, where the filesystem can at once (``FuseFilesystem/openAtOnce(_:of:)``
/// and its like).
///
/// For every request libfuse takes memory, a place in a list and two locks, so that an interrupt finds it. One that is
/// answered before the next message is read can't be interrupted: the kernel forgets an interrupt with its request.
///
/// Used by the serving thread only.
struct DirectAnswers: ~Copyable {
  /// Header and bytes of an answer, to be written in one piece.
  private let answer: UnsafeMutableRawBufferPointer
  /// The most bytes that a read gives at once.
  private static let room = 4096
  private static let headerSize = MemoryLayout<cfuse3_out_header>.size

  init() { answer = .allocate(byteCount: Self.headerSize + Self.room, alignment: 16) }

  deinit { answer.deallocate() }

  /// Answers `message` to `descriptor`. False, and nothing done, when it is left to libfuse.
  @inline(__always)
  func give(_ message: UnsafeRawBufferPointer, _ filesystem: any FuseFilesystem, to descriptor: Int32) -> Bool {
    guard let header: cfuse3_in_header = Self.part(of: message, at: 0), Int(header.len) == message.count else {
      return false
    }
    let start = MemoryLayout<cfuse3_in_header>.size
    let node = NodeID(rawValue: header.nodeid)
    do throws(Errno) {
      switch Int(header.opcode) {
      case cfuse3_read_file:
        guard let body: cfuse3_read_in = Self.part(of: message, at: start) else { return false }
        let operation = Op.Read(
          handle: FileHandle(rawValue: body.fh), offset: Int64(bitPattern: body.offset), size: Int(body.size),
          flags: OpenFlags(rawValue: Int32(bitPattern: body.flags)), lockOwner: body.lock_owner)
        let room = UnsafeMutableRawBufferPointer(rebasing: answer[Self.headerSize...].prefix(operation.size))
        let credentials = Credentials(uid: header.uid, gid: header.gid, pid: Int32(bitPattern: header.pid))
        guard let count = try filesystem.readAtOnce(operation, by: credentials, into: room) else { return false }
        _ = send(header.unique, count: min(count, room.count), to: descriptor)
      case cfuse3_open:
        guard let body: cfuse3_open_in = Self.part(of: message, at: start) else { return false }
        let operation = Op.Open(flags: OpenFlags(rawValue: Int32(bitPattern: body.flags)))
        guard let opened = try filesystem.openAtOnce(operation, of: node) else { return false }
        let size = MemoryLayout<cfuse3_open_out>.size
        answer.storeBytes(of: cfuse3_open_out(opened), toByteOffset: Self.headerSize, as: cfuse3_open_out.self)
        // A caller who is gone meanwhile releases nothing.
        if !send(header.unique, count: size, to: descriptor) { _ = filesystem.releaseAtOnce(opened.handle) }
      case cfuse3_release:
        guard let body: cfuse3_release_in = Self.part(of: message, at: start),
          filesystem.releaseAtOnce(FileHandle(rawValue: body.fh))
        else { return false }
        _ = send(header.unique, count: 0, to: descriptor)
      case cfuse3_getattr:
        guard let body: cfuse3_getattr_in = Self.part(of: message, at: start) else { return false }
        let hasHandle = body.getattr_flags & UInt32(cfuse3_getattr_handle) != 0
        let handle = hasHandle ? FileHandle(rawValue: body.fh) : nil
        guard let (attributes, validity) = filesystem.getattrAtOnce(node, on: handle) else { return false }
        answer.storeBytes(
          of: cfuse3_attr_out(attributes, validity), toByteOffset: Self.headerSize, as: cfuse3_attr_out.self)
        _ = send(header.unique, count: MemoryLayout<cfuse3_attr_out>.size, to: descriptor)
      default: return false
      }
    } catch {
      _ = send(header.unique, error: error.answerCode, count: 0, to: descriptor)
    }
    return true
  }

  @inline(__always)
  private static func part<Part: BitwiseCopyable>(of message: UnsafeRawBufferPointer, at offset: Int) -> Part? {
    guard message.count >= offset + MemoryLayout<Part>.size else { return nil }
    return message.loadUnaligned(fromByteOffset: offset, as: Part.self)
  }

  /// Writes the answer to `unique`, whose `count` bytes stand behind the header; whether somebody took it.
  @inline(__always)
  private func send(_ unique: UInt64, error: Int32 = 0, count: Int, to descriptor: Int32) -> Bool {
    let length = Self.headerSize + count
    let header = cfuse3_out_header(len: UInt32(truncatingIfNeeded: length), error: -error, unique: unique)
    answer.storeBytes(of: header, toByteOffset: 0, as: cfuse3_out_header.self)
    return cfuse3_write(descriptor, answer.baseAddress, length) >= 0
  }
}

extension Errno {
  /// The errno of an answer: 0 would be success, and the kernel refuses what lies outside of errno's range; both become EIO.
  var answerCode: Int32 { (1..<1000).contains(rawValue) ? rawValue : Glibc.EIO }
}

extension cfuse3_attr_out {
  fileprivate init(_ attributes: Attributes, _ validity: Validity) {
    self.init()
    attr_valid = validity.wholeSeconds
    attr_valid_nsec = validity.nanoseconds
    ino = attributes.inode
    size = UInt64(bitPattern: attributes.size)
    blocks = UInt64(bitPattern: attributes.blocks)
    (atime, atimensec) = Self.time(attributes.accessed)
    (mtime, mtimensec) = Self.time(attributes.modified)
    (ctime, ctimensec) = Self.time(attributes.changed)
    mode = attributes.mode
    nlink = attributes.links
    uid = attributes.uid
    gid = attributes.gid
    rdev = UInt32(truncatingIfNeeded: attributes.device)
    blksize = UInt32(truncatingIfNeeded: attributes.blockSize)
  }

  private static func time(_ time: timespec) -> (UInt64, UInt32) {
    (UInt64(bitPattern: Int64(time.tv_sec)), UInt32(truncatingIfNeeded: time.tv_nsec))
  }
}

extension cfuse3_open_out {
  fileprivate init(_ opened: Opened) {
    self.init()
    fh = opened.handle.rawValue
    if opened.directIO { open_flags |= UInt32(cfuse3_direct_io) }
    if opened.keepCache { open_flags |= UInt32(cfuse3_keep_cache) }
    if opened.nonSeekable { open_flags |= UInt32(cfuse3_nonseekable) }
  }
}
