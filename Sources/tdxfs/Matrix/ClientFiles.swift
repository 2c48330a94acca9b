import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// Why a client of the matrix ends early.
struct ClientStop: Error {
  let verdict: ClientVerdict

  static func skipped(_ text: String) -> ClientStop { ClientStop(verdict: .skipped(text)) }
  static func failed(_ text: String) -> ClientStop { ClientStop(verdict: .failed(text)) }

  /// `action` on `path` met `error`.
  init(_ action: String, _ path: String, _ error: any Error) {
    verdict =
      error as? Errno == .noSuchFileOrDirectory ? .missingFile(path) : .failed("cannot \(action) \(path): \(error)")
  }

  init(verdict: ClientVerdict) { self.verdict = verdict }
}

/// The system calls of the clients.
enum ClientFiles {
  /// The text of the file at `path`, without the newline at its end.
  static func text(_ path: String) throws(ClientStop) -> String {
    do {
      let text = String(decoding: try MountedMachine.readFile(FilePath(path)), as: UTF8.self)
      return text.hasSuffix("\n") ? String(text.dropLast()) : text
    } catch {
      throw ClientStop("read", path, error)
    }
  }

  /// Opens `path` and hands it to `body`.
  static func with(
    _ path: String, _ mode: FileDescriptor.AccessMode, _ options: FileDescriptor.OpenOptions = [],
    _ body: (FileDescriptor) throws -> Void
  ) throws(ClientStop) {
    do {
      let file = try FileDescriptor.open(
        FilePath(path), mode, options: options.union(.closeOnExec),
        permissions: options.contains(.create) ? [.ownerReadWrite, .groupReadWrite, .otherReadWrite] : nil)
      defer { try? file.close() }
      try body(file)
    } catch let stop as ClientStop {
      throw stop
    } catch {
      throw ClientStop("write", path, error)
    }
  }

  /// One write(2); how much was taken is ignored.
  static func writeOnce(_ bytes: [UInt8], to file: FileDescriptor) throws {
    _ = try bytes.withUnsafeBytes { try file.write($0) }
  }

  /// As Python's `open(path, "wb").write(…)`: short writes are gone on with.
  static func replace(_ path: String, with bytes: [UInt8]) throws(ClientStop) {
    try with(path, .writeOnly, [.create, .truncate]) { try $0.writeAll(bytes) }
  }

  /// Waits until `status` of the upload device at `directory` is `idle`; false after ten seconds.
  static func waitForIdle(_ directory: String) throws(ClientStop) -> Bool {
    let deadline = ContinuousClock.now + .seconds(10)
    while try text(directory + "/status") != "idle" {
      guard ContinuousClock.now < deadline else { return false }
      usleep(2_000)
    }
    return true
  }

  /// The end of all clients' conversations: wait, then look at `error`.
  static func outcome(of directory: String) throws(ClientStop) -> ClientVerdict {
    guard try waitForIdle(directory) else { return .failed("the upload does not end") }
    let error = try text(directory + "/error")
    return error.isEmpty ? .succeeded : .failed(error)
  }
}
