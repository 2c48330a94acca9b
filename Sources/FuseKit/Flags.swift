import Glibc

/// Flags of open(2) as the kernel sends them, in the kernel's values: `O_LARGEFILE` is visible here although glibc
/// defines it as 0 on x86-64.
public struct OpenFlags: OptionSet, Hashable, Sendable {
  /// The flags.
  public let rawValue: Int32

  /// The flags `rawValue`.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// `O_NONBLOCK`
  public static let nonBlocking = OpenFlags(rawValue: 0o4000)
  /// `O_APPEND`
  public static let append = OpenFlags(rawValue: 0o2000)
  /// `O_TRUNC`; not seen in open, which is followed by a setattr of size 0 (no `FUSE_ATOMIC_O_TRUNC`).
  public static let truncate = OpenFlags(rawValue: 0o1000)
  /// `O_DIRECT`
  public static let direct = OpenFlags(rawValue: 0o40000)
  /// `O_LARGEFILE`. Set by every open(2) of a 64-bit program; missing when the kernel itself opens a file for
  /// `FS_IOC_GETFLAGS`.
  public static let largeFile = OpenFlags(rawValue: 0o100000)

  /// How the file is opened (`O_ACCMODE`).
  public enum AccessMode: Int32, Sendable {
    /// `O_RDONLY`
    case readOnly = 0
    /// `O_WRONLY`
    case writeOnly = 1
    /// `O_RDWR`
    case readWrite = 2
    /// 3: neither read nor write, only ioctl(2).
    case neither = 3
  }

  /// The access mode in the flags.
  public var accessMode: AccessMode { AccessMode(rawValue: rawValue & 3) ?? .neither }
}

/// Events of poll(2), in the kernel's bits.
public struct PollEvents: OptionSet, Hashable, Sendable {
  /// The events.
  public let rawValue: UInt32

  /// The events `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// `POLLIN`
  public static let readable = PollEvents(rawValue: 0x0001)
  /// `POLLPRI`
  public static let priority = PollEvents(rawValue: 0x0002)
  /// `POLLOUT`
  public static let writable = PollEvents(rawValue: 0x0004)
  /// `POLLERR`
  public static let error = PollEvents(rawValue: 0x0008)
  /// `POLLHUP`
  public static let hangUp = PollEvents(rawValue: 0x0010)
  /// `POLLRDNORM`
  public static let readNormal = PollEvents(rawValue: 0x0040)
  /// `POLLWRNORM`
  public static let writeNormal = PollEvents(rawValue: 0x0100)

  /// What a file answers that has no poll method (`DEFAULT_POLLMASK`).
  public static let always: PollEvents = [.readable, .writable, .readNormal, .writeNormal]
}

/// Where lseek(2) searches; the other origins are resolved by the kernel and never arrive.
public enum SeekOrigin: Int32, Sendable {
  /// `SEEK_DATA`
  case data = 3
  /// `SEEK_HOLE`
  case hole = 4
}
