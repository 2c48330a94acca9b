import Basics
import CFuse3
import Glibc

/// What libfuse and fusermount3 say on stderr, kept from the user, who gets one line of ours instead.
enum LibfuseMessages {
  private static let collected = Guarded<String>("")

  /// Runs `body`, which must not be long: what the process writes to stderr meanwhile counts as messages. Gives them on
  /// one line.
  static func during<Result>(_ body: () -> Result) -> (Result, String) {
    fuse_set_log_func { _, format, arguments in
      guard let format, let arguments else { return }
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { text in
        guard let base = text.baseAddress else { return }
        base.pointee = 0
        cfuse3_format(base, text.count, format, arguments)
        let message = String(cString: base)
        LibfuseMessages.collected.withLock { $0 += message }
      }
    }
    collected.withLock { $0 = "" }
    let (result, printed) = withStandardError(body)
    return (result, oneLine(collected.withLock { $0 } + printed))
  }

  private static func withStandardError<Result>(_ body: () -> Result) -> (Result, String) {
    let memory = cfuse3_memory_file()
    let saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
    defer { for descriptor in [memory, saved] where descriptor >= 0 { close(descriptor) } }
    guard memory >= 0, saved >= 0, dup2(memory, STDERR_FILENO) >= 0 else { return (body(), "") }
    let result = body()
    dup2(saved, STDERR_FILENO)
    var text = [UInt8](repeating: 0, count: 1024)
    let count = pread(memory, &text, text.count, 0)
    return (result, String(decoding: text.prefix(max(0, count)), as: UTF8.self))
  }

  /// Without the names of the programs before each line.
  private static func oneLine(_ text: String) -> String {
    text.split(separator: "\n").map { line in
      for prefix in ["fuse: ", "fusermount3: "] where line.hasPrefix(prefix) {
        return String(line.dropFirst(prefix.count))
      }
      return String(line)
    }.joined(separator: "; ")
  }
}
