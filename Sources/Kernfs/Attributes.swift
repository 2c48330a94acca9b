import SystemPackage

/// Who asks: the credentials that came with a request.
public struct Caller: Hashable, Sendable {
  /// File-system user id.
  public var uid: UInt32
  /// File-system group id.
  public var gid: UInt32
  /// Thread id of the caller, in the namespace of the mount; 0 when it is in none that can be seen.
  public var pid: Int32
  /// Tells open files apart: a decision about a caller may be remembered per open file, pid and uid.
  public var openFile: UInt64

  /// The caller `pid` as `uid`:`gid` on `openFile`.
  public init(uid: UInt32, gid: UInt32, pid: Int32, openFile: UInt64 = 0) {
    self.uid = uid
    self.gid = gid
    self.pid = pid
    self.openFile = openFile
  }
}

/// The text that an attribute's show method makes, `PAGE_SIZE - 1` bytes at most. Its storage is used again and again.
public struct AttributeText: Sendable {
  /// The most that show methods give (`sysfs_emit`).
  public static let capacity = 4095

  /// The text so far.
  public private(set) var bytes: [UInt8] = []

  /// No text.
  public init() {}

  /// Forgets the text and keeps the storage.
  public mutating func clear() { bytes.removeAll(keepingCapacity: true) }

  /// Appends `text`; what goes beyond ``capacity`` is cut.
  public mutating func append(_ text: StaticString) {
    text.withUTF8Buffer { bytes.append(contentsOf: $0.prefix(Self.capacity - bytes.count)) }
  }

  /// Appends `text`; what goes beyond ``capacity`` is cut.
  public mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { bytes.append(contentsOf: $0.prefix(Self.capacity - bytes.count)) }
  }

  /// Appends `text`; what goes beyond ``capacity`` is cut.
  public mutating func append(_ text: Substring) {
    var text = text
    text.withUTF8 { bytes.append(contentsOf: $0.prefix(Self.capacity - bytes.count)) }
  }

  /// Appends `source` as it is; what goes beyond ``capacity`` is cut.
  public mutating func append(bytes source: some Sequence<UInt8>) {
    bytes.append(contentsOf: source.prefix(Self.capacity - bytes.count))
  }

  /// Appends one byte; behind ``capacity`` it is cut.
  public mutating func append(byte: UInt8) {
    if bytes.count < Self.capacity { bytes.append(byte) }
  }

  /// Appends `number` in decimal, with zeros before it up to `width` digits (`%0*u`).
  public mutating func append(decimal number: UInt64, width: Int = 1) {
    // What versions are made of, at every read of one.
    if number < 100, width <= 2, bytes.count <= Self.capacity - 2 {
      let digits = UInt8(truncatingIfNeeded: number)
      if digits >= 10 || width == 2 { bytes.append(UInt8(ascii: "0") &+ digits / 10) }
      bytes.append(UInt8(ascii: "0") &+ digits % 10)
      return
    }
    let length = max(1, min(width, Self.capacity))
    // 20 digits are the most that there are.
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(20, length)) { digits in
      var start = digits.count
      var rest = number
      repeat {
        start -= 1
        digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
      } while rest > 0 && start > 0
      while digits.count - start < length {
        start -= 1
        digits[start] = UInt8(ascii: "0")
      }
      guard bytes.count + digits.count - start <= Self.capacity else { return }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
    }
  }
}

/// What became of a write.
public enum StoreOutcome: Sendable {
  /// The store method took `Int` bytes; write(2) returns that.
  case consumed(Int)
  /// It can't be decided now. The same write is tried again, from the start, when the queue is woken; the caller
  /// sleeps meanwhile, the serving thread does not.
  case wait(WaitQueue)
}

/// A text attribute (`struct device_attribute`): one file, one value.
///
/// Modes and methods are independent, as in the kernel: a missing method is one that throws EIO.
public protocol TextAttribute: Sendable {
  /// Permission bits that the file is made with.
  var mode: UInt16 { get }

  /// Appends the value to `text` (`->show`).
  func show(_ text: inout AttributeText) throws(Errno)

  /// Takes the bytes of one write call, 1…4096 of them (`->store`).
  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome
}

extension TextAttribute {
  /// No show method: EIO.
  public func show(_ text: inout AttributeText) throws(Errno) { throw .ioError }

  /// No store method: EIO.
  public func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome { throw .ioError }
}

/// A binary attribute (`struct bin_attribute`) of size 0: raw bytes at offsets, at most a page a call.
public protocol BinaryAttribute: Sendable {
  /// Permission bits that the file is made with.
  var mode: UInt16 { get }

  /// Up to `count` bytes at `offset`; empty at the end.
  func read(at offset: Int64, count: Int, by caller: Caller) throws(Errno) -> [UInt8]

  /// Takes `bytes` at `offset`, 1…4096 of them; gives the number taken.
  func write(_ bytes: [UInt8], at offset: Int64, by caller: Caller) throws(Errno) -> Int

  /// How many bytes can be read from offset 0 now. stat(2) never shows it; page-cache reads need it (fuse-limits P1).
  var readableLength: Int64 { get }
}

extension BinaryAttribute {
  /// Nothing that page-cache reads could give.
  public var readableLength: Int64 { 0 }
}

/// A file that is not sysfs-like: its whole content, of any size, is made when it is opened, and reads go through that
/// snapshot. The control directory is made of these.
public protocol SnapshotFile: Sendable {
  /// Permission bits that the file is made with.
  var mode: UInt16 { get }

  /// One read gives one line at most, as `/dev/kmsg` gives one record.
  var isReadByLine: Bool { get }

  /// The content now.
  func content() throws(Errno) -> [UInt8]

  /// Where an open waits whose content got ERESTARTSYS, to be tried again when it is woken; nil when it never does.
  var queue: WaitQueue? { get }

  /// Whether a journal keeps what is written to it.
  var isJournaled: Bool { get }

  /// Takes the bytes of one write call, whatever its offset.
  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome

  /// Takes the bytes of one write call at `offset`: for files whose text is longer than one call carries.
  func store(_ bytes: [UInt8], at offset: Int64, by caller: Caller) throws(Errno) -> StoreOutcome

  /// The open file `caller.openFile` is gone.
  func released(by caller: Caller)
}

extension SnapshotFile {
  /// As much as asked.
  public var isReadByLine: Bool { false }

  /// Nobody waits.
  public var queue: WaitQueue? { nil }

  /// All of it.
  public var isJournaled: Bool { true }

  /// A file that can't be written: EIO.
  public func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome { throw .ioError }

  /// The offset means nothing.
  public func store(_ bytes: [UInt8], at offset: Int64, by caller: Caller) throws(Errno) -> StoreOutcome {
    try store(bytes, by: caller)
  }

  /// Nothing is kept per open file.
  public func released(by caller: Caller) {}
}
