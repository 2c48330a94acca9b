import FirmwareUpload
import SystemPackage

/// One kernel of the series "Runtime TDX module update", as data: a value a version, laid out like table 3.4 of
/// kernel-abi.md. Everything else in this room looks at the fields, never at the name.
public struct ABIProfile: Sendable {
  /// What `abi=` calls it.
  public var name: String

  // MARK: The tree

  /// Directory of sysfs that the device layout's mount root stands for, and that the paths below begin at.
  public var root: String
  /// Where the device is below ``root``; empty where it is the root itself.
  public var device: String
  /// What the driver core makes around it.
  public var attachment: DeviceAttachment
  /// The attribute files, in the order in which the driver makes them.
  public var files: [HostFile]
  /// What a failed INFO call makes of a read of the files that ask the P-SEAMLDR.
  public var seamldrReadError: SEAMLDRReadError
  /// Name of the upload device.
  public var uploadName: String
  /// What decides, once, which parts of the device are made.
  public var visibility: VisibilityRule

  // MARK: The image

  /// What is looked at before any CPU is stopped, in order. The first that fails ends the update; nothing has changed.
  public var preflight: [PreflightCheck]
  /// How sigstruct and module are found in the image.
  public var layout: ImageLayout
  /// What SEAMLDR_PARAMS looks like.
  public var params: SEAMLDRParamsRule

  // MARK: The flow

  /// Which CPU does the steps that only one does.
  public var leadCPU: LeadCPU
  /// How MODULE_HV gets into TDH.SYS.SHUTDOWN's operand.
  public var handoffVersion: HandoffVersion
  /// Whether the operand has bit 16, AVOID_COMPAT_SENSITIVE.
  public var shutdownFlag: ShutdownFlag
  /// What becomes of a TDH.SYS.SHUTDOWN that fails.
  public var shutdownFailure: ShutdownFailure
  /// What becomes of a TDH.SYS.UPDATE that fails.
  public var updateFailure: UpdateFailure
  /// The software state of offline CPUs is reset too (5.3).
  public var resetsOfflineCPUs: Bool
  /// What the other CPUs do after a failing step.
  public var afterFailure: AfterFailure
  /// What is read again after TDH.SYS.UPDATE, when, and what of it is kept.
  public var refresh: Refresh
  /// How `stop_machine` is called.
  public var stopMachine: StopMachine
  /// The P-SEAMLDR's ENOENTROPY is retried like the module's.
  public var retriesLoaderNoEntropy: Bool
  /// The current VMCS is saved and restored around P-SEAMLDR calls. Nothing of it is visible from outside.
  public var savesVMCS: Bool

  // MARK: Results

  /// The installer's errno as an error of the upload class.
  public var uploadErrors: UploadErrorMap
  /// What the driver does on `cancel`.
  public var cancel: CancelRule

  // MARK: The log

  /// How a failed SEAMCALL is written.
  public var seamcallErrorFormat: SEAMCALLErrorFormat
  /// `virt/tdx: version A -> B` after success.
  public var successLog: SuccessLog
  /// Lines of a failure beside those of SEAMCALLs.
  public var failureLog: [FailureLine]
  /// Lines, without prefix, when the re-read metadata differ beyond the version; none where they are not compared.
  public var featureDiffWarning: [String]
  /// Lines of the bring-up.
  public var bootFormat: BootFormat

  /// Kconfig symbols that the feature needs.
  public var kconfig: String

  /// A profile with all rows of the table.
  public init(
    name: String, root: String, device: String, attachment: DeviceAttachment, files: [HostFile],
    seamldrReadError: SEAMLDRReadError,
    uploadName: String, visibility: VisibilityRule, preflight: [PreflightCheck], layout: ImageLayout,
    params: SEAMLDRParamsRule, leadCPU: LeadCPU, handoffVersion: HandoffVersion, shutdownFlag: ShutdownFlag,
    shutdownFailure: ShutdownFailure, updateFailure: UpdateFailure, resetsOfflineCPUs: Bool, afterFailure: AfterFailure,
    refresh: Refresh,
    stopMachine: StopMachine, retriesLoaderNoEntropy: Bool, savesVMCS: Bool, uploadErrors: UploadErrorMap,
    cancel: CancelRule, seamcallErrorFormat: SEAMCALLErrorFormat, successLog: SuccessLog, failureLog: [FailureLine],
    featureDiffWarning: [String], bootFormat: BootFormat, kconfig: String
  ) {
    self.name = name
    self.root = root
    self.device = device
    self.attachment = attachment
    self.files = files
    self.seamldrReadError = seamldrReadError
    self.uploadName = uploadName
    self.visibility = visibility
    self.preflight = preflight
    self.layout = layout
    self.params = params
    self.leadCPU = leadCPU
    self.handoffVersion = handoffVersion
    self.shutdownFlag = shutdownFlag
    self.shutdownFailure = shutdownFailure
    self.updateFailure = updateFailure
    self.resetsOfflineCPUs = resetsOfflineCPUs
    self.afterFailure = afterFailure
    self.refresh = refresh
    self.stopMachine = stopMachine
    self.retriesLoaderNoEntropy = retriesLoaderNoEntropy
    self.savesVMCS = savesVMCS
    self.uploadErrors = uploadErrors
    self.cancel = cancel
    self.seamcallErrorFormat = seamcallErrorFormat
    self.successLog = successLog
    self.failureLog = failureLog
    self.featureDiffWarning = featureDiffWarning
    self.bootFormat = bootFormat
    self.kconfig = kconfig
  }

  /// All profiles there are, the default first.
  public static let all: [ABIProfile] = [v8, v1, v2, v3, v4, v5, v6, v7, v9, v10, merged, selector]

  /// The profile that `abi=name` selects.
  public static func named(_ name: String) -> ABIProfile? { all.first { $0.name == name } }

  /// The upload error for the installer's result; nil for success.
  public func uploadError(for errno: Errno?) -> FirmwareUploadError? {
    errno.map { uploadErrors[$0] }
  }
}
