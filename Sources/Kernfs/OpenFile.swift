import Basics

/// The flags of open(2) that decide something here. A filesystem server gets them as the kernel has them.
public struct OpenFlags: OptionSet, Hashable, Sendable {
  /// The bits of `fi->flags`.
  public let rawValue: Int32

  /// The flags `rawValue`.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// `O_WRONLY`.
  public static let writeOnly = OpenFlags(rawValue: 1)
  /// `O_RDWR`.
  public static let readWrite = OpenFlags(rawValue: 2)
  /// `O_APPEND`.
  public static let append = OpenFlags(rawValue: 0o2000)
  #if arch(arm64)
    /// `O_DIRECT`.
    public static let direct = OpenFlags(rawValue: 0o200000)
    /// `O_LARGEFILE`, which the kernel adds to every open of a 64-bit program.
    public static let largeFile = OpenFlags(rawValue: 0o400000)
  #else
    /// `O_DIRECT`.
    public static let direct = OpenFlags(rawValue: 0o40000)
    /// `O_LARGEFILE`, which the kernel adds to every open of a 64-bit program.
    public static let largeFile = OpenFlags(rawValue: 0o100000)
  #endif

  /// `FMODE_READ`; access mode 3 has neither this nor ``allowsWriting``.
  var allowsReading: Bool { rawValue & 3 == 0 || rawValue & 3 == 2 }
  /// `FMODE_WRITE`.
  var allowsWriting: Bool { rawValue & 3 == 1 || rawValue & 3 == 2 }
}

/// What an open request is answered with.
public struct OpenedFile: Hashable, Sendable {
  /// The handle for all further requests on it.
  public let id: OpenFileID
  /// How many bytes page-cache reads (sendfile) can give, where the kernel's idea of the size is smaller: stat(2) says
  /// 0 (fuse-limits P1), or the last such read was short. Else 0.
  public let readableLength: Int64
}

/// What poll(2) is answered with, whatever was asked for.
public struct PollEvents: OptionSet, Hashable, Sendable {
  /// The bits of `revents`.
  public let rawValue: UInt32

  /// The events `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// `DEFAULT_POLLMASK`: IN, OUT, RDNORM, WRNORM.
  public static let always = PollEvents(rawValue: 0x0001 | 0x0004 | 0x0040 | 0x0100)
  /// PRI and ERR: the value has changed, was never read, or is gone.
  public static let changed = PollEvents(rawValue: 0x0002 | 0x0008)
}

/// `struct kernfs_open_file`.
final class OpenFile: @unchecked Sendable {
  let node: Node
  /// The attribute, where the node is a text attribute.
  let text: TextSource?
  let flags: OpenFlags
  /// The content of a snapshot file.
  let content: [UInt8]
  /// The names that lead to the node from the root, once somebody has asked; nothing is ever renamed. Guarded by the
  /// tree's lock.
  var path: String?
  /// Guards what follows; held during show and store.
  let lock: Lock
  @exclusivity(unchecked) var sequence: SequentialText
  /// ``Node/event`` at the last show; no node has 0.
  @exclusivity(unchecked) var event: UInt64 = 0
  /// Where an O_APPEND file of a binary attribute is: kernfs starts at 0 and does not append.
  var appendPosition: Int64 = 0

  init(node: Node, text: TextSource?, flags: OpenFlags, content: [UInt8], parts: OpenFileParts) {
    self.node = node
    self.text = text
    self.flags = flags
    self.content = content
    lock = parts.lock
    sequence = SequentialText(storage: parts.text)
  }

  /// What can be used again when the file is closed, and nobody reads from it any more.
  func takeParts() -> OpenFileParts { OpenFileParts(lock: lock, text: sequence.takeStorage()) }
}

/// The parts of an open file that take memory of their own.
struct OpenFileParts {
  var lock = Lock()
  var text = AttributeText()
}
