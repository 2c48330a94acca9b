import Basics
import FirmwareUpload
import Kernfs
import SEAM
import SystemPackage
import TDXHost
import TestFirmware

/// What the mount of a machine needs of the world around it.
public struct MachineFilesEnvironment: Sendable {
  /// Owner of all files: root, or whoever mounts without being root.
  public var uid: UInt32
  /// Group of all files.
  public var gid: UInt32
  /// Time of day, for inode times.
  public var timeOfDay: @Sendable () -> Timestamp
  /// Whether a caller has CAP_SYS_RAWIO.
  public var mayWriteRawIO: @Sendable (Caller) -> Bool

  /// An environment of these.
  public init(
    uid: UInt32, gid: UInt32, timeOfDay: @escaping @Sendable () -> Timestamp,
    mayWriteRawIO: @escaping @Sendable (Caller) -> Bool
  ) {
    self.uid = uid
    self.gid = gid
    self.timeOfDay = timeOfDay
    self.mayWriteRawIO = mayWriteRawIO
  }
}

/// The files of a machine: what does not depend on `tdx_host`, and the device, which is made anew at each power-on.
public final class MachineFiles: Sendable {
  /// The tree to serve.
  public let tree: Tree

  private let machine: EmulatedMachine
  private let environment: MachineFilesEnvironment
  private let timeout = FirmwareTimeout()
  private let device = Guarded(Device())

  private struct Device {
    var upload: FirmwareUploadDevice?
    /// The driver of `upload`, and the boot to which both belong.
    var driver: UpdateDriver?
    var boot: UInt64?
    var testFirmware: TestFirmware?
    /// Paths of what was added to the tree for it.
    var paths: [String] = []
  }

  /// The files of `machine`; `extra` entries stand in the root beside them.
  public init(machine: EmulatedMachine, environment: MachineFilesEnvironment, extra: [Entry] = []) {
    self.machine = machine
    self.environment = environment
    let skeleton = SysfsSkeleton(machine: machine, timeout: timeout)
    let testFirmware = TestFirmwareFiles(machine: machine, timeout: timeout)
    tree = Tree(uid: environment.uid, gid: environment.gid, clock: environment.timeOfDay) {
      switch (machine.options.device, machine.options.layout) {
      case (.tdxHost, .device): []
      case (.tdxHost, .sys): skeleton.entries
      case (.testFirmware, _): testFirmware.skeleton
      }
      extra
    }
    tree.setJournal { [machine] operation in machine.journal(operation) }
    machine.savedFiles = { [weak self] boot in self?.saved(boot: boot) }
    addDevice()
    machine.onPowerOn = { [weak self] in self?.renewDevice() }
    machine.onWatch = { [weak tree, operations = machine.operations] isOn in
      tree?.setWatcher(isOn ? operations : nil)
    }
  }

  /// Whether no upload runs.
  public var isUploadIdle: Bool { uploadDevice.map { $0.progress == .idle } ?? true }

  /// The upload device there is now.
  var uploadDevice: FirmwareUploadDevice? { device.withLock { $0.upload } }

  /// The machine was powered on anew: who holds a file of the old device holds a dead one.
  private func renewDevice() {
    let old = device.withLock { device in
      defer { device = Device() }
      return device
    }
    old.upload?.beginRemoval()
    old.testFirmware?.removeAll()
    for path in old.paths.reversed() { try? tree.remove(at: path) }
    addDevice()
  }

  private func addDevice() {
    switch machine.options.device {
    case .tdxHost: addHostDevice()
    case .testFirmware: addTestFirmware()
    }
  }

  private func addTestFirmware() {
    let files = TestFirmwareFiles(machine: machine, timeout: timeout)
    let driver = files.load(into: tree, mayWriteRawIO: environment.mayWriteRawIO)
    var paths: [String] = []
    for (entry, parent) in files.entries(of: driver) where (try? tree.add(entry, at: parent)) != nil {
      paths.append("\(parent)/\(entry.name)")
    }
    driver.announce()
    device.withLock { $0 = Device(testFirmware: driver, paths: paths) }
  }

  private func addHostDevice() {
    let saved = machine.takeRestoredFiles()
    if let saved { timeout.seconds = saved.timeout }
    guard let parts = machine.hostDevice() else { return }
    let driver =
      parts.device.hasUpload
      ? UpdateDriver(machine: machine, boot: parts.boot, isCancelRequested: saved?.isCancelRequested ?? false) : nil
    let upload = driver.map { makeUpload($0, boot: parts.boot, saved: saved?.upload) }
    let files = HostDirectory(
      machine: machine, parts: parts.device, upload: upload,
      skeleton: SysfsSkeleton(machine: machine, timeout: timeout))
    var paths: [String] = []
    func add(_ entry: Entry, at parent: String) {
      guard (try? tree.add(entry, at: parent)) != nil else { return }
      paths.append(parent.isEmpty ? entry.name : "\(parent)/\(entry.name)")
    }
    switch machine.options.layout {
    case .device:
      for entry in files.rootEntries { add(entry, at: "") }
    case .sys:
      for (entry, parent) in files.sysEntries { add(entry, at: parent) }
    }
    device.withLock { $0 = Device(upload: upload, driver: driver, boot: parts.boot, paths: paths) }
    if let milestone = saved?.milestone {
      upload?.resume(isStarted: milestone != .none, hasEnded: milestone == .ended)
    }
  }

  private func makeUpload(_ driver: UpdateDriver, boot: UInt64, saved: SavedUpload?) -> FirmwareUploadDevice {
    let machine = machine
    let environment = FirmwareUploadEnvironment(
      log: { machine.appendLog($0) },
      schedule: { machine.worker.schedule($0) },
      mayWriteRawIO: environment.mayWriteRawIO,
      observe: { machine.observe($0, boot: boot) },
      hasMemory: { allocation in
        switch allocation {
        case .pages: machine.hasPages(in: .receive)
        case .mapping: machine.hasPages(in: .prepare)
        }
      })
    let name = machine.profile.uploadName
    guard let saved else {
      return FirmwareUploadDevice(name: name, driver: driver, timeout: timeout, environment: environment)
    }
    return FirmwareUploadDevice(
      name: name, driver: driver, timeout: timeout, environment: environment, saved: saved)
  }

  /// What of the files an archive of the machine has, if they are those of the boot `boot`.
  private func saved(boot: UInt64) -> SavedFiles? {
    let (upload, driver, of) = device.withLock { ($0.upload, $0.driver, $0.boot) }
    guard of == nil || of == boot else { return nil }
    return SavedFiles(
      timeout: timeout.seconds, upload: upload?.saved, isCancelRequested: driver?.isCancelRequested ?? false)
  }
}
