import CFuse3
import Glibc
import SystemPackage

extension Request where Operation: Fallible {
  /// The call fails with `error`.
  public consuming func reply(error: Errno) {
    let code = error.answerCode
    answer.give { fuse_reply_err($0, code) }
  }
}

extension Request where Operation: AnsweredByDone {
  /// It is done.
  public consuming func replyDone() {
    answer.give { fuse_reply_err($0, 0) }
  }
}

// The same for the requests that come with every use of a file, where the caller's room would go through unspecialised code.
extension Request where Operation == Op.Open {
  /// The file is open.
  public consuming func reply(opened: Opened) {
    var info = fuse_file_info(opened)
    answer.give { fuse_reply_open($0, &info) }
  }
}

extension Request where Operation == Op.Release {
  /// It is done.
  public consuming func replyDone() {
    answer.give { fuse_reply_err($0, 0) }
  }
}

extension Request where Operation: AnsweredByEntry {
  /// The name is this node's.
  public consuming func reply(entry: Entry) {
    var parameters = fuse_entry_param(entry)
    answer.give { fuse_reply_entry($0, &parameters) }
  }
}

extension Request where Operation == Op.Create {
  /// The name was made, is this node's, and the file is open.
  public consuming func reply(entry: Entry, opened: Opened) {
    var parameters = fuse_entry_param(entry)
    var info = fuse_file_info(opened)
    answer.give { fuse_reply_create($0, &parameters, &info) }
  }
}

extension Request where Operation: AnsweredByAttributes {
  /// The attributes, which may be used for `validity`.
  public consuming func reply(attributes: Attributes, validity: Validity) {
    var stat = attributes.stat
    answer.give { fuse_reply_attr($0, &stat, validity.seconds) }
  }
}

extension Request where Operation: AnsweredByOpened {
  /// The file is open.
  public consuming func reply(opened: Opened) {
    var info = fuse_file_info(opened)
    answer.give { fuse_reply_open($0, &info) }
  }
}

extension Request where Operation == Op.Readlink {
  /// The link refers to `target`.
  public consuming func reply(target: String) {
    answer.give { fuse_reply_readlink($0, target) }
  }
}

extension Request where Operation == Op.Read {
  /// The bytes; what goes beyond the size asked for is cut.
  public consuming func reply(bytes: UnsafeRawBufferPointer) {
    let count = min(bytes.count, operation.size)
    answer.give { fuse_reply_buf($0, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), count) }
  }

  /// The bytes; what goes beyond the size asked for is cut.
  public consuming func reply(bytes: RawSpan) {
    let count = min(bytes.byteCount, operation.size)
    answer.give { request in
      bytes.withUnsafeBytes { fuse_reply_buf(request, $0.baseAddress?.assumingMemoryBound(to: CChar.self), count) }
    }
  }

  /// The bytes; what goes beyond the size asked for is cut.
  public consuming func reply(bytes: borrowing [UInt8]) {
    reply(bytes: bytes.span.bytes)
  }

  /// The end of the file.
  public consuming func replyEnd() {
    answer.give { fuse_reply_buf($0, nil, 0) }
  }
}

extension Request where Operation == Op.Write {
  /// `count` bytes were taken. Fewer than asked end the call with that number.
  public consuming func reply(written count: Int) {
    let taken = max(0, min(count, operation.size))
    answer.give { fuse_reply_write($0, taken) }
  }
}

extension Request where Operation == Op.Poll {
  /// These events hold.
  public consuming func reply(events: PollEvents) {
    answer.give { fuse_reply_poll($0, events.rawValue) }
  }
}

extension Request where Operation == Op.Lseek {
  /// Found at `offset`.
  public consuming func reply(offset: Int64) {
    answer.give { fuse_reply_lseek($0, off_t(offset)) }
  }
}

extension Request where Operation == Op.Ioctl {
  /// The call returns `result`, and the caller's memory gets `output`, cut to the room there is.
  public consuming func reply(result: Int32, output: borrowing [UInt8] = []) {
    let count = min(output.count, operation.outputSize)
    let bytes = output.span.bytes
    answer.give { request in bytes.withUnsafeBytes { fuse_reply_ioctl(request, result, $0.baseAddress, count) } }
  }
}

extension Request where Operation == Op.Readdir {
  /// The entries; an empty buffer is the end of the directory.
  public consuming func reply(_ buffer: borrowing DirectoryBuffer) {
    let bytes = buffer.bytes
    let count = min(bytes.count, operation.size)
    answer.give { fuse_reply_buf($0, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), count) }
  }
}

extension Request where Operation == Op.Statfs {
  /// The statistics.
  public consuming func reply(_ statistics: FilesystemStatistics) {
    var answered = statvfs()
    answered.f_bsize = numericCast(statistics.blockSize)
    answered.f_frsize = numericCast(statistics.fragmentSize)
    answered.f_blocks = numericCast(statistics.blocks)
    answered.f_bfree = numericCast(statistics.freeBlocks)
    answered.f_bavail = numericCast(statistics.availableBlocks)
    answered.f_files = numericCast(statistics.files)
    answered.f_ffree = numericCast(statistics.freeFiles)
    answered.f_namemax = numericCast(statistics.maximumNameLength)
    answer.give { fuse_reply_statfs($0, &answered) }
  }
}

extension Request where Operation: AnsweredByValue {
  /// The value. Its number of bytes is answered where only that was asked, ERANGE where the room is too small.
  public consuming func reply(value: borrowing [UInt8]) {
    let (room, bytes) = (operation.size, value.span.bytes)
    answer.give { request in
      if room <= 0 { return fuse_reply_xattr(request, bytes.byteCount) }
      if bytes.byteCount > room { return fuse_reply_err(request, ERANGE) }
      return bytes.withUnsafeBytes {
        fuse_reply_buf(request, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
      }
    }
  }
}

extension fuse_entry_param {
  fileprivate init(_ entry: Entry) {
    self.init()
    ino = entry.node.rawValue
    generation = entry.generation
    attr = entry.attributes.stat
    attr_timeout = entry.attributesValidity.seconds
    entry_timeout = entry.nameValidity.seconds
  }
}

extension fuse_file_info {
  fileprivate init(_ opened: Opened) {
    self.init()
    fh = opened.handle.rawValue
    direct_io = opened.directIO ? 1 : 0
    keep_cache = opened.keepCache ? 1 : 0
    nonseekable = opened.nonSeekable ? 1 : 0
  }
}
