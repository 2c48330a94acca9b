import FirmwareUpload
import Kernfs
import SystemPackage

/// How loud a line of the kernel log is.
public enum TestFirmwareLogLevel: Hashable, Sendable {
  /// `pr_err`
  case error
  /// `pr_warn`
  case warning
  /// `pr_info`
  case info
}

/// What the driver needs of the world around it.
public struct TestFirmwareEnvironment: Sendable {
  /// Takes a line of the kernel log, without its time.
  public var log: @Sendable (_ level: TestFirmwareLogLevel, _ line: String) -> Void
  /// Whether a caller has CAP_SYS_RAWIO now.
  public var mayWriteRawIO: @Sendable (Caller) -> Bool
  /// `msleep`: of the worker of one upload, never of who serves requests.
  public var sleep: @Sendable (_ milliseconds: Int) -> Void
  /// Makes what runs the worker of one device, in order and on a thread of its own.
  public var makeScheduler: @Sendable () -> @Sendable (_ work: @escaping @Sendable () -> Void) -> Void
  /// Puts a new device into the tree (`device_add`). Throws EEXIST when something has its name.
  public var appear: @Sendable (FirmwareUploadDevice) throws(Errno) -> Void
  /// Takes the device out of the tree (`device_unregister`).
  public var disappear: @Sendable (FirmwareUploadDevice) -> Void
  /// Is told of every event of any upload; no lock is held.
  public var observe: @Sendable (FirmwareUploadDevice, FirmwareUploadEvent) -> Void

  /// An environment of these.
  public init(
    log: @escaping @Sendable (_ level: TestFirmwareLogLevel, _ line: String) -> Void,
    mayWriteRawIO: @escaping @Sendable (Caller) -> Bool,
    sleep: @escaping @Sendable (_ milliseconds: Int) -> Void,
    makeScheduler: @escaping @Sendable () -> @Sendable (_ work: @escaping @Sendable () -> Void) -> Void,
    appear: @escaping @Sendable (FirmwareUploadDevice) throws(Errno) -> Void,
    disappear: @escaping @Sendable (FirmwareUploadDevice) -> Void,
    observe: @escaping @Sendable (FirmwareUploadDevice, FirmwareUploadEvent) -> Void = { _, _ in }
  ) {
    self.log = log
    self.mayWriteRawIO = mayWriteRawIO
    self.sleep = sleep
    self.makeScheduler = makeScheduler
    self.appear = appear
    self.disappear = disappear
    self.observe = observe
  }
}
