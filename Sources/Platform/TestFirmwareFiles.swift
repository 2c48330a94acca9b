import Basics
import FirmwareUpload
import Kernfs
import SystemPackage
import TDXHost
import TestFirmware

#if canImport(Glibc)
  import Glibc
#endif

/// The `/sys` tree of a machine whose kernel has the test driver and no TDX.
struct TestFirmwareFiles {
  let machine: EmulatedMachine
  let timeout: FirmwareTimeout

  /// What is there without the driver.
  var skeleton: [Entry] {
    [
      directory("devices") {
        directory("virtual") { directory("misc") }
        directory("system") { SysfsSkeleton.cpuDirectory(of: machine) }
      },
      directory("class") {
        directory("firmware") { file("timeout", TimeoutAttribute(timeout)) }
        directory("misc")
      },
      directory("dev") { directory("char") },
      directory("module") { TestFirmware.loaderModule },
    ]
  }

  /// The driver, which puts its devices into `tree`.
  func load(into tree: Tree, mayWriteRawIO: @escaping @Sendable (Caller) -> Bool) -> TestFirmware {
    let machine = machine
    return TestFirmware(
      timeout: timeout,
      environment: TestFirmwareEnvironment(
        log: { machine.appendLog($1, level: KernelLog.Level($0)) },
        mayWriteRawIO: mayWriteRawIO,
        sleep: { _ = usleep(UInt32(clamping: $0) &* 1000) },
        makeScheduler: {
          let worker = Worker()
          return { worker.schedule($0) }
        },
        appear: { [weak tree] device throws(Errno) in try tree?.appear(device) },
        disappear: { [weak tree] device in tree?.disappear(device) },
        observe: { machine.note($1, of: $0) }))
  }

  /// What stands where for the driver: each entry with the directory that it is added to.
  func entries(of driver: TestFirmware) -> [(entry: Entry, parent: String)] {
    [(driver.directory, "devices/virtual/misc")] + driver.links
  }
}

extension Tree {
  /// `device_add`: the directory, then the link in the class.
  fileprivate func appear(_ device: FirmwareUploadDevice) throws(Errno) {
    let node = try add(TestFirmware.directory(of: device), at: TestFirmware.path)
    do throws(Errno) {
      try add(TestFirmware.link(to: device), at: TestFirmware.classPath)
    } catch {
      try? remove(node)
      throw error
    }
  }

  /// `device_unregister`.
  fileprivate func disappear(_ device: FirmwareUploadDevice) {
    try? remove(at: "\(TestFirmware.classPath)/\(device.name)")
    try? remove(at: "\(TestFirmware.path)/\(device.name)")
  }
}

extension EmulatedMachine {
  /// Keeps the uploads of the test driver in the trace.
  fileprivate func note(_ event: FirmwareUploadEvent, of device: FirmwareUploadDevice) {
    let name = ("device", Trace.Value.text(device.name))
    lock.withLock {
      switch event {
      case .started(let size): trace.note("upload", [name, ("bytes", .number(size))], time: now)
      case .ended(let failure):
        trace.note("upload-end", [name, ("result", .text(failure?.text ?? "success"))], time: now)
      case .loadingBegan, .loadingGivenUp, .unexpectedValue, .nothingStaged, .commitRefused, .pageAllocationFailed,
        .loadingIgnored, .entered,
        .transferred, .idle, .cancelled:
        return
      }
    }
  }
}

extension KernelLog.Level {
  fileprivate init(_ level: TestFirmwareLogLevel) {
    switch level {
    case .error: self = .error
    case .warning: self = .warning
    case .info: self = .info
    }
  }
}
