import Kernfs
import Platform
import SystemPackage
import TDXHost

#if canImport(Glibc)
  import Glibc
#endif

/// The machine of a rehearsal: a filesystem in a process of its own, in a private view, and driven through its files as
/// anybody could, so that it can also be killed.
final class RehearsalMachine {
  let view: PrivateView
  let options: MachineOptions
  let profile: ABIProfile
  private let pid: pid_t
  private var hasEnded = false

  /// Its mount point, a `/sys` tree.
  var root: FilePath { view.machineDirectory }

  /// Powers on a machine with `words` as options, and shows it in the view. What its process says goes to `errors`.
  init(_ words: [String], view: PrivateView, executable: String, errors: FilePath) throws(Failure) {
    let options: MountOptions
    do { options = try MountOptions(arguments: words) } catch { throw Failure.usage(error.description) }
    guard let profile = ABIProfile.named(options.machine.abi) else {
      throw .refused("there is no kernel \(options.machine.abi)")
    }
    self.view = view
    self.options = options.machine
    self.profile = profile
    let arguments = [
      executable, "-f", "-o", (words + ["layout=sys"]).joined(separator: ","), view.machineDirectory.string,
    ]
    do {
      let file = try FileDescriptor.open(
        errors, .writeOnly, options: [.create, .append, .closeOnExec], permissions: .ownerReadWrite)
      defer { try? file.close() }
      pid = try CapturedCommand.spawn(arguments, output: file.rawValue, errors: file.rawValue, ownGroup: true)
    } catch {
      throw .refused("the machine cannot be started (\(error))")
    }
    try waitUntilMounted(errors)
    try show()
  }

  private func waitUntilMounted(_ errors: FilePath) throws(Failure) {
    let deadline = ContinuousClock.now + .seconds(60)
    while case .failure = read(".tdxfs/status") {
      if waitpid(pid, nil, WNOHANG) == pid {
        hasEnded = true
        let said = (try? MountedMachine.readFile(errors)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        throw .refused(said.split(separator: "\n").last.map(String.init) ?? "the machine did not start")
      }
      guard ContinuousClock.now < deadline else { throw .refused("the machine did not start within 60 seconds") }
      usleep(1000)
    }
  }

  private func show() throws(Failure) {
    try view.show(
      PrivateView.Contents(
        machine: .sys(root), control: root.appending(".tdxfs"),
        processors: ProcessorInformation(
          hasTDX: options.device == .tdxHost, hasSeamretInvdVMCS: options.errata.contains(.seamretInvdVMCS)),
        cpuid1EAX: options.cpu.signature, kmsg: root.appending(".tdxfs/kmsg")))
  }

  /// The directory of the upload device.
  var upload: FilePath { root.appending("class/firmware/\(profile.uploadName)") }

  /// The whole text of a file below the root.
  func read(_ path: String) -> Result<String, Errno> { Self.read(root.appending(path)) }

  /// The whole text of a file.
  static func read(_ path: FilePath) -> Result<String, Errno> {
    do {
      return .success(String(decoding: try MountedMachine.readFile(path), as: UTF8.self))
    } catch {
      return .failure(error as? Errno ?? .ioError)
    }
  }

  /// One line of a text file, or the name of the error.
  func value(_ path: String) -> String {
    switch read(path) {
    case .success(let text): text.split(separator: "\n").first.map(String.init) ?? ""
    case .failure(let error): error.symbol
    }
  }

  /// The kernel's file with the module's version.
  var version: String { hostFile { if case .version = $0.content { true } else { false } } }

  /// The kernel's file with the remaining updates.
  var remaining: String { hostFile { $0.content == .numRemainingUpdates } }

  private func hostFile(_ isMeant: (HostFile) -> Bool) -> String {
    guard let file = profile.files.first(where: isMeant) else { return "-" }
    return value("\(profile.root)/\(file.path)")
  }

  /// `key=value` lines of a control file.
  func values(in name: String) -> [String: String] {
    guard case .success(let text) = read(".tdxfs/\(name)") else { return [:] }
    var values: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
      if parts.count == 2 { values[parts[0]] = parts[1] }
    }
    return values
  }

  /// Writes `bytes` to the file at `path`; short writes are gone on with.
  static func write(_ bytes: [UInt8], to path: FilePath, create: Bool = false) throws(Errno) {
    do {
      let file = try FileDescriptor.open(
        path, .writeOnly, options: create ? [.create, .closeOnExec] : .closeOnExec,
        permissions: create ? .ownerReadWrite : nil)
      defer { try? file.close() }
      try file.writeAll(bytes)
    } catch {
      throw error as? Errno ?? .ioError
    }
  }

  /// Kills the filesystem's process.
  func kill() {
    guard !hasEnded else { return }
    Glibc.kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
    hasEnded = true
  }

  /// Ends the filesystem; the view's mounts go with the processes in it.
  func stop() {
    guard !hasEnded else { return }
    Glibc.kill(pid, SIGTERM)
    let deadline = ContinuousClock.now + .seconds(5)
    while waitpid(pid, nil, WNOHANG) == 0 {
      guard ContinuousClock.now < deadline else { return kill() }
      usleep(1000)
    }
    hasEnded = true
  }
}
