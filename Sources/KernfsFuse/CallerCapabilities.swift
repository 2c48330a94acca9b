import Basics
import Kernfs
import SystemPackage

/// A Linux capability that some file asks for.
public enum Capability: UInt64, Sendable {
  /// CAP_SYS_RAWIO, which writing `data` needs.
  case sysRawIO = 17
  /// CAP_SYS_ADMIN, which listing `trusted.` extended attributes needs.
  case sysAdmin = 21
}

/// Which capabilities the callers of a mount have.
///
/// Read from CapEff of the caller's thread, and only counted in the daemon's own user namespace: root of a child namespace
/// has all bits, yet the kernel would refuse it (fuse-limits rows 32, 33). The last answer is kept per open file, thread and
/// user, because reading it costs as much as the write itself. Where it can't be read, uid 0 has all.
public final class CallerCapabilities: Sendable {
  private struct Answer {
    var caller: Caller
    var effective: UInt64
  }

  private let last = Guarded<Answer?>(nil)
  private let ownNamespace: String?

  /// Knows nobody yet.
  public init() {
    ownNamespace = Self.userNamespace(of: "self")
  }

  /// Whether `caller` has `capability` now.
  public func has(_ capability: Capability, _ caller: Caller) -> Bool {
    // Without an open file nothing tells a thread from a later one of the same number.
    guard caller.openFile != 0 else { return read(caller) >> capability.rawValue & 1 != 0 }
    let known = last.withLock { $0?.caller == caller ? $0?.effective : nil }
    let effective = known ?? read(caller)
    if known == nil { last.withLock { $0 = Answer(caller: caller, effective: effective) } }
    return effective >> capability.rawValue & 1 != 0
  }

  private func read(_ caller: Caller) -> UInt64 {
    let fallback: UInt64 = caller.uid == 0 ? ~0 : 0
    guard caller.pid > 0 else { return fallback }
    guard let namespace = Self.userNamespace(of: "\(caller.pid)"), let status = Self.status(of: caller.pid) else {
      return fallback
    }
    guard namespace == ownNamespace else { return 0 }
    return status
  }

  private static func userNamespace(of process: String) -> String? {
    FilePath("/proc/\(process)/ns/user").readSymbolicLink()
  }

  /// CapEff of `/proc/PID/status`.
  private static func status(of pid: Int32) -> UInt64? {
    guard let file = try? FileDescriptor.open("/proc/\(pid)/status", .readOnly) else { return nil }
    defer { try? file.close() }
    // To the end: a process can be in so many groups that CapEff stands far behind.
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      guard let count = try? buffer.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return nil }
      if count == 0 { break }
      content.append(contentsOf: buffer[0..<count])
    }
    for line in content.split(separator: UInt8(ascii: "\n")) where line.starts(with: "CapEff:".utf8) {
      return UInt64(String(decoding: line.dropFirst(8), as: UTF8.self), radix: 16)
    }
    return nil
  }
}

#if canImport(Glibc)
  import Glibc

  extension FilePath {
    /// Where the symbolic link leads.
    fileprivate func readSymbolicLink() -> String? {
      var buffer = [UInt8](repeating: 0, count: 256)
      let count = withPlatformString { path in
        buffer.withUnsafeMutableBytes { buffer -> Int in
          guard let start = buffer.baseAddress else { return -1 }
          return Glibc.readlink(path, start.assumingMemoryBound(to: CChar.self), buffer.count)
        }
      }
      return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }
  }
#endif
