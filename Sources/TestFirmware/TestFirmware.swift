import Basics
import FirmwareUpload
import Kernfs
import SystemPackage

/// The kernel's test driver for firmware loading, lib/test_firmware.c as of Linux 6.12: upload devices by name, each with
/// a driver that fails on demand, and the knobs of its selftests. It loads no files: there are none to be found.
///
/// ## Locks
/// One lock, the kernel's `test_fw_mutex`, is held while a knob is written or shown. Inside it the tree's and those of the
/// devices are taken, never around it. Where the kernel holds its mutex over a wait (an unregister that waits for a
/// worker), writes to knobs are put off until that has ended; nobody sleeps with the lock held.
public final class TestFirmware: Sendable {
  /// One registered name.
  struct Upload {
    let driver: TestUpload
    let device: FirmwareUploadDevice
    /// The write to `upload_unregister` that waits for its worker.
    var leaver: Write?
  }

  /// A write, by which its retry is known.
  struct Write: Hashable {
    let file: UInt64
    let bytes: [UInt8]
  }

  struct State {
    var configuration = TestConfiguration()
    /// `test_upload_list`, oldest first.
    var uploads: [Upload] = []
    /// `config_upload_name`
    var shown: TestUpload?
    /// Unregistrations that have ended and whose writers do not know it yet.
    var ended: Set<Write> = []
  }

  /// The name of the device and of its directory.
  public static let name = "test_firmware"
  /// Device numbers: misc's major, and the first dynamic minor.
  static let (major, minor) = (10, 257)

  let environment: TestFirmwareEnvironment
  private let timeout: FirmwareTimeout
  private let page = ImagePage()
  private let state = Guarded(State())
  private let departure = WaitQueue()

  /// The driver as after boot; `timeout` is the firmware class's.
  public init(timeout: FirmwareTimeout, environment: TestFirmwareEnvironment) {
    self.timeout = timeout
    self.environment = environment
  }

  /// The kernel says that it is there.
  public func announce() { log(.warning, "interface ready") }

  /// Logs as the driver does (`pr_fmt`).
  func log(_ level: TestFirmwareLogLevel, _ text: String) { environment.log(level, "test_firmware: \(text)") }

  // MARK: Knobs

  /// For show methods.
  func withState<Result>(_ body: (inout State) throws(Errno) -> Result) throws(Errno) -> Result {
    try state.withLock { state throws(Errno) in try body(&state) }
  }

  /// For store methods: `bytes` are taken as a whole, or not before a device that leaves is gone.
  func store(_ bytes: [UInt8], _ body: (inout State) throws(Errno) -> Void) throws(Errno) -> StoreOutcome {
    try state.withLock { state throws(Errno) in
      guard !state.uploads.contains(where: { $0.leaver != nil }) else { return .wait(departure) }
      try body(&state)
      return .consumed(bytes.count)
    }
  }

  // MARK: Devices

  /// `upload_register_store`
  /// - Throws: EEXIST when a registered name begins the new one or something else has it; EINVAL for an empty one.
  func register(_ bytes: [UInt8]) throws(Errno) -> StoreOutcome {
    let name = Array(KernelText.string(bytes))
    return try store(bytes) { state throws(Errno) in
      guard state.upload(named: name) == nil else { throw .fileExists }
      let upload = try makeUpload(name)
      do throws(Errno) {
        try environment.appear(upload.device)
      } catch {
        environment.log(.error, "firmware \(upload.device.name): firmware_upload_register: device_register failed")
        throw error
      }
      state.uploads.append(upload)
    }
  }

  /// A name that no path could have, or that Swift's strings can't carry, is refused, which the kernel does not do.
  private func makeUpload(_ name: [UInt8]) throws(Errno) -> Upload {
    // kobject_set_name_vargs: "/" becomes "!".
    let fileName = name.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "!") : $0 }
    guard !name.isEmpty, let text = String(validating: fileName, as: UTF8.self), text != ".", text != ".." else {
      throw .invalidArgument
    }
    guard name.count <= 255 else { throw .fileNameTooLong }
    let driver = TestUpload(name: name, page: page, sleep: environment.sleep)
    let device = FirmwareUploadDevice(
      name: text, driver: driver, timeout: timeout,
      environment: FirmwareUploadEnvironment(
        log: { [environment] line in environment.log(.error, line) },
        schedule: environment.makeScheduler(),
        mayWriteRawIO: environment.mayWriteRawIO,
        observe: { [weak self] event in self?.observe(event, on: driver) }),
      knowsEnable: false)
    return Upload(driver: driver, device: device)
  }

  /// `upload_unregister_store`: the oldest device whose name begins the text.
  ///
  /// An upload that runs on it is cancelled and waited for; until it has ended, the device works as before.
  /// - Throws: EINVAL when there is no such device.
  func unregister(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    let write = Write(file: caller.openFile, bytes: bytes)
    return try state.withLock { state throws(Errno) in
      guard state.ended.remove(write) == nil else { return .consumed(bytes.count) }
      guard !state.uploads.contains(where: { $0.leaver != nil }) else { return .wait(departure) }
      guard let index = state.upload(named: Array(KernelText.string(bytes))) else { throw .invalidArgument }
      let upload = state.uploads[index]
      if state.shown === upload.driver { state.shown = nil }
      guard upload.device.progress != .idle else {
        state.uploads.remove(at: index)
        remove(upload)
        return .consumed(bytes.count)
      }
      // Its end is told under the lock that is held here, so it can't be missed.
      state.uploads[index].leaver = write
      upload.driver.cancel()
      return .wait(departure)
    }
  }

  /// Takes all devices away at once, as a power cycle does; nobody waits.
  public func removeAll() {
    let uploads = state.withLock { state in
      defer { state = State() }
      return state.uploads
    }
    for upload in uploads { remove(upload) }
    departure.wake()
  }

  private func remove(_ upload: Upload) {
    upload.device.beginRemoval()
    environment.disappear(upload.device)
  }

  /// The names of all devices, oldest first.
  public var names: [String] { state.withLock { state in state.uploads.map(\.device.name) } }

  private func observe(_ event: FirmwareUploadEvent, on driver: TestUpload) {
    let device = state.withLock { state in state.uploads.first { $0.driver === driver }?.device }
    if let device { environment.observe(device, event) }
    if event == .idle { depart(driver) }
  }

  /// The worker of `driver` has ended: if its device leaves, it goes now.
  private func depart(_ driver: TestUpload) {
    let hasLeft = state.withLock { state in
      guard let index = state.uploads.firstIndex(where: { $0.driver === driver }),
        let leaver = state.uploads[index].leaver
      else { return false }
      let upload = state.uploads.remove(at: index)
      remove(upload)
      state.ended.insert(leaver)
      return true
    }
    if hasLeft { departure.wake() }
  }
}

extension TestFirmware.State {
  /// `upload_lookup_name`: the oldest device whose whole name `text` begins with.
  func upload(named text: [UInt8]) -> Int? {
    uploads.firstIndex { text.starts(with: $0.driver.name) }
  }
}
