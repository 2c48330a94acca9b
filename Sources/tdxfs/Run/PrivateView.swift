import Basics
import SystemPackage

#if canImport(Glibc)
  @preconcurrency import Glibc
#endif

/// The private view of `tdxfs run`: a mount namespace in which `/sys`, `/proc/cpuinfo`, `/dev/kmsg` and Python's `cpuid` show
/// the emulated machine, and nothing of which is ever seen outside.
///
/// The order is enter, (mount a machine in ``machineDirectory``), ``show(_:)``, ``run(_:)``. No host file or directory is
/// made: all that the view needs is on a directory of its own, which ends with the namespace.
struct PrivateView {
  /// The machine as the command shall see it.
  struct Contents {
    /// Where it is mounted.
    var machine: MachineMount
    /// Its control directory; `TDXFS_CONTROL`.
    var control: FilePath?
    /// What it changes in `/proc/cpuinfo`.
    var processors: ProcessorInformation
    /// CPUID.1:EAX; `TDXFS_CPUID_1_EAX`.
    var cpuid1EAX: UInt32
    /// Laid over `/dev/kmsg`. dmesg(1) wants one record from each read(2) and nothing from the last one.
    var kmsg: FilePath?
  }

  /// An empty directory that exists in the view only: a machine of its own is mounted here.
  let machineDirectory: FilePath = "/sys/fs/fuse/tdxfs"

  private let overlay: Overlay
  private let signalMask: sigset_t

  /// Enters the view; from here on this thread, threads made by it and its children are in it. Must come before any
  /// other thread is made.
  static func enter() throws(Failure) -> PrivateView {
    let mask = SupervisedCommand.holdSignals()
    try MountNamespace.enter()
    return try PrivateView(signalMask: mask)
  }

  private init(signalMask: sigset_t) throws(Failure) {
    self.signalMask = signalMask
    // /sys/fs/fuse is there wherever FUSE is; its one entry, fusectl's `connections`, stays visible.
    let fuse: FilePath = "/sys/fs/fuse"
    overlay = Overlay(workshop: fuse)
    do throws(Errno) {
      try overlay.makeDirectory("tdxfs", in: fuse)
    } catch .noSuchFileOrDirectory {
      throw .refused("this kernel has no FUSE (no /sys/fs/fuse): load it with modprobe fuse, or mount sysfs on /sys")
    } catch {
      throw .refused("no private view: \(fuse) cannot be covered (\(error))")
    }
  }

  /// Lays the machine over `/sys`, `/proc/cpuinfo` and `/dev/kmsg`, and sets the environment for the command.
  func show(_ contents: Contents) throws(Failure) {
    let tree: MachineTree
    let hasTestFirmware: Bool
    do throws(Errno) {
      tree = try contents.machine.tree()
      hasTestFirmware = try contents.machine.hasTestFirmware()
    } catch {
      throw .refused("the machine's mount cannot be read (\(error))")
    }
    try overlay.lay(tree, over: "/sys")
    try showProcessors(contents.processors)
    if hasTestFirmware { try showKernelConfiguration() }
    if let kmsg = contents.kmsg { try showKernelLog(kmsg) }
    // A working directory below /sys would still be the host's.
    if let directory = getcwd(nil, 0) {
      chdir(directory)
      free(directory)
    }
    let python = DataDirectory.python()
    // Read-only, so that Python leaves no __pycache__ on the host.
    if let python, (try? MountNamespace.bind(python, over: python)) != nil { try? MountNamespace.makeReadOnly(python) }
    for (name, value) in Self.variables(for: contents, python: python, path: getenv("PYTHONPATH")) {
      setenv(name, value, 1)
    }
  }

  /// Runs `command` in the view and gives its exit status, as a shell would.
  func run(_ command: [String]) throws(Failure) -> Int32 {
    var environment: [String] = []
    var next: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = environ
    while let variable = next?.pointee {
      environment.append(String(cString: variable))
      next = next?.advanced(by: 1)
    }
    return try SupervisedCommand.run(command, environment: environment, mask: signalMask)
  }

  /// The variables by which a command finds the machine. Our `cpuid` comes ahead of any other that is on PYTHONPATH.
  static func variables(
    for contents: Contents, python: FilePath?, path: UnsafePointer<CChar>?
  ) -> [String: String] {
    var variables = ["TDXFS_CPUID_1_EAX": "0x" + contents.cpuid1EAX.paddedHexadecimal]
    if let control = contents.control {
      variables["TDXFS_CONTROL"] = control.string
      // The view has the machine's mount in several places: `tdxfs why` and the like shall not have to ask which.
      variables["TDXFS_MOUNT"] = control.removingLastComponent().string
    }
    if let python {
      let others = path.map { String(cString: $0) } ?? ""
      variables["PYTHONPATH"] = others.isEmpty ? python.string : "\(python.string):\(others)"
    }
    return variables
  }

  private func showProcessors(_ processors: ProcessorInformation) throws(Failure) {
    let path: FilePath = "/proc/cpuinfo"
    do {
      let host = String(decoding: try MountedMachine.readFile(path), as: UTF8.self)
      try overlay.lay(Array(processors.applied(to: host).utf8), over: path)
    } catch {
      throw Failure.refused("the machine's flags cannot be laid over \(path) (\(error))")
    }
  }

  /// procfs takes no new names, can't be a layer of an overlay, and its process directories can't be brought back into
  /// a covered `/proc`. So a kernel without the file can't be made to show one, and who asks is told.
  private func showKernelConfiguration() throws(Failure) {
    let path: FilePath = "/proc/config.gz"
    do throws(Errno) {
      guard try SmallFile.kind(of: path) != nil else {
        Output.complain(
          "this host's kernel has no \(path) (CONFIG_IKCONFIG_PROC) to lay one over: kernel selftests may skip")
        return
      }
      try overlay.lay(KernelConfiguration.gzip(KernelConfiguration.testFirmware.utf8), over: path)
    } catch {
      throw .refused("the kernel configuration cannot be laid over \(path) (\(error))")
    }
  }

  private func showKernelLog(_ kmsg: FilePath) throws(Failure) {
    do throws(Errno) {
      // Without /dev/kmsg dmesg(1) asks syslog(2), which no view can answer.
      guard try SmallFile.kind(of: "/dev/kmsg") != nil else { return }
      try MountNamespace.bind(kmsg, over: "/dev/kmsg")
    } catch {
      throw .refused("the machine's kernel log cannot be laid over /dev/kmsg (\(error))")
    }
  }
}
