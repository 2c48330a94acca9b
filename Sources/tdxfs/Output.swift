import SystemPackage

/// The standard streams. Only the command prints.
enum Output {
  /// Writes `text` to standard output. A reader that has gone away is no error of ours.
  static func print(_ text: String, terminator: String = "\n") {
    write(Array((text + terminator).utf8), to: .standardOutput)
  }

  /// Writes `bytes` to standard output.
  static func print(bytes: [UInt8]) {
    write(bytes, to: .standardOutput)
  }

  /// Writes `tdxfs: text` as one line to standard error.
  static func complain(_ text: String) {
    write(Array("tdxfs: \(text)\n".utf8), to: .standardError)
  }

  /// Writes `text` as it is to standard error.
  static func note(_ text: String) {
    write(Array(text.utf8), to: .standardError)
  }

  private static func write(_ bytes: [UInt8], to descriptor: FileDescriptor) {
    _ = try? descriptor.writeAll(bytes)
  }
}
