import Basics
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// The standard streams. Only the command prints.
enum Output {
  /// What the first write to standard output that failed met.
  private static let firstFailure = Guarded<Errno?>(nil)

  /// Why not all of the output arrived; nil when it did.
  static var failure: Errno? { firstFailure.withLock { $0 } }

  /// Puts something in the place of standard streams that are closed: else the next file that is opened would be taken for
  /// one. It is open the wrong way round, so that using it is an error, as it is of a closed stream.
  static func occupyClosedStreams() {
    for descriptor in 0...2 as ClosedRange<Int32> where fcntl(descriptor, F_GETFD) < 0 {
      let replacement = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
      guard replacement < 0 || replacement > 2 else { continue }
      close(replacement)
      return
    }
  }

  /// Writes `text` to standard output. A reader that has gone away is no error of ours.
  static func print(_ text: String, terminator: String = "\n") {
    print(bytes: Array((text + terminator).utf8))
  }

  /// Writes `bytes` to standard output.
  static func print(bytes: [UInt8]) {
    do {
      _ = try FileDescriptor.standardOutput.writeAll(bytes)
    } catch Errno.brokenPipe {
      return
    } catch {
      firstFailure.withLock { $0 = $0 ?? (error as? Errno ?? .ioError) }
    }
  }

  /// Writes `tdxfs: text` as one line to standard error.
  static func complain(_ text: String) {
    note("tdxfs: \(text)\n")
  }

  /// Writes `text` as it is to standard error.
  static func note(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
  }
}
