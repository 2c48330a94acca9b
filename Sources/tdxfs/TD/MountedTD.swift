import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A TD of a mounted machine, as the verbs drive it: through its files in the control directory.
struct MountedTD {
  let machine: MountedMachine
  let name: String

  /// The TD `name` of `machine`, which need not be there.
  init(_ name: String, of machine: MountedMachine) throws {
    guard !name.isEmpty, !name.contains("/"), name != ".", name != ".." else {
      throw Failure.usage("'\(name)' is no name for a TD")
    }
    self.machine = machine
    self.name = name
  }

  private var directory: String { "td/\(name)" }

  /// Makes it: TDH.MNG.CREATE to TDH.MNG.INIT.
  func create() throws {
    guard mkdir(machine.control.appending(directory).string, 0o700) == 0 else {
      let error = Errno(rawValue: errno)
      throw error == .fileExists
        ? Failure.refused("there is a TD \(name) already") : machine.refusal(of: directory, error)
    }
  }

  /// Tears it down.
  func destroy() throws {
    guard rmdir(machine.control.appending(directory).string) == 0 else {
      let error = Errno(rawValue: errno)
      throw error == .noSuchFileOrDirectory
        ? Failure.refused("there is no TD \(name)") : machine.refusal(of: directory, error)
    }
  }

  /// Does one step, and gives what came of it.
  @discardableResult
  func step(_ words: String...) throws -> String {
    try requireThere()
    try machine.write(words.joined(separator: " ") + "\n", to: "\(directory)/step")
    return try text("step")
  }

  /// The bytes of one of its files; a refusal tells its reason.
  func read(_ file: String) throws -> [UInt8] {
    try requireThere()
    let path = machine.control.appending("\(directory)/\(file)")
    do {
      return try MountedMachine.readFile(path)
    } catch {
      throw machine.refusal(of: "\(directory)/\(file)", error)
    }
  }

  /// The text of one of its files, without the newline at the end.
  func text(_ file: String) throws -> String {
    let text = String(decoding: try read(file), as: UTF8.self)
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }

  /// `state` by keys.
  func state() throws -> [String: String] {
    var values: [String: String] = [:]
    for line in try text("state").split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
    }
    return values
  }

  /// Sets what goes into the next report.
  func setReportData(_ bytes: [UInt8]) throws {
    try requireThere()
    try write(bytes, to: "reportdata") { _, _ in }
  }

  /// Hands over a firmware image; `progress` hears how many bytes of how many are there.
  func setImage(_ bytes: [UInt8], progress: (Int, Int) -> Void) throws {
    try write(bytes, to: "image", progress: progress)
  }

  private func write(_ bytes: [UInt8], to file: String, progress: (Int, Int) -> Void) throws {
    let name = "\(directory)/\(file)"
    do {
      let descriptor = try FileDescriptor.open(machine.control.appending(name), .writeOnly)
      defer { try? descriptor.close() }
      var offset = 0
      while offset < bytes.count {
        offset += try bytes[offset...].prefix(1 << 20).withUnsafeBytes { try descriptor.write($0) }
        progress(offset, bytes.count)
      }
    } catch {
      throw machine.refusal(of: name, error)
    }
  }

  /// A TD that is not there is told so, and not by the errno of a path.
  private func requireThere() throws {
    var status = stat()
    guard stat(machine.control.appending(directory).string, &status) == 0 else {
      throw Failure.refused("there is no TD \(name)")
    }
  }
}
