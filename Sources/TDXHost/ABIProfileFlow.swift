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

/// What becomes of a TDH.SYS.UPDATE that fails.
public enum UpdateFailure: Sendable {
  /// As any SEAMCALL.
  case common
  /// The status is kept in an `int`: its upper half is lost, so most failures count as success. Not logged as a SEAMCALL.
  case statusCutTo32Bits
}

/// What the other CPUs do after a failing step. Either way none of them makes a further SEAMCALL of a later state.
public enum AfterFailure: Sendable {
  /// All of them execute their step of this state; then all skip to the last state, where a CPU that failed counts as
  /// failed once more. So the module is given up (``LinuxHost/isModuleInitialized``) also when only SHUTDOWN failed.
  case fastForward
  /// They leave the loop as soon as they see it.
  case leave
}

/// What is read again after an update.
public enum Refresh: Equatable, Sendable {
  /// All metadata, after stop_machine; MODULE_HV and what `kept` says are taken over, the rest is compared. A failure fails
  /// the update.
  case allMetadata(kept: KeptVersion)
  /// The version, after stop_machine; only UPDATE_VERSION is taken over. A failure is a warning.
  case updateVersion
  /// The version, by the lead CPU right after TDH.SYS.UPDATE; all of it is taken over. A failure is a warning.
  case wholeVersionInStopMachine

  /// How much of a new version is taken over.
  public enum KeptVersion: Sendable {
    /// UPDATE_VERSION.
    case updateVersion
    /// All three numbers.
    case version
  }
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
    /// The first failing step after TDH.SYS.SHUTDOWN; printed once per boot (`pr_err_once`).
    case afterShutdown
    /// A failing TDH.SYS.UPDATE.
    case update
  }

  /// When it is logged.
  public var occasion: Occasion
  /// The line with its prefix; `%d` stands for the negative errno, or for what the kernel has in its place.
  public var text: String
  /// At which level.
  public var level: KernelLog.Level

  /// `text` on `occasion`.
  public init(_ occasion: Occasion, _ text: String, level: KernelLog.Level = .error) {
    self.occasion = occasion
    self.text = text
    self.level = level
  }
}

/// Lines of the bring-up that differ between kernels (kernel-abi.md 5.9).
public struct BootFormat: Equatable, Sendable {
  /// `Module version: %u.%u.%02u` is printed where all metadata are read (`get_tdx_sys_info`): at boot, and by kernels that
  /// read all of them again after an update.
  public var printsModuleVersion: Bool
  /// Success.
  public var initialized: String
  /// Failure; ` (%d)` follows.
  public var failed: String

  /// 7.1 and later: TDX is brought up at subsys_initcall.
  public static let subsysInitcall = BootFormat(
    printsModuleVersion: true, initialized: "TDX-Module initialized", failed: "TDX-Module initialization failed")
  /// Of 2025: as ``kvmIntel``, and nobody prints the module's version.
  public static let kvmIntelWithoutVersion = BootFormat(
    printsModuleVersion: false, initialized: "module initialized", failed: "module initialization failed")
  /// Before 7.1: when kvm_intel is loaded with tdx=1.
  public static let kvmIntel = BootFormat(
    printsModuleVersion: true, initialized: "module initialized", failed: "module initialization failed")
}
