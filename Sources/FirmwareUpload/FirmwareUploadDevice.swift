import Basics
import Kernfs
import SystemPackage

/// What an upload device needs of the world around it.
public struct FirmwareUploadEnvironment: Sendable {
  /// Takes a line of the kernel log, without its time.
  public var log: @Sendable (_ line: String) -> Void
  /// Runs the worker, later and on another thread (`system_long_wq`).
  public var schedule: @Sendable (_ work: @escaping @Sendable () -> Void) -> Void
  /// Whether a caller has CAP_SYS_RAWIO now.
  public var mayWriteRawIO: @Sendable (Caller) -> Bool
  /// Is told of every event; no lock is held. Must not wait for the device.
  public var observe: @Sendable (FirmwareUploadEvent) -> Void
  /// Whether the kernel has memory for `allocation`, which is about to be made. Called with the device's lock held.
  public var hasMemory: @Sendable (FirmwareUploadAllocation) -> Bool

  /// An environment of these.
  public init(
    log: @escaping @Sendable (_ line: String) -> Void,
    schedule: @escaping @Sendable (_ work: @escaping @Sendable () -> Void) -> Void,
    mayWriteRawIO: @escaping @Sendable (Caller) -> Bool,
    observe: @escaping @Sendable (FirmwareUploadEvent) -> Void = { _ in },
    hasMemory: @escaping @Sendable (FirmwareUploadAllocation) -> Bool = { _ in true }
  ) {
    self.log = log
    self.schedule = schedule
    self.mayWriteRawIO = mayWriteRawIO
    self.observe = observe
    self.hasMemory = hasMemory
  }
}

/// Memory that the upload class takes from the kernel.
public enum FirmwareUploadAllocation: Hashable, Sendable {
  /// A write to `data` needs new pages (`fw_grow_paged_buf`).
  case pages
  /// `loading=0` maps the pages in one piece (`fw_map_paged_buf`).
  case mapping
}

/// A device of the firmware upload class (`struct fw_upload`): `loading`, `data`, and a worker that feeds a driver.
///
/// One lock guards its state. It is not held while the driver, the log, the observer or the scheduler runs; only
/// ``FirmwareUploadEnvironment/hasMemory`` is asked under it.
public final class FirmwareUploadDevice: Sendable {
  /// 64 MiB: the most that can be staged.
  public static let defaultStagingLimit = 64 << 20

  /// The name of the device and of its directory.
  public let name: String
  /// What `cancel` takes for true: kernels from 6.18 on also know e(nable).
  public let knowsEnable: Bool
  let timeout: FirmwareTimeout
  let environment: FirmwareUploadEnvironment
  let driver: any FirmwareUploadDriver
  private let lock = Lock()
  private let guarded: Unlocked

  /// What ``lock`` guards.
  private final class Unlocked: @unchecked Sendable {
    var machine: UploadStateMachine
    var isRemoved = false
    let removal = WaitQueue()

    init(_ machine: UploadStateMachine) { self.machine = machine }
  }

  /// The device `name`, idle, which uploads to `driver`. `timeout` is the class's and only shows in `uevent`.
  public init(
    name: String, driver: any FirmwareUploadDriver, timeout: FirmwareTimeout,
    environment: FirmwareUploadEnvironment, stagingLimit: Int = defaultStagingLimit, knowsEnable: Bool = true
  ) {
    self.name = name
    self.driver = driver
    self.timeout = timeout
    self.environment = environment
    self.knowsEnable = knowsEnable
    guarded = Unlocked(UploadStateMachine(stagingLimit: stagingLimit, hasMemory: environment.hasMemory))
  }

  /// A device in the state `saved`, for which ``resume(isStarted:hasEnded:)`` has to be called.
  public init(
    name: String, driver: any FirmwareUploadDriver, timeout: FirmwareTimeout,
    environment: FirmwareUploadEnvironment, saved: SavedUpload, stagingLimit: Int = defaultStagingLimit,
    knowsEnable: Bool = true
  ) {
    self.name = name
    self.driver = driver
    self.timeout = timeout
    self.environment = environment
    self.knowsEnable = knowsEnable
    guarded = Unlocked(
      UploadStateMachine(saved, stagingLimit: stagingLimit, hasMemory: environment.hasMemory))
  }

  /// The state, for archives.
  public var saved: SavedUpload { withMachine { $0.saved } }

  func withMachine<Result, Failure: Error>(
    _ body: (inout UploadStateMachine) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return try body(&guarded.machine)
  }

  /// What `dev_err` and `dev_warn` put before a line: subsystem and name.
  var logPrefix: String { "firmware \(name)" }

  // MARK: State

  /// How far an upload is.
  public var progress: UploadProgress { withMachine { $0.progress } }
  /// Why the last upload that ended failed; nil when it did not, or while one runs.
  public var failure: UploadFailure? { withMachine { $0.progress == .idle ? $0.failure : nil } }
  /// What the driver has not taken of the last upload, in bytes.
  public var remainingSize: Int { withMachine { $0.remainingSize } }
  /// How many bytes are staged.
  public var stagedSize: Int { withMachine { $0.staged.bytes.count } }
  /// What is to go wrong.
  public var faults: FirmwareUploadFaults {
    get { withMachine { $0.faults } }
    set { withMachine { $0.faults = newValue } }
  }

  // MARK: Removal

  /// Begins to take the device away (`firmware_upload_unregister`): staged bytes are dropped, and every operation on
  /// its files gives ENODEV from now on. A running upload is cancelled; the queue that is returned is woken when its
  /// worker has ended. Nil: nothing is left to wait for.
  @discardableResult
  public func beginRemoval() -> WaitQueue? {
    let isBusy = lock.withLock {
      guarded.isRemoved = true
      guarded.machine.discard()
      return guarded.machine.progress != .idle
    }
    guard isBusy else { return nil }
    driver.cancel()
    return guarded.removal
  }

  /// Takes the device away and waits for its worker, without limit. Never call it from the worker or the driver.
  public func remove() {
    beginRemoval()
    lock.withLock {
      while guarded.machine.progress != .idle { lock.wait() }
    }
  }

  /// Whether removal has begun.
  public var isRemoved: Bool { lock.withLock { guarded.isRemoved } }

  /// For the files: as ``withMachine(_:)``, but ENODEV once the device is gone.
  func withDevice<Result>(_ body: (inout UploadStateMachine) throws(Errno) -> Result) throws(Errno) -> Result {
    lock.lock()
    defer { lock.unlock() }
    guard !guarded.isRemoved else { throw .operationNotSupportedByDevice }
    return try body(&guarded.machine)
  }

  /// The worker's last step: bytes freed and idle in one.
  func finish() {
    lock.withLock {
      guarded.machine.finish()
      lock.wakeAll()
    }
    environment.observe(.idle)
    guarded.removal.wake()
  }
}
