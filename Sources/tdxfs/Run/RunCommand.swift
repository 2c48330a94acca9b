import ArgumentParser
import Basics
import FuseKit
import Platform
import SEAM
import SystemPackage

/// `tdxfs run [-o OPTION,… | --at MOUNT] -- COMMAND …`: runs a tool in a private view of a machine.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run a tool in a private view in which /sys shows the emulated machine.",
    usage: "tdxfs run [-o OPTION,…] [--at MOUNT] -- COMMAND …")

  @Option(name: .short, parsing: .unconditionalSingleValue, help: "Options of a new machine for this run.")
  var options: [String] = []

  @Option(name: .long, help: "Use the machine that is mounted here; its changes stay.")
  var at: String?

  @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.")
  var command: [String] = []

  func run() throws {
    let words = command.first == "--" ? Array(command.dropFirst()) : command
    guard !words.isEmpty else { throw Failure.usage("run: no command was given: tdxfs run -- COMMAND …") }
    if let at {
      guard options.isEmpty else {
        throw Failure.usage("run: -o makes a new machine and --at uses a mounted one; give one of them")
      }
      throw ExitCode(try run(words, at: MountedMachine.find(at: at)))
    }
    let options: MountOptions
    do { options = try MountOptions(arguments: self.options) } catch { throw Failure.usage(error.description) }
    throw ExitCode(try run(words, on: options))
  }

  /// With a machine of its own, which ends with the command.
  private func run(_ words: [String], on options: MountOptions) throws -> Int32 {
    var options = options
    options.machine.layout = .sys
    let view = try PrivateView.enter()
    let mounted = try MachineMountPoint(
      path: view.machineDirectory.string, source: "tdxfs", options: options
    ).mount()
    let control = mounted.control
    let server = ServingThread(mounted, options)
    defer {
      control.stop()
      server.join()
    }
    let directory = view.machineDirectory.appending(".tdxfs")
    try view.show(
      PrivateView.Contents(
        machine: .sys(view.machineDirectory),
        control: options.machine.control ? directory : nil,
        processors: ProcessorInformation(
          hasTDX: options.machine.device == .tdxHost,
          hasSeamretInvdVMCS: options.machine.errata.contains(.seamretInvdVMCS)),
        cpuid1EAX: options.machine.cpu.signature,
        kmsg: options.machine.control ? directory.appending("kmsg") : nil))
    return try view.run(words)
  }

  /// Where a mounted machine's files belong in `/sys`.
  private func mount(of machine: MountedMachine, abi: String) throws -> MachineMount {
    if machine.hasSysLayout { return .sys(machine.mountPoint) }
    guard let place = DevicePlace(abi: abi) else {
      throw Failure.refused("\(machine.mountPoint) is of a kernel '\(abi)' that this tdxfs does not know")
    }
    return .device(machine.mountPoint, place, processors: machine.control.appending("cpu"))
  }

  /// With a machine that is mounted already.
  private func run(_ words: [String], at machine: MountedMachine) throws -> Int32 {
    let status = try machine.status()
    guard let cpu = status["cpu"].flatMap(CPUModel.init(rawValue:)) else {
      throw Failure.refused("\(machine.mountPoint) does not tell what machine it is")
    }
    let errata = String(decoding: try machine.read("errata"), as: UTF8.self)
    let view = try PrivateView.enter()
    try view.show(
      PrivateView.Contents(
        machine: try mount(of: machine, abi: status["abi"] ?? "-"),
        control: machine.control,
        processors: ProcessorInformation(
          hasTDX: status["abi"] != "-", hasSeamretInvdVMCS: errata.contains(Erratum.seamretInvdVMCS.rawValue)),
        cpuid1EAX: cpu.signature, kmsg: machine.control.appending("kmsg")))
    return try view.run(words)
  }
}

/// Serves a mounted machine beside the command.
private final class ServingThread: Sendable {
  private let worker = Worker()
  private let lock = Lock()
  private let isDone = Guarded(false)

  init(_ mounted: MountedSession, _ options: MountOptions) {
    worker.schedule { [self] in
      // The other thread starts the command, which is to have everything.
      options.giveUpPrivileges(ofThreadOnly: true)
      try? mounted.serve(stoppingOnSignals: false)
      lock.withLock {
        isDone.withLock { $0 = true }
        lock.wakeAll()
      }
    }
  }

  /// Waits until the mount is not served any more.
  func join() {
    lock.withLock {
      while !isDone.withLock({ $0 }) { lock.wait() }
    }
  }
}
