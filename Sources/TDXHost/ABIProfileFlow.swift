import FirmwareUpload
import SystemPackage

/// Which CPU does the steps that only one does.
public enum LeadCPU: Sendable {
  /// The first online CPU.
  case firstOnline
  /// CPU 0, which is always online.
  case cpu0
}

/// How MODULE_HV gets into TDH.SYS.SHUTDOWN's operand.
public enum HandoffVersion: Sendable {
  /// Cached at boot, refreshed after an update.
  case readAtBoot
  /// Read just before; when that fails, a warning, and on with version 0.
  case readAtShutdownElseZero
  /// Read just before; when that fails, the update ends there.
  case readAtShutdownElseFail
}

/// Whether TDH.SYS.SHUTDOWN is asked to refuse while TDs are being built.
public enum ShutdownFlag: Sendable {
  /// Never.
  case never
  /// Always, whether the module knows the bit or not.
  case always
  /// If TDX_FEATURES0 had bit 47 at boot.
  case ifUpdateCompatibility
}

/// What becomes of a TDH.SYS.SHUTDOWN that fails.
public enum ShutdownFailure: Sendable {
  /// As any SEAMCALL.
  case common
  /// UPDATE_COMPAT_SENSITIVE is EBUSY; everything else EIO; nothing is logged.
  case busyElseSilentIOError
  /// UPDATE_COMPAT_SENSITIVE is EBUSY, silently; everything else is logged, pseudo statuses too, and EIO.
  case busyElseLoggedIOError
}

/// What the other CPUs do after a failing step. Either way none of them makes a further SEAMCALL of a later state.
public enum AfterFailure: Sendable {
  /// They run through the remaining states without doing anything.
  case fastForward
  /// They leave the loop.
  case leave
}

/// What is read again after an update.
public enum Refresh: Sendable {
  /// All metadata, after stop_machine; UPDATE_VERSION and MODULE_HV are kept, the rest compared. A failure fails the
  /// update.
  case updateVersionAndHandoff
  /// The version, after stop_machine; only UPDATE_VERSION is kept. A failure is a warning.
  case updateVersion
  /// The version, by the lead CPU right after TDH.SYS.UPDATE; all of it is kept. A failure is a warning.
  case wholeVersionInStopMachine
}

/// How `stop_machine` is called. No difference is visible from outside.
public enum StopMachine: Sendable {
  /// `stop_machine()`
  case plain
  /// `stop_machine_cpuslocked()` under `cpus_read_lock`
  case cpusLocked
}

/// The installer's errno as an error of the upload class (kernel-abi.md 3.3).
public struct UploadErrorMap: Equatable, Sendable {
  /// Errnos that have an error of their own.
  public var special: [Errno: FirmwareUploadError]
  /// For all others.
  public var other: FirmwareUploadError

  /// `special`, and for all others firmware-invalid.
  public init(_ special: [Errno: FirmwareUploadError] = [:], other: FirmwareUploadError = .firmwareInvalid) {
    self.special = special
    self.other = other
  }

  /// The upload error for `errno`.
  public subscript(errno: Errno) -> FirmwareUploadError { special[errno] ?? other }
}

/// How a failed SEAMCALL is written (kernel-abi.md 5.5).
public enum SEAMCALLErrorFormat: Sendable {
  /// `SEAMCALL (%llu) failed: %#016llx` (v1 to v3)
  case decimal
  /// `SEAMCALL (0x%016llx) failed: 0x%016llx`
  case hexadecimal
}

/// What success logs.
public enum SuccessLog: Equatable, Sendable {
  /// Nothing.
  case none
  /// `virt/tdx: version A -> B` in this format.
  case versions(VersionFormat)
}

/// A line of a failure beside those of SEAMCALLs.
public struct FailureLine: Equatable, Sendable {
  /// Which failures have it.
  public enum Occasion: Equatable, Sendable {
    /// The first failing step after TDH.SYS.SHUTDOWN.
    case afterShutdown
    /// A failing TDH.SYS.UPDATE.
    case update
  }

  /// When it is logged, at error level.
  public var occasion: Occasion
  /// The line with its prefix; `%d` stands for the negative errno.
  public var text: String

  /// `text` on `occasion`.
  public init(_ occasion: Occasion, _ text: String) {
    self.occasion = occasion
    self.text = text
  }
}

/// Lines of the bring-up that differ between kernels (kernel-abi.md 5.9).
public struct BootFormat: Equatable, Sendable {
  /// `Module version: %u.%u.%02u` is printed.
  public var printsModuleVersion: Bool
  /// Success.
  public var initialized: String
  /// Failure; ` (%d)` follows.
  public var failed: String

  /// 7.1 and later: TDX is brought up at subsys_initcall.
  public static let subsysInitcall = BootFormat(
    printsModuleVersion: true, initialized: "TDX-Module initialized", failed: "TDX-Module initialization failed")
  /// Before 7.1: when kvm_intel is loaded with tdx=1.
  public static let kvmIntel = BootFormat(
    printsModuleVersion: true, initialized: "module initialized", failed: "module initialization failed")
}
